//! Figures must not look better than the truth if a service freezes, a client stands still, or users wait for their
//! client.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

use load_client::compare::read_run;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::measured::{NAME, STATUS, orders};
use crate::responder::Responder;
use crate::support::rows;

const INTENDED: usize = 4;
const SENT: usize = 5;
const REPLIED: usize = 6;

/// Starts a service that answers for this long from its first request on. The receiver gets a message at the first
/// request.
fn freezing_after(time: Duration) -> (Responder, Receiver<()>) {
    let (asked, first) = channel();
    let start = std::sync::OnceLock::new();
    let service = Responder::start(&["createOrder"], &["createOrder.reply"], move |request| {
        let start = *start.get_or_init(|| {
            let _ = asked.send(());
            Instant::now()
        });
        match start.elapsed() < time {
            true => orders(request),
            false => Vec::new(),
        }
    });
    (service, first)
}

fn answering() -> (Responder, Receiver<()>) {
    freezing_after(Duration::from_secs(3600))
}

/// Makes a command with all files in a folder.
fn client(service: &Responder, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = service.client();
    command.current_dir(folder).args(arguments);
    command.args(["--requests-record-file", "run.csv", "--json", "run.json"]);
    command.args(["--csv", "stats", "--html", "run.html"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn json(folder: &TempDir) -> Value {
    serde_json::from_slice(&std::fs::read(folder.path().join("run.json")).unwrap()).unwrap()
}

/// Returns the reasons against a run, an empty text for a valid run.
fn reasons(json: &Value) -> String {
    json["validity"]["findings"].to_string()
}

/// Sends a signal `wait` after the first request to the service.
fn signal_after(child: &Child, first: &Receiver<()>, wait: Duration, signal: Signal) {
    first.recv_timeout(Duration::from_secs(60)).unwrap();
    sleep(wait);
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn end(child: Child) -> Output {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.signal().is_none(), "{output:?}");
    output
}

#[test]
fn throughput_of_a_service_that_froze_is_over_the_time_that_was_asked_for() {
    let (service, _first) = freezing_after(Duration::from_secs(1));
    let folder = tempfile::tempdir().unwrap();
    // At most 50 replies a second are good, for one second of three.
    let load = ["--pace", "20ms", "-t", "3s", "--timeout", "3s"];
    let limits = ["--fail-on", "rps>=30", "--fail-on", "failures<50%"];
    let mut command = client(&service, folder.path(), &[&load[..], &limits].concat());
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(4), "{told}");
    let json = json(&folder);
    assert_eq!(json["summary"]["window_seconds"], 3.0);
    let rows = rows(&folder.path().join("run.csv"));
    let good = rows.iter().filter(|row| row[STATUS] == "ok").count() as f64;
    let throughput = json["summary"]["throughput"].as_f64().unwrap();
    assert!(
        (throughput - good / 3.0).abs() < 1e-9,
        "{good}: {throughput}"
    );
    let rate = rows.len() as f64 / 3.0;
    let shown = format!("{throughput:.2} good replies per second over ");
    assert!(told.contains(&format!("{shown}3.0 s")), "{told}");
    let html = std::fs::read_to_string(folder.path().join("run.html")).unwrap();
    assert!(html.contains(&format!("{shown}the 3.0 s measured")));
    let stats = crate::support::rows(&folder.path().join("stats_stats.csv"));
    assert_eq!(
        (&*stats[0][NAME], stats[0][9].parse()),
        ("createOrder", Ok(rate))
    );
    // `compare` finds the window in the JSON beside the CSV, and warns if there is none.
    let csv = folder.path().join("run.csv");
    let compared = read_run(&csv).unwrap().throughput.unwrap();
    assert!((compared - throughput).abs() < 1e-9, "{compared}");
    std::fs::remove_file(folder.path().join("run.json")).unwrap();
    let run = read_run(&csv).unwrap();
    assert!(run.throughput.unwrap() > 1.5 * throughput);
    assert!(run.window_is_guessed);
}

#[test]
fn a_run_that_was_stopped_is_measured_up_to_that_moment() {
    let (service, first) = freezing_after(Duration::from_millis(500));
    let folder = tempfile::tempdir().unwrap();
    // The program waits for the request in flight until after the run time.
    let load = ["-t", "3s", "--timeout", "4s"];
    let child = client(&service, folder.path(), &load).spawn().unwrap();
    signal_after(&child, &first, Duration::from_secs(1), Signal::INT);
    end(child);
    let json = json(&folder);
    assert_eq!(json["ended_by"], "signal");
    assert!(json["duration_seconds"].as_f64().unwrap() > 3.0, "{json}");
    let window = json["summary"]["window_seconds"].as_f64().unwrap();
    assert!((0.9..2.9).contains(&window), "{window}");
}

#[test]
fn a_run_is_invalid_if_its_client_stood_still() {
    for load in [&["-u", "2"][..], &["--rate", "40/s"]] {
        let (service, first) = answering();
        let folder = tempfile::tempdir().unwrap();
        let time = ["-t", "6s", "--exit-code-on-invalid", "5"];
        let arguments = [load, &time].concat();
        let child = client(&service, folder.path(), &arguments).spawn().unwrap();
        signal_after(&child, &first, Duration::from_secs(1), Signal::STOP);
        sleep(Duration::from_secs(2));
        kill_process(Pid::from_child(&child), Signal::CONT).unwrap();
        let output = end(child);
        let json = json(&folder);
        assert_eq!(output.status.code(), Some(5), "{json}");
        let reasons = reasons(&json);
        assert!(reasons.contains("stood still"), "{reasons}");
        // 240 requests have a 95th percentile, but no 99th.
        let is_open = load[0] == "--rate";
        assert_eq!(
            reasons.contains("p95 of the schedule lag"),
            is_open,
            "{reasons}"
        );
    }
}

#[test]
fn users_that_wait_for_their_client_are_found_by_littles_law() {
    let (service, _first) = answering();
    let folder = tempfile::tempdir().unwrap();
    // This body takes long to fill in, between a reply and the next request.
    std::fs::write(folder.path().join("body"), "{uuid}".repeat(3000)).unwrap();
    let body = ["--template", "--body", "body"];
    let load = [&body[..], &["-t", "4s"]].concat();
    let output = client(&service, folder.path(), &load).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let json = json(&folder);
    assert!(reasons(&json).contains("Little's law, -"), "{json}");
}

#[test]
fn a_paced_user_delayed_by_a_slow_reply_was_planned_earlier() {
    let asked = std::sync::atomic::AtomicU32::new(0);
    let service = Responder::start(&["createOrder"], &["createOrder.reply"], move |request| {
        if asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 5 {
            sleep(Duration::from_secs(1));
        }
        orders(request)
    });
    let folder = tempfile::tempdir().unwrap();
    let load = ["--pace", "100ms", "-t", "3s"];
    let output = client(&service, folder.path(), &load).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut rows = rows(&folder.path().join("run.csv"));
    let number = |row: &[String], column: usize| row[column].parse::<u64>().unwrap();
    rows.sort_by_key(|row| number(row, SENT));
    let (stalled, next) = (&rows[5], &rows[6]);
    assert!(number(stalled, REPLIED) - number(stalled, SENT) > 900_000_000);
    // It was planned at most one pace after the stalled request, and waited for its reply.
    assert!(number(next, INTENDED) <= number(stalled, SENT) + 100_000_000);
    assert!(number(next, SENT) - number(next, INTENDED) > 800_000_000);
    assert!(
        rows.iter()
            .all(|row| number(row, INTENDED) <= number(row, SENT))
    );
}
