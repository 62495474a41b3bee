//! The terminal: signals and keys that control a run, and the place of its text.

use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use program_shell::signals::Signals;
use program_shell::terminal::takes_escapes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::getpgrp;
use rustix::termios::{
    LocalModes, OptionalActions, Termios, isatty, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr,
};
use tokio_util::sync::CancellationToken;

use crate::load::Control;
use crate::report::is_standard_output;

/// How soon the thread notices that it should stop.
const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Returns how a key changes the number of users, or `None` for a key without a meaning.
pub(crate) fn change(key: u8) -> Option<i32> {
    match key {
        b'w' => Some(1),
        b'W' => Some(10),
        b's' => Some(-1),
        b'S' => Some(-10),
        _ => None,
    }
}

/// Restores a terminal, also from a thread that is about to end the program.
#[derive(Debug, Clone)]
pub(crate) struct Restore {
    terminal: Arc<OwnedFd>,
    before: Termios,
}

impl Restore {
    /// Restores the terminal, unless another process owns it now.
    pub(crate) fn now(&self) {
        if is_in_front(&self.terminal) {
            // There is no place left to report a failure. The user can reset the terminal.
            let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
        }
    }
}

/// A terminal whose keys are read: they arrive at once and are not shown. Ctrl-C works as usual. Dropping this restores
/// the terminal, after a panic too.
#[derive(Debug)]
pub(crate) struct Keys {
    restore: Restore,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Keys {
    /// Listens to `terminal`. Returns `None` if it is not a terminal, or belongs to another process at the moment: the
    /// system stops a background job that touches its terminal. Fails when the terminal cannot be set up, or the system
    /// cannot start a thread.
    pub(crate) fn listen(
        terminal: OwnedFd,
        on_change: impl Fn(i32) + Send + 'static,
    ) -> std::io::Result<Option<Self>> {
        if !isatty(&terminal) || !is_in_front(&terminal) {
            return Ok(None);
        }
        let before = tcgetattr(&terminal)?;
        let mut eager = before.clone();
        // Keep ISIG: Ctrl-C must still end the run.
        eager.local_modes &= !(LocalModes::ICANON | LocalModes::ECHO);
        let mut keys = Self {
            restore: Restore {
                terminal: Arc::new(terminal),
                before,
            },
            stop: Arc::new(AtomicBool::new(false)),
            thread: None,
        };
        let terminal = Arc::clone(&keys.restore.terminal);
        tcsetattr(&terminal, OptionalActions::Now, &eager)?;
        let stop = Arc::clone(&keys.stop);
        let thread = std::thread::Builder::new().name("keys".to_owned());
        keys.thread = Some(thread.spawn(move || read(&terminal, &stop, &on_change))?);
        Ok(Some(keys))
    }

    /// Returns a handle that restores the terminal if this value is not dropped.
    pub(crate) fn restore(&self) -> Restore {
        self.restore.clone()
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // If the callback panicked, the panic has printed its own message.
            let _ = thread.join();
        }
        self.restore.now();
    }
}

/// Returns whether this process may use the terminal now.
fn is_in_front(terminal: &OwnedFd) -> bool {
    match tcgetpgrp(terminal) {
        Ok(group) => group == getpgrp(),
        // It is not our controlling terminal, so the system does not stop us for using it.
        Err(_) => true,
    }
}

fn read(terminal: &OwnedFd, stop: &AtomicBool, on_change: &impl Fn(i32)) {
    let patience = Timespec::try_from(STOP_CHECK_INTERVAL).ok();
    let mut byte = [0];
    while !stop.load(Ordering::Relaxed) {
        let mut waited = [PollFd::new(terminal, PollFlags::IN)];
        let ready = match poll(&mut waited, patience.as_ref()) {
            Ok(ready) => ready,
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
        };
        if ready == 0 {
            continue;
        }
        if !is_in_front(terminal) {
            // The input is for another process, so leave it unread.
            std::thread::sleep(STOP_CHECK_INTERVAL);
            continue;
        }
        match rustix::io::read(terminal.as_fd(), &mut byte) {
            Ok(1) => change(byte[0]).into_iter().for_each(on_change),
            Err(rustix::io::Errno::INTR) => {}
            // The terminal is closed.
            _ => return,
        }
    }
}

/// Returns standard input as a separate descriptor. Fails when it is closed.
pub(crate) fn standard_input() -> std::io::Result<OwnedFd> {
    std::io::stdin().as_fd().try_clone_to_owned()
}

