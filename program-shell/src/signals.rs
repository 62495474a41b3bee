//! Waits for the signals that ask a program to stop: Ctrl-C (SIGINT), SIGTERM, and SIGHUP, which a closing terminal
//! sends.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The number of SIGHUP in POSIX.
const HANGUP: u32 = 1;

/// Catches the signals from its creation on.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// `None` if the program was started to outlive its terminal (`nohup`).
    hangup: Option<Signal>,
}

impl Signals {
    /// Starts to catch the signals.
    ///
    /// # Errors
    ///
    /// Returns an error if the system refuses the handlers.
    pub fn catch() -> io::Result<Self> {
        let hangup = (!is_hangup_ignored()).then(|| signal(SignalKind::hangup()));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: hangup.transpose()?,
        })
    }

    /// Waits for any of the signals and returns its name.
    pub async fn next(&mut self) -> &'static str {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => "Ctrl-C",
            _ = self.terminate.recv() => "SIGTERM",
            _ = hangup => "SIGHUP",
        }
    }
}

/// Returns whether this process was started with SIGHUP ignored. Without /proc it returns `false`.
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    is_ignored(&status, HANGUP)
}

/// Reads the mask `SigIgn` of a process's status. Bit n - 1 is signal n.
fn is_ignored(status: &str, signal: u32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        let status = |mask: &str| format!("SigBlk:\tffffffffffffffff\nSigIgn:\t{mask}\n");
        assert!(is_ignored(&status("0000000000001001"), HANGUP));
        assert!(!is_ignored(&status("0000000000001000"), HANGUP));
        assert!(!is_ignored("", HANGUP));
    }
}
