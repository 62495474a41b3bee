//! The output at a terminal while a run goes on.

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

/// Returns what a terminal shows of a run with these variables.
fn seen(variables: &[(&str, &str)]) -> String {
    let (person, terminal) = terminal();
    let service = Service::start(Behaviour::Answer("200"));
    let mut command = service.client();
    command
        .args(["-u", "2", "-r", "100", "-t", "2s"])
        .envs([("TERM", "xterm"), ("LOAD_CLIENT_LOG", "debug")])
        .envs(variables.iter().copied())
        .stdout(Stdio::null());
    let mut child = command.stderr(terminal).spawn().unwrap();
    // The command holds our copy of the terminal's end.
    drop(command);
    let mut seen = Vec::new();
    // Reading a terminal whose other side is closed ends with an error.
    let _ = fs::File::from(person).read_to_end(&mut seen);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    String::from_utf8_lossy(&seen).into_owned()
}

#[test]
fn a_terminal_has_a_status_line() {
    let seen = seen(&[]);
    assert!(seen.contains("00:01 of 00:02, 2 users, "), "{seen:?}");
    assert!(
        seen.contains("\r\x1b[2K") && seen.contains("\x1b[34mDEBUG"),
        "{seen:?}"
    );
}

#[test]
fn a_dumb_terminal_gets_no_escapes_and_no_color_gets_no_colours() {
    let dumb = seen(&[("TERM", "dumb")]);
    assert!(dumb.contains("DEBUG") && !dumb.contains('\x1b'), "{dumb:?}");
    let plain = seen(&[("NO_COLOR", "1")]);
    assert!(
        plain.contains("\r\x1b[2K") && plain.contains("DEBUG"),
        "{plain:?}"
    );
    assert!(!plain.replace("\x1b[2K", "").contains('\x1b'), "{plain:?}");
}
