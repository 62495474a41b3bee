//! The files and exit codes of a run, for scripts and people.

mod places;
mod prometheus;
mod report;
mod terminal;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Output;

use base64::prelude::{BASE64_STANDARD, Engine};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Behaviour, Service, client, rows};

struct Run {
    folder: TempDir,
    output: Output,
}

impl Run {
    /// Runs in a new folder.
    fn new(service: &Service, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::in_folder(service, arguments, folder)
    }

    fn in_folder(service: &Service, arguments: &[&str], folder: TempDir) -> Self {
        let mut command = service.client();
        command.current_dir(folder.path()).args(arguments);
        let output = command.output().unwrap();
        Self { folder, output }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text("run.json")).unwrap()
    }

    fn table(&self, name: &str) -> Vec<BTreeMap<String, String>> {
        let mut reader = csv::Reader::from_path(self.path(name)).unwrap();
        reader.deserialize().map(Result::unwrap).collect()
    }

    fn stdout(&self) -> String {
        String::from_utf8(self.output.stdout.clone()).unwrap()
    }

    fn stderr(&self) -> String {
        String::from_utf8(self.output.stderr.clone()).unwrap()
    }

    #[track_caller]
    fn assert_code(&self, code: i32) {
        let told = format!("{}\n{}", self.stdout(), self.stderr());
        assert_eq!(self.output.status.code(), Some(code), "{told}");
    }
}

const FILES: [&str; 10] = [
    "--requests-record-file",
    "requests.csv",
    "--csv",
    "run",
    "--json",
    "run.json",
    "--html",
    "run.html",
    "--hdr",
    "run.hlog",
];

