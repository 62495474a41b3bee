//! Parts of a run, sent by separate clients and merged.

use std::fs;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Behaviour, Service, client, rows};

/// Sends a part of a load.
fn part(service: &Service, folder: &TempDir, segment: &str, load: &str) {
    let file = format!("{}.hdr", segment.replace('/', "-"));
    let mut command = service.client();
    command
        .args(load.split(' '))
        .args(["--segment", segment, "--hdr", &file]);
    let output = command.current_dir(folder.path()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    let is_told = told.contains(&format!("part {segment} of: "));
    assert_eq!(is_told, segment != "1/1", "{told}");
}

fn merge(folder: &TempDir, arguments: &[&str]) -> Output {
    let mut command = client();
    command.arg("merge").args(arguments);
    command.current_dir(folder.path()).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(folder: &TempDir, name: &str) -> Value {
    serde_json::from_slice(&fs::read(folder.path().join(name)).unwrap()).unwrap()
}

#[test]
fn parts_of_a_schedule_are_one_run_with_every_request() {
    let service = Service::start(Behaviour::Answer("200"));
    let folder = tempfile::tempdir().unwrap();
    let load = "--rate 240/s -t 3s --warm-up 1s --arrivals poisson --seed 5";
    for segment in ["1/3", "2/3", "3/3"] {
        part(&service, &folder, segment, load);
    }
    let files = ["3-3.hdr", "1-3.hdr", "2-3.hdr"];
    let outputs = ["--json", "run.json", "--html", "run.html", "--csv", "run"];
    let output = merge(&folder, &[&files[..], &outputs].concat());
    let shown = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{shown}{}", stderr(&output));
    for told in [
        "part 1/3",
        "part 2/3",
        "part 3/3",
        "cores",
        "ended by the run time",
    ] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
    let report = json(&folder, "run.json");
    let total = &report["summary"]["total"];
    // One client sends as many requests as the schedule has.
    part(
        &service,
        &folder,
        "1/1",
        &format!("{load} --json alone.json"),
    );
    let alone = json(&folder, "alone.json");
    assert_eq!(total["requests"], alone["summary"]["total"]["requests"]);
    assert_eq!(report["summary"]["warm_up"], alone["summary"]["warm_up"]);
    assert_eq!(
        report["summary"]["schedule_lag"]["requests"],
        total["requests"]
    );
    assert_eq!(report["plan"], alone["plan"]);
    let parts = report["parts"].as_array().unwrap();
    let requests = parts.iter().map(|part| part["requests"].as_u64().unwrap());
    assert_eq!(requests.sum::<u64>(), total["requests"].as_u64().unwrap());
    assert_eq!(parts[0]["segment"], "1/3", "in their order");
    let page = fs::read_to_string(folder.path().join("run.html")).unwrap();
    assert!(page.contains("1/3, 1-3.hdr"), "the page tells of each part");
    let history = fs::read_to_string(folder.path().join("run_stats_history.csv")).unwrap();
    // The parts began one after the other.
    assert!(history.lines().count() >= 9, "{history}");
}

#[test]
fn users_are_dealt_out_by_their_numbers() {
    let service = Service::start(Behaviour::Answer("200"));
    let folder = tempfile::tempdir().unwrap();
    let load = "-u 3 -r 100 -t 1s --pace 50ms --requests-record-file own.csv";
    for (segment, users) in [("1/2", vec!["0", "2"]), ("2/2", vec!["1"])] {
        part(&service, &folder, segment, load);
        let rows = rows(&folder.path().join("own.csv"));
        let mut sent: Vec<_> = rows.iter().map(|row| row[7].to_owned()).collect();
        sent.sort();
        sent.dedup();
        assert_eq!(sent, users, "{segment}");
    }
    let output = merge(&folder, &["1-2.hdr", "2-2.hdr"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
}

#[test]
fn thresholds_judge_the_whole() {
    let service = Service::start(Behaviour::Answer("200"));
    let folder = tempfile::tempdir().unwrap();
    for segment in ["1/2", "2/2"] {
        part(&service, &folder, segment, "--rate 100/s -t 2s");
    }
    let judged = |threshold: &str| {
        let output = merge(&folder, &["1-2.hdr", "2-2.hdr", "--fail-on", threshold]);
        (output.status.code(), stdout(&output) + &stderr(&output))
    };
    let (code, told) = judged("rps>=80");
    assert_eq!(code, Some(0), "more than either part has: {told}");
    let (code, told) = judged("max<1us");
    assert_eq!(code, Some(4), "{told}");
    let (code, told) = judged("other:p50<1s");
    assert!(
        code == Some(2) && told.contains("--fail-on other"),
        "{told}"
    );
}

#[test]
fn files_that_are_not_runs_are_refused_in_one_sentence() {
    let service = Service::start(Behaviour::Answer("200"));
    let folder = tempfile::tempdir().unwrap();
    for (segment, load) in [
        ("1/2", "--rate 100/s -t 1s"),
        ("1/3", "--rate 100/s -t 1s"),
        ("3/3", "--rate 90/s -t 1s"),
        ("1/1", "--rate 90/s -t 1s"),
    ] {
        part(&service, &folder, segment, load);
    }
    fs::write(
        folder.path().join("other.hdr"),
        "#[Histogram log format version 1.3]\n",
    )
    .unwrap();
    for (arguments, code, expected) in [
        (&["1-2.hdr"][..], 2, "part 2/2 is missing"),
        (&["1-2.hdr", "1-2.hdr"], 2, "both part 1/2"),
        (&["1-2.hdr", "1-3.hdr"], 2, "number of parts differs"),
        (&["1-3.hdr", "3-3.hdr"], 2, "its load differs"),
        (&["1-1.hdr"], 2, "is a whole run"),
        (&["no-such.hdr"], 1, "cannot read no-such.hdr"),
        (
            &["other.hdr"],
            1,
            "other.hdr: is not a file of `load-client run --hdr`",
        ),
        (
            &["1-2.hdr", "--json", "1-2.hdr"],
            2,
            "--json 1-2.hdr would write over an input",
        ),
    ] {
        refused(&folder, arguments, code, expected);
    }
}

#[track_caller]
fn refused(folder: &TempDir, arguments: &[&str], code: i32, expected: &str) {
    let output = merge(folder, arguments);
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
    assert!(told.contains(expected), "{arguments:?}: {told}");
    assert_eq!(told.trim_end().lines().count(), 1, "{told}");
}

#[test]
fn damaged_files_are_refused_and_those_of_killed_clients_make_no_valid_run() {
    let service = Service::start(Behaviour::Answer("200"));
    let folder = tempfile::tempdir().unwrap();
    for segment in ["1/2", "2/2"] {
        part(&service, &folder, segment, "--rate 100/s -t 2s");
    }
    let at = |name: &str| folder.path().join(name);
    let whole = fs::read_to_string(at("1-2.hdr")).unwrap();
    let without = |mark: &str| {
        let line = whole.lines().find(|line| line.starts_with(mark)).unwrap();
        whole.replacen(&format!("{line}\n"), "", 1)
    };
    let interval = whole
        .lines()
        .find(|line| line.starts_with("#interval"))
        .unwrap();
    let late = interval.replacen("\"second\":0", "\"second\":99999999", 1);
    let bounds = interval.replacen("\"bounds_ns\":[", "\"bounds_ns\":[9223372036854775807,", 1);
    for (text, expected) in [
        (
            whole.replace("\"format\":1", "\"format\":2"),
            "its format is 2",
        ),
        (without("Tag="), "lacks a histogram"),
        (without("#interval"), "has no interval"),
        (without("#run"), "is not a file of `load-client run --hdr`"),
        (whole.clone() + &whole, "a second run begins"),
        (
            whole.replacen("HISTF", "HISTX", 1),
            "damaged.hdr: an interval cannot be read",
        ),
        (whole.replacen(interval, &late, 1), "has a second 99999999"),
        (whole.replacen(interval, &bounds, 1), "damaged.hdr: line "),
        (
            whole.replacen("#interval", "#reset\n#interval", 1),
            "its figures were reset",
        ),
    ] {
        fs::write(at("damaged.hdr"), text).unwrap();
        refused(&folder, &["damaged.hdr", "2-2.hdr"], 1, expected);
    }
    // The client was killed before its end, or while it wrote an interval.
    for cut in [
        whole.rfind("#end ").unwrap(),
        whole.rfind("Tag=").unwrap() + 20,
    ] {
        fs::write(at("killed.hdr"), &whole[..cut]).unwrap();
        let arguments = ["killed.hdr", "2-2.hdr", "--exit-code-on-invalid", "5"];
        let output = merge(&folder, &arguments);
        let shown = stdout(&output);
        assert_eq!(output.status.code(), Some(5), "{shown}{}", stderr(&output));
        let told = "part 1/2 is not whole: killed.hdr has no end, its client was killed";
        assert!(shown.contains(told), "{shown}");
    }
}