// The first signal stops the sending, the second one stops the waiting for replies. A third one, or a second one while
// the files are written, ends the program.

/// The exit code after a second signal, the same that a shell reports for a program that SIGINT ended.
pub(crate) const INTERRUPTED: u8 = 130;
/// Clears the terminal line with the cursor.
pub(crate) const CLEAR_LINE: &str = "\r\x1b[2K";

/// Passes the signals on to a run while it goes on. `is_over` is cancelled when only the files are left. The terminal
/// is restored before a signal ends the program.
pub(super) async fn obey(
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
                // Writing files blocks a thread, so only an exit ends it at once. Files grow under another name, so
                // none is left half-written.
                std::process::exit(INTERRUPTED.into());
            }
        }
    }
}

/// Prints a line to standard error.
pub(crate) fn say(message: &str) {
    let mut stderr = std::io::stderr().lock();
    // Clear the status line, if there is one.
    let clear = if takes_escapes(&stderr) {
        CLEAR_LINE
    } else {
        ""
    };
    // If standard error is closed, there is no other place to report it.
    let _ = writeln!(stderr, "{clear}{message}");
}

/// Where the tables and verdicts go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    Output,
    /// A file goes to standard output.
    Error,
}

impl Text {
    /// Returns the place for the text beside outputs at these paths.
    pub(crate) fn beside<'a>(outputs: impl IntoIterator<Item = &'a Path>) -> Self {
        match outputs.into_iter().any(is_standard_output) {
            true => Self::Error,
            false => Self::Output,
        }
    }

    pub(crate) fn print(self, text: &str) {
        // A reader that closed the pipe must not end the run, because the files are still to be written.
        let _ = match self {
            Self::Output => std::io::stdout().lock().write_all(text.as_bytes()),
            Self::Error => std::io::stderr().lock().write_all(text.as_bytes()),
        };
    }

    /// Returns the width of the terminal, or `None` for anything else.
    pub(crate) fn columns(self) -> Option<usize> {
        match self {
            Self::Output => terminal_columns(std::io::stdout()),
            Self::Error => terminal_columns(std::io::stderr()),
        }
    }
}

/// Returns the width of a terminal, or `None` for anything else.
pub(crate) fn terminal_columns(stream: impl AsFd) -> Option<usize> {
    let columns = tcgetwinsize(stream).ok()?.ws_col;
    // Some terminals report no width.
    (columns > 0).then_some(usize::from(columns))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};

    use super::*;

    /// Returns the user's side and the program's side of a terminal.
    fn terminal() -> (OwnedFd, OwnedFd) {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let person = openpt(flags).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let program = ioctl_tiocgptpeer(&person, flags).unwrap();
        (person, program)
    }

    fn modes(terminal: &OwnedFd) -> LocalModes {
        tcgetattr(terminal).unwrap().local_modes
    }

    #[test]
    fn keys_change_the_users_and_the_terminal_is_as_before() {
        let (person, program) = terminal();
        let before = modes(&person);
        assert!(before.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG));
        let (sender, changes) = channel();
        let keys = Keys::listen(program, move |change| sender.send(change).unwrap());
        let keys = keys.unwrap().expect("a terminal");
        let during = modes(&person);
        assert!(!during.intersects(LocalModes::ICANON | LocalModes::ECHO));
        assert!(during.contains(LocalModes::ISIG), "Ctrl-C must work");
        rustix::io::write(&person, b"wWxsS\nw").unwrap();
        // The time-out only lets a failed test end.
        let next = || changes.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(
            [next(), next(), next(), next(), next()],
            [1, 10, -1, -10, 1]
        );
        drop(keys);
        assert_eq!(modes(&person), before);
        assert!(changes.try_recv().is_err());
    }

    #[test]
    fn a_panic_gives_the_terminal_back() {
        let (person, program) = terminal();
        let before = modes(&person);
        let panicked = std::panic::catch_unwind(|| {
            let _keys = Keys::listen(program, |_| {}).unwrap().expect("a terminal");
            panic!("a bug");
        });
        assert!(panicked.is_err());
        assert_eq!(modes(&person), before);
    }

    #[test]
    fn a_file_is_no_terminal() {
        let file = tempfile::tempfile().unwrap();
        assert!(Keys::listen(file.into(), |_| {}).unwrap().is_none());
    }
}