fn with_files(arguments: &[&'static str]) -> Vec<&'static str> {
    [&FILES, arguments].concat()
}

fn number(value: &str) -> u64 {
    value
        .parse()
        .unwrap_or_else(|_| panic!("{value} is no count"))
}

/// Returns the kinds of an HDR log with the number of times of each, as HdrHistogram's tools add them up.
fn recorded(log: &str) -> BTreeMap<String, u64> {
    let lines = IntervalLogIterator::new(log.as_bytes()).map(Result::unwrap);
    let histograms = lines.filter_map(|line| match line {
        LogEntry::Interval(line) => Some(line),
        _ => None,
    });
    let mut counts = BTreeMap::new();
    for line in histograms {
        let bytes = BASE64_STANDARD.decode(line.encoded_histogram()).unwrap();
        let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut &*bytes).unwrap();
        *counts.entry(line.tag().unwrap().to_string()).or_default() += histogram.len();
    }
    counts
}

#[test]
fn all_files_agree_to_the_request() {
    for (behaviour, code) in [(Behaviour::Answer("200"), 0), (Behaviour::Answer("500"), 3)] {
        let service = Service::start(behaviour);
        let run = Run::new(
            &service,
            &with_files(&["-u", "2", "-r", "100", "-t", "2s", "--warm-up", "300ms"]),
        );
        run.assert_code(code);
        let all = rows(&run.path("requests.csv"));
        let measured: Vec<_> = all.iter().filter(|row| row[8] == "false").collect();
        let shown = run.stdout();
        assert!(measured.len() < all.len(), "there was a warm-up: {shown}");
        let requests = measured.len() as u64;
        let failures = measured.iter().filter(|row| row[3] != "ok").count() as u64;
        assert!(
            requests > 0 && (failures == 0 || failures == requests),
            "{failures} of {requests} failed: {shown}"
        );

        let json = run.json();
        let total = &json["summary"]["total"];
        assert_eq!(
            (&total["requests"], &total["failures"]),
            (&requests.into(), &failures.into())
        );
        assert_eq!(json["exit_code"], code);

        let stats = run.table("run_stats.csv");
        assert_eq!(stats.len(), 2);
        for row in &stats {
            assert_eq!(number(&row["Request Count"]), requests);
            assert_eq!(number(&row["Failure Count"]), failures);
        }
        let mean = total["response"]["mean_ms"].as_f64();
        assert_eq!(stats[1]["Average Response Time"].parse().ok(), mean);

        let history = run.table("run_stats_history.csv");
        let last = history.last().unwrap();
        assert_eq!(number(&last["Total Request Count"]), requests);
        let occurrences = run
            .table("run_failures.csv")
            .iter()
            .map(|row| number(&row["Occurrences"]))
            .sum::<u64>();
        let failed = all.iter().filter(|row| row[3] != "ok").count() as u64;
        assert_eq!(occurrences, failed, "the warm-up's failures are listed");

        let good = requests - failures;
        let log = recorded(&run.text("run.hlog"));
        let of = |kind: &str| log.get(kind).copied().unwrap_or(0);
        assert_eq!([of("createOrder"), of("createOrder/service")], [good; 2]);
        let warm_up = all.len() as u64 - requests;
        let good = if failures == 0 { warm_up } else { 0 };
        assert_eq!(of("createOrder/warm-up"), good);

        let page = run.text("run.html");
        let cells = [requests, failures].map(|count| format!("<td class=\"figure\">{count}</td>"));
        let row = format!("<tr><td></td><td>Aggregated</td>{}", cells.concat());
        assert!(page.contains(&row), "{row}");
        assert!(!run.path("run_stats.csv.part").exists() && !run.path("run.html.part").exists());
    }
}

#[test]
fn a_full_history_has_a_row_for_each_kind_and_needs_csv() {
    let service = Service::start(Behaviour::Answer("200"));
    let run = Run::new(
        &service,
        &["-t", "1s", "--csv", "run", "--csv-full-history"],
    );
    run.assert_code(0);
    let names: Vec<_> = run
        .table("run_stats_history.csv")
        .iter()
        .map(|row| row["Name"].clone())
        .collect();
    assert!(
        names.len() >= 2 && names.len().is_multiple_of(2),
        "{names:?}"
    );
    assert_eq!(names[..2], ["createOrder", "Aggregated"]);
    let run = Run::new(&service, &["-t", "1s", "--csv-full-history"]);
    run.assert_code(2);
    assert!(
        run.stderr().contains("--csv-full-history needs --csv"),
        "{}",
        run.stderr()
    );
}

#[test]
fn thresholds_decide_the_exit_code() {
    let service = Service::start(Behaviour::Answer("200"));
    let run = Run::new(
        &service,
        &[
            "-t",
            "1s",
            "--json",
            "run.json",
            "--fail-on",
            "max<1h",
            "--fail-on",
            "med<60s",
        ],
    );
    run.assert_code(2);
    assert!(run.stderr().contains("--fail-on") && run.stderr().contains("\"h\" is not a unit"));
    let sound = ["-t", "1s", "--json", "run.json", "--fail-on", "max<60s"];
    let run = Run::new(&service, &sound);
    run.assert_code(0);
    assert!(
        run.stdout().contains("holds      max<60s"),
        "{}",
        run.stdout()
    );
    for (threshold, verdict) in [("med<1us", "broken"), ("service.p99.9999<60s", "undecided")] {
        let run = Run::new(&service, &[&sound[..], &["--fail-on", threshold]].concat());
        run.assert_code(4);
        let json = run.json();
        assert_eq!(json["thresholds"][0]["verdict"], "holds");
        assert_eq!(json["thresholds"][1]["verdict"], verdict);
        assert_eq!(json["exit_code"], 4);
        assert!(
            run.stdout().contains(&verdict.to_uppercase()),
            "{}",
            run.stdout()
        );
    }
    let run = Run::new(&service, &["-t", "1s", "--fail-on", "other:p95<1s"]);
    run.assert_code(2);
    assert!(
        run.stderr().contains("its kinds are createOrder"),
        "{}",
        run.stderr()
    );
}

#[test]
fn failed_requests_have_a_code_that_can_be_set_or_judged() {
    let service = Service::start(Behaviour::Answer("500"));
    for (arguments, code) in [
        (&["-t", "1s"][..], 3),
        (&["-t", "1s", "--exit-code-on-error", "7"], 7),
        (&["-t", "1s", "--exit-code-on-error", "0"], 0),
        (&["-t", "1s", "--fail-on", "failures<=100%"], 0),
        (&["-t", "1s", "--fail-on", "failures<1%"], 4),
    ] {
        Run::new(&service, arguments).assert_code(code);
    }
}

#[test]
fn a_broken_threshold_ends_the_run() {
    let service = Service::start(Behaviour::Answer("500"));
    let run = Run::new(
        &service,
        &[
            "-t",
            "30s",
            "--json",
            "run.json",
            "--fail-on",
            "failures<=0",
            "--abort-on-fail",
        ],
    );
    run.assert_code(4);
    assert_eq!(run.json()["ended_by"], "threshold");
    assert!(
        run.stderr().contains("stopping: failures<=0 does not hold"),
        "{}",
        run.stderr()
    );
}

#[test]
fn a_disk_that_is_full_for_a_while_costs_nothing() {
    let service = Service::start(Behaviour::Answer("200"));
    let folder = tempfile::tempdir().unwrap();
    // A file that cannot be written is removed, so that the next second's file is complete.
    let full = folder.path().join("run_stats.csv.part");
    std::os::unix::fs::symlink("/dev/full", &full).unwrap();
    let run = Run::in_folder(&service, &with_files(&["-t", "3s"]), folder);
    run.assert_code(0);
    let told = run.stderr();
    let expected = "error: --csv: cannot write run_stats.csv.part: No space left";
    assert!(
        told.contains(expected) && told.contains("the run goes on"),
        "{told}"
    );
    assert_eq!(run.table("run_stats.csv").len(), 2);
}

#[test]
fn a_file_that_cannot_be_written_costs_neither_the_run_nor_the_others() {
    let service = Service::start(Behaviour::Answer("200"));
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("run_stats.csv")).unwrap();
    let run = Run::in_folder(&service, &with_files(&["-t", "2s"]), folder);
    run.assert_code(1);
    let told = run.stderr();
    assert_eq!(told.matches("the run goes on").count(), 1, "{told}");
    assert!(
        told.contains("error: cannot write run_stats.csv: "),
        "{told}"
    );
    assert_eq!(run.json()["ended_by"], "run_time");
    assert!(run.table("run_stats_history.csv").len() >= 2);
    assert!(run.text("run.html").contains("Aggregated"));
}

