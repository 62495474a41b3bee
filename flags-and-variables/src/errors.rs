//! Renders usage errors in one line, and without values that may be secret.

use std::ffi::OsStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Command};

/// Parses a value that messages must not repeat. clap's own parsers repeat it.
#[derive(Clone, Debug)]
pub struct Quietly<T>(pub fn(&str) -> Result<T, String>);

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Quietly<T> {
    type Value = T;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        let parsed = value.to_str().ok_or_else(|| "takes UTF-8".to_owned());
        parsed.and_then(self.0).map_err(|reason| {
            let flag = argument.map(Arg::to_string).unwrap_or_default();
            let message = format!("invalid value for '{flag}': {reason}");
            command.clone().error(ErrorKind::ValueValidation, message)
        })
    }
}

/// Renders a usage error without the usage that clap appends. The message is one line. For an unknown name, clap's tips
/// follow on their own lines.
#[must_use]
pub fn wrong_use(error: &clap::Error) -> String {
    let is_unknown = matches!(
        error.kind(),
        ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand
    );
    let text = error.to_string();
    let lines = text.lines().map(str::trim);
    let told = lines.filter(|line| !line.is_empty() && !line.starts_with("Usage:"));
    let (pointers, told): (Vec<_>, Vec<_>) =
        told.partition(|line| line.starts_with("tip:") || line.starts_with("For more information"));
    let message = told.join(" ");
    let mut message = message.trim_start_matches("error: ").to_owned();
    for pointer in pointers.iter().filter(|_| is_unknown) {
        message += "\n  ";
        message += pointer;
    }
    message
}
