//! The tables and verdicts for people: on standard output, unless that takes a file.

use std::io::Write;
use std::path::Path;

use crate::report::is_standard_output;
use rustix::termios::tcgetwinsize;

/// Where the text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    Output,
    /// Standard output takes a file.
    Error,
}

/// The tables and verdicts of a run, to be printed later.
pub(crate) struct HeldText {
    pub(super) place: Text,
    pub(super) text: String,
}

impl HeldText {
    pub(crate) fn print(&self) {
        self.place.print(&self.text);
    }
}

impl Text {
    /// Beside outputs at these paths.
    pub(crate) fn beside<'a>(outputs: impl IntoIterator<Item = &'a Path>) -> Self {
        match outputs.into_iter().any(is_standard_output) {
            true => Self::Error,
            false => Self::Output,
        }
    }

    pub(crate) fn print(self, text: &str) {
        // A reader that closed the pipe must not end the run; the files are still due.
        let _ = match self {
            Self::Output => std::io::stdout().lock().write_all(text.as_bytes()),
            Self::Error => std::io::stderr().lock().write_all(text.as_bytes()),
        };
    }

    /// The width of the terminal; `None` for anything else.
    pub(crate) fn columns(self) -> Option<usize> {
        match self {
            Self::Output => terminal_columns(std::io::stdout()),
            Self::Error => terminal_columns(std::io::stderr()),
        }
    }
}

/// The width of a terminal; `None` for anything else.
pub(crate) fn terminal_columns(stream: impl std::os::fd::AsFd) -> Option<usize> {
    let columns = tcgetwinsize(stream).ok()?.ws_col;
    // Some terminals do not tell.
    (columns > 0).then_some(usize::from(columns))
}
