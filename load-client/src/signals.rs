//! Ctrl-C and SIGTERM: the first stops the sending, the second stops the waiting.

use std::io::{IsTerminal, Write};

use load_client::runner::Control;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Empties the line of a terminal that the cursor is in.
pub(crate) const CLEAR_LINE: &str = "\r\x1b[2K";

/// Both signals, caught from the moment of creation on.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Starts to catch the signals.
    ///
    /// # Errors
    ///
    /// When the system refuses the handlers.
    pub(crate) fn catch() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for either.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Passes the signals on to a run, as long as it goes on.
    pub(crate) async fn control(mut self, control: Control) {
        self.next().await;
        say("stopping: waiting for the requests in flight; Ctrl-C again stops at once");
        control.stop.cancel();
        self.next().await;
        say("stopping at once: requests in flight are recorded as censored");
        control.abort.cancel();
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
