//! What a person sees at a terminal while a run goes on.

use std::fs;
use std::io::Read;
use std::process::Stdio;

use super::Run;
use crate::support::{Behaviour, Service, terminal};

#[test]
fn only_the_summary_is_printed_when_asked_for() {
    let service = Service::start(Behaviour::Answer("200"));
    let count = |arguments: &[&str]| {
        let run = Run::new(&service, arguments);
        run.assert_code(0);
        assert!(
            !run.stderr().contains('\r'),
            "no status line without a terminal"
        );
        run.stdout().matches("Aggregated").count()
    };
    assert_eq!(count(&["-t", "3s", "--only-summary"]), 2);
    assert!(count(&["-t", "3s"]) > 2);
}

#[test]
fn a_terminal_has_a_status_line() {
    let (person, terminal) = terminal();
    let service = Service::start(Behaviour::Answer("200"));
    let mut command = service.client();
    command
        .args(["-u", "2", "-r", "100", "-t", "2s"])
        .stdout(Stdio::null());
    let mut child = command.stderr(terminal).spawn().unwrap();
    // The command holds our copy of the terminal's end.
    drop(command);
    let mut seen = Vec::new();
    // The end of a terminal whose other side is closed is an error.
    let _ = fs::File::from(person).read_to_end(&mut seen);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let seen = String::from_utf8_lossy(&seen);
    assert!(seen.contains("00:01 of 00:02, 2 users, "), "{seen:?}");
    assert!(seen.contains("\r\x1b[2K"), "{seen:?}");
}
