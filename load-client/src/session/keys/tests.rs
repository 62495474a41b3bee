//! Keys on a pseudo-terminal.

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
