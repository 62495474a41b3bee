//! Keys that change the number of users while a run goes on, as in Locust: `w` and `W` add 1 and 10,
//! `s` and `S` take them away.
//!
//! The terminal gives each key at once and does not show it; signals such as Ctrl-C stay as they are. What
//! was changed is put back when [`Keys`] is dropped, a panic included.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::getpgrp;
use rustix::termios::{
    LocalModes, OptionalActions, Termios, isatty, tcgetattr, tcgetpgrp, tcsetattr,
};

/// How soon the thread sees that it is no longer wanted.
const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// How a key changes the number of users; `None` for keys without a meaning.
#[must_use]
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

/// A terminal that is listened to.
#[derive(Debug)]
pub(crate) struct Keys {
    restore: Restore,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Keys {
    /// Listens to `terminal`; `None` when it is none, or belongs to another process at the moment (a job
    /// in the background would be stopped for touching it).
    ///
    /// # Errors
    ///
    /// When the terminal cannot be set up, or the system has no thread to give.
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
    #[must_use]
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

/// Standard input as a descriptor of its own.
///
/// # Errors
///
/// When it is closed.
pub(crate) fn standard_input() -> std::io::Result<OwnedFd> {
    std::io::stdin().as_fd().try_clone_to_owned()
}

#[cfg(test)]
mod tests;
