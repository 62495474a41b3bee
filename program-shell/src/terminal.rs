//! Detects what a terminal can show.

use std::env::var_os;
use std::ffi::OsString;
use std::io::IsTerminal;

/// Returns whether the stream is a terminal that accepts escape sequences. `TERM=dumb` says that it does not.
pub fn takes_escapes(stream: &impl IsTerminal) -> bool {
    can(stream.is_terminal(), var_os("TERM"))
}

/// Returns whether the stream is a terminal that shows colours, and `NO_COLOR` (no-color.org) is not set.
pub fn shows_colours(stream: &impl IsTerminal) -> bool {
    takes_escapes(stream) && wants_colours(var_os("NO_COLOR"))
}

fn can(is_terminal: bool, term: Option<OsString>) -> bool {
    is_terminal && term.is_none_or(|term| term != "dumb")
}

fn wants_colours(no_color: Option<OsString>) -> bool {
    no_color.is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dumb_terminal_and_a_file_take_no_escapes() {
        let term = |name: &str| Some(OsString::from(name));
        assert!(can(true, term("xterm")) && can(true, None));
        assert!(!can(true, term("dumb")) && !can(false, term("xterm")));
    }

    #[test]
    fn an_empty_variable_is_no_wish() {
        assert!(wants_colours(None) && wants_colours(Some(OsString::new())));
        assert!(!wants_colours(Some(OsString::from("0"))));
    }
}
