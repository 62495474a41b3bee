//! Signals besides Ctrl-C: a terminal that is closed, and a second signal while files are written.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, tcgetattr};

use crate::support::{Behaviour, Service, mkfifo, rows, terminal};

/// Only ends a failed test.
const PATIENCE: Duration = Duration::from_secs(60);

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits for the end of a program, and kills it if it does not end.
fn end(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap()
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn a_hangup_ends_a_run_in_order_and_gives_the_terminal_back() {
    let service = Service::start(Behaviour::Answer("200"));
    let folder = tempfile::tempdir().unwrap();
    let (person, program) = terminal();
    let modes = || tcgetattr(&person).unwrap().local_modes;
    let before = modes();
    let mut command = service.client();
    command
        .current_dir(folder.path())
        .args(["--requests-record-file", "run.csv", "--json", "run.json"])
        .stdin(program)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    until("the keys", || !modes().contains(LocalModes::ECHO));
    service.next_seen();
    send(&child, Signal::HUP);
    let status = end(&mut child);
    let hint = "is SIGHUP ignored here, as under nohup? Then it is ignored by the run too";
    assert_eq!(status.code(), Some(0), "{status}; {hint}");
    assert_eq!(modes(), before, "the terminal's echo is lost");
    assert!(!rows(&folder.path().join("run.csv")).is_empty());
    let json = fs::read_to_string(folder.path().join("run.json")).unwrap();
    assert!(json.contains("\"ended_by\": \"signal\""), "{json}");
}

#[test]
fn a_run_under_nohup_outlives_its_terminal() {
    let service = Service::start(Behaviour::Ignore);
    let plain = service.client();
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' HUP; exec \"$@\"", "sh"])
        .arg(plain.get_program())
        .args(plain.get_args())
        .args(["--timeout", "1s"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    service.next_seen();
    send(&child, Signal::HUP);
    send(&child, Signal::TERM);
    // Two signals would give 130. After one signal the program waits for the request in flight, which fails.
    let status = end(&mut child);
    assert_eq!(status.code(), Some(3), "{status}");
}

#[test]
fn a_second_interrupt_while_files_are_written_ends_at_once() {
    let service = Service::start(Behaviour::Answer("200"));
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    // Nobody reads the pipe, so writing it never ends.
    mkfifo(&at("run.json"));
    fs::write(at("run.html"), "an earlier one").unwrap();
    let mut command = service.client();
    command
        .current_dir(folder.path())
        .args(["-t", "1s", "--requests-record-file", "run.csv"])
        .args(["--json", "run.json", "--html", "run.html"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    until("the requests", || at("run.csv").exists());
    send(&child, Signal::INT);
    let told = std::thread::spawn(move || {
        let mut lines = stderr.by_ref().lines().map_while(Result::ok);
        lines.any(|line| line.contains("writing the files; Ctrl-C again"))
    });
    until("an answer to the first", || {
        told.is_finished() || child.try_wait().unwrap().is_some()
    });
    send(&child, Signal::INT);
    let status = end(&mut child);
    assert_eq!(status.code(), Some(130), "{status}");
    assert!(told.join().unwrap());
    let page = fs::read_to_string(at("run.html")).unwrap();
    assert!(page == "an earlier one" || page.trim_end().ends_with("</html>"));
}

/// Both thresholds hold, but their figures must not be used.
#[test]
fn no_case_of_junit_passes_in_a_run_that_stood_still() {
    let service = Service::start(Behaviour::Answer("200"));
    let folder = tempfile::tempdir().unwrap();
    let mut command = service.client();
    command
        .current_dir(folder.path())
        .args([
            "-t",
            "4s",
            "--exit-code-on-invalid",
            "5",
            "--junit",
            "j.xml",
        ])
        .args(["--fail-on", "failures<1%", "--fail-on", "rps>0"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    service.next_seen();
    send(&child, Signal::STOP);
    std::thread::sleep(Duration::from_secs(1));
    send(&child, Signal::CONT);
    assert_eq!(end(&mut child).code(), Some(5));
    let junit = fs::read_to_string(folder.path().join("j.xml")).unwrap();
    let counts = "tests=\"2\" failures=\"0\" errors=\"2\"";
    assert!(
        junit.contains(counts) && junit.contains("stood still"),
        "{junit}"
    );
}
