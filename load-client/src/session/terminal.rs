//! The person at the terminal: what signals and keys mean to a run, and where its text goes.

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

/// How soon the thread sees that it is no longer wanted.
const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// How a key changes the number of users; `None` for keys without a meaning.
pub(crate) fn change(key: u8) -> Option<i32> {
    match key {
        b'w' => Some(1),
        b'W' => Some(10),
        b's' => Some(-1),
        b'S' => Some(-10),
        _ => None,
    }
}

/// Puts a terminal back as it was before it was listened to, also from a thread that is about to end the program.
#[derive(Debug, Clone)]
pub(crate) struct Restore {
    terminal: Arc<OwnedFd>,
    before: Termios,
}

impl Restore {
    /// Puts it back, unless another process has it now.
    pub(crate) fn now(&self) {
        if is_in_front(&self.terminal) {
            // Nowhere is left to report it, and the terminal is the user's to reset.
            let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
        }
    }
}

/// A terminal that is listened to: keys come at once and are not shown, Ctrl-C stays what it is. The terminal is as
/// before when this is dropped, after a panic too.
#[derive(Debug)]
pub(crate) struct Keys {
    restore: Restore,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Keys {
    /// Listens to `terminal`; `None` when it is none, or belongs to another process at the moment (a job
    /// in the background would be stopped for touching it). Fails when the terminal cannot be set up, or the system
    /// has no thread to give.
    pub(crate) fn listen(
        terminal: OwnedFd,
        on_change: impl Fn(i32) + Send + 'static,
    ) -> std::io::Result<Option<Self>> {
        if !isatty(&terminal) || !is_in_front(&terminal) {
            return Ok(None);
        }
        let before = tcgetattr(&terminal)?;
        let mut eager = before.clone();
        // ISIG stays: Ctrl-C must go on to end the run.
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

    /// What puts the terminal back where this is not dropped.
    pub(crate) fn restore(&self) -> Restore {
        self.restore.clone()
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A callback that panicked has been reported by the panic's own message.
            let _ = thread.join();
        }
        self.restore.now();
    }
}

/// Whether this process may use the terminal now.
fn is_in_front(terminal: &OwnedFd) -> bool {
    match tcgetpgrp(terminal) {
        Ok(group) => group == getpgrp(),
        // Not our controlling terminal: nobody stops us for using it.
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
            // What was typed is for another process; it stays there to be read.
            std::thread::sleep(STOP_CHECK_INTERVAL);
            continue;
        }
        match rustix::io::read(terminal.as_fd(), &mut byte) {
            Ok(1) => change(byte[0]).into_iter().for_each(on_change),
            Err(rustix::io::Errno::INTR) => {}
            // The terminal is gone.
            _ => return,
        }
    }
}

/// Standard input as a descriptor of its own. Fails when it is closed.
pub(crate) fn standard_input() -> std::io::Result<OwnedFd> {
    std::io::stdin().as_fd().try_clone_to_owned()
}

// What a signal means to a run: the first stops the sending, the second the waiting for replies. A further
// one, or the second while the files are written, ends the program.

/// The exit code after a second signal; as a shell reports a program that SIGINT ended.
pub(crate) const INTERRUPTED: u8 = 130;
/// Empties the line of a terminal that the cursor is in.
pub(crate) const CLEAR_LINE: &str = "\r\x1b[2K";

/// Passes the signals on to a run, as long as it goes on; `is_over` is cancelled when only its files are left.
/// The terminal is given back before a signal ends the program.
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
    let clear = if takes_escapes(&stderr) {
        CLEAR_LINE
    } else {
        ""
    };
    // Nowhere is left to report a standard error that is closed.
    let _ = writeln!(stderr, "{clear}{message}");
}

/// Where the text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    Output,
    /// Standard output takes a file.
    Error,
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
pub(crate) fn terminal_columns(stream: impl AsFd) -> Option<usize> {
    let columns = tcgetwinsize(stream).ok()?.ws_col;
    // Some terminals do not tell.
    (columns > 0).then_some(usize::from(columns))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};

    use super::*;

    /// The person's side and the program's side.
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
        // The patience is for a failed test to end, no more.
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
