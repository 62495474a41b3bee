//! Remembers which flags the variables have set, so that a message can blame the variable.

use clap::Command;
use clap::error::ErrorKind;

use crate::wrong_use;

/// Remembers which flags the variables and the file have set.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    /// The name of each flag in messages, and its replacement.
    names: Vec<(String, String)>,
}

impl Origins {
    /// Returns a message that names the variable instead of the flag, for flags that were not typed.
    #[must_use]
    pub fn name(&self, message: &str) -> String {
        let names = self.names.iter();
        names.fold(message.to_owned(), |message, (flag, variable)| {
            replace_whole(&message, flag, variable)
        })
    }

    pub(crate) fn push(&mut self, flag: String, variable: String) {
        self.names.push((flag, variable));
    }

    pub(crate) fn renamed(&self, command: &mut Command, error: clap::Error) -> clap::Error {
        let told = wrong_use(&error);
        let renamed = self.name(&told);
        // The suggestion for an unknown flag keeps the flag's name.
        if renamed == told || error.kind() == ErrorKind::UnknownArgument {
            return error;
        }
        command.error(error.kind(), renamed)
    }
}

/// Replaces a flag, unless it is part of another one.
fn replace_whole(text: &str, flag: &str, by: &str) -> String {
    let is_part = |own: char| own.is_ascii_alphanumeric() || own == '-';
    let (mut replaced, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(flag) {
        let (before, behind) = (&rest[..at], &rest[at + flag.len()..]);
        let is_whole = !before.ends_with(is_part) && !behind.starts_with(is_part);
        replaced.push_str(before);
        replaced.push_str(if is_whole { by } else { flag });
        rest = behind;
    }
    replaced + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_flags_are_renamed() {
        let mut origins = Origins::default();
        origins.push("--rate <RATE>".to_owned(), "RATE".to_owned());
        origins.push("--rate".to_owned(), "RATE".to_owned());
        origins.push("-X".to_owned(), "PROPERTIES".to_owned());
        assert_eq!(
            origins.name("--rate-limit, --x-X and '--rate <RATE>' or --rate; -X a=b"),
            "--rate-limit, --x-X and 'RATE' or RATE; PROPERTIES a=b"
        );
    }
}
