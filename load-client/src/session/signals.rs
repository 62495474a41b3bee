//! What a signal means to a run: the first stops the sending, the second the waiting for replies. A further
//! one, or the second while the files are written, ends the program.

use std::io::{IsTerminal, Write};

use crate::load::runner::Control;
use crate::session::keys::Restore;
use program_shell::signals::Signals;
use tokio_util::sync::CancellationToken;

/// The exit code after a second signal; as a shell reports a program that SIGINT ended.
pub(crate) const INTERRUPTED: u8 = 130;
/// Empties the line of a terminal that the cursor is in.
pub(crate) const CLEAR_LINE: &str = "\r\x1b[2K";

/// Passes the signals on to a run, as long as it goes on; `is_over` is cancelled when only its files are left.
/// The terminal is given back before a signal ends the program.
pub(crate) async fn control(
    mut signals: Signals,
    control: Control,
    is_over: CancellationToken,
    terminal: Option<Restore>,
) {
    for count in 1.. {
        signals.next().await;
        match (count, is_over.is_cancelled()) {
            (1, false) => {
                say("stopping: waiting for the requests in flight; Ctrl-C again stops at once");
                control.stop.cancel();
            }
            (1, true) => say("writing the files; Ctrl-C again ends without those that are left"),
            (2, false) => {
                say("stopping at once: requests in flight are recorded as censored");
                control.abort.cancel();
            }
            _ => {
                terminal.iter().for_each(Restore::now);
                say("ended at once: files that were not written yet are missing");
                // What writes the files blocks its thread, so nothing less would be at once. Files grow under
                // another name, so none is left half-written.
                std::process::exit(INTERRUPTED.into());
            }
        }
    }
}

/// A line for the person at the terminal.
pub(crate) fn say(message: &str) {
    let mut stderr = std::io::stderr().lock();
    // The status line, if there is one, gives way.
    let clear = if stderr.is_terminal() { CLEAR_LINE } else { "" };
    // Nowhere is left to report a standard error that is closed.
    let _ = writeln!(stderr, "{clear}{message}");
}