#[test]
fn a_place_that_cannot_be_written_is_told_before_the_run() {
    let service = Service::start(Behaviour::Answer("200"));
    for flag in ["--html", "--json", "--csv"] {
        let run = Run::new(&service, &["-t", "1s", flag, "no/such/folder/run"]);
        run.assert_code(1);
        assert!(!run.stderr().contains("user(s)"), "the run has not begun");
        assert!(
            run.stderr().contains("cannot write no/such/folder/run"),
            "{}",
            run.stderr()
        );
    }
}

#[test]
fn a_password_is_in_no_file() {
    let service = Service::start(Behaviour::Answer("200"));
    let folder = tempfile::tempdir().unwrap();
    let mut command = service.client();
    command
        .current_dir(folder.path())
        .args(with_files(&[
            "-t",
            "1s",
            "--header",
            "authorization=hunter2",
        ]))
        .env("LOAD_CLIENT_X", "sasl.password=hunter2");
    let output = command.output().unwrap();
    let run = Run { folder, output };
    run.assert_code(0);
    for file in fs::read_dir(run.folder.path()).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!text.contains("hunter2"));
    }
    assert!(
        run.text("run.json")
            .contains("--header 'authorization=***'")
    );
}

#[test]
fn flags_of_outputs_have_variables() {
    let output = client()
        .env("LOAD_CLIENT_HOST", "kafka://a:1")
        .env("LOAD_CLIENT_FAIL_ON", "p95<20ms\nrps")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("LOAD_CLIENT_FAIL_ON") && told.contains("'rps'"),
        "{told}"
    );
}
