//! The load models and shapes of the built program, against a service on librdkafka's mock cluster.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use crate::support::{Behaviour, Service, rows};

const INTENDED: usize = 4;
const SENT: usize = 5;
const REPLIED: usize = 6;
const ACKED: usize = 10;
const LENGTH: usize = 11;

/// Runs the client with its files in this folder. The run must succeed.
fn run(service: &Service, folder: &Path, arguments: &[&str]) -> Output {
    let mut command = service.client();
    command
        .current_dir(folder)
        .args(["--requests-record-file", "run.csv", "--json", "run.json"])
        .args(arguments);
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    output
}

fn json(folder: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(folder.join("run.json")).unwrap()).unwrap()
}

fn number(row: &[String], column: usize) -> u64 {
    row[column].parse().unwrap()
}

#[test]
fn an_open_loop_sends_its_schedule_and_stamps_each_step() {
    let (service, folder) = (
        Service::start(Behaviour::Answer("200")),
        tempfile::tempdir().unwrap(),
    );
    run(&service, folder.path(), &["--rate", "50/s", "-t", "2s"]);
    let mut rows = rows(&folder.path().join("run.csv"));
    rows.sort_by_key(|row| number(row, INTENDED));
    let intended = rows.iter().map(|row| number(row, INTENDED));
    assert!(intended.eq((0..100).map(|index| index * 20_000_000)));
    for row in &rows {
        assert!(number(row, SENT) >= number(row, INTENDED), "{row:?}");
        assert!(number(row, REPLIED) > number(row, SENT), "{row:?}");
        assert_eq!(row[LENGTH], "2", "{row:?}");
        // A reply may arrive before the acknowledgement of its request. The acknowledgement is then unknown.
        if !row[ACKED].is_empty() {
            let acked = number(row, ACKED);
            assert!((number(row, SENT)..=number(row, REPLIED)).contains(&acked));
        }
    }
    assert!(rows.iter().any(|row| !row[ACKED].is_empty()));
    let json = json(folder.path());
    assert_eq!(json["load_model"], "open loop, 50/s, constant spacing");
    assert_eq!(json["summary"]["schedule_lag"]["requests"], 100);
    assert_eq!(json["summary"]["schedule_lag"]["held_back"], 0);
}

#[test]
fn stages_have_results_of_their_own() {
    let (service, folder) = (
        Service::start(Behaviour::Answer("200")),
        tempfile::tempdir().unwrap(),
    );
    let shape = "[[stage]]\nname = \"slow\"\nduration = \"1s\"\nrate = \"20/s\"\n\
                 [[stage]]\nname = \"fast\"\nduration = \"1s\"\nrate = \"60/s\"\n";
    std::fs::write(folder.path().join("shape.toml"), shape).unwrap();
    run(&service, folder.path(), &["--shape", "shape.toml"]);
    let json = json(folder.path());
    let stages = json["summary"]["stages"].as_array().unwrap();
    let told: Vec<_> = stages
        .iter()
        .map(|stage| (stage["name"].as_str().unwrap(), stage["requests"].as_u64()))
        .collect();
    assert_eq!(told, [("slow", Some(20)), ("fast", Some(60))]);
    assert!(stages[1]["response"]["median_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(stages[1]["start_seconds"], 1.0);
}

#[test]
fn a_stress_run_ends_with_the_step_that_breaks() {
    let (service, folder) = (
        Service::start(Behaviour::Answer("200")),
        tempfile::tempdir().unwrap(),
    );
    // No network can keep this limit, so it breaks at the first step. A step takes 6 s.
    let stress = ["--rate", "40/s", "--preset", "stress", "-t", "60s"];
    let output = run(
        &service,
        folder.path(),
        &[&stress[..], &["--until", "avg<1us"]].concat(),
    );
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("broke at step 1 (4/s)"), "{error}");
    let json = json(folder.path());
    assert_eq!(json["ended_by"], "limit");
    assert_eq!(json["summary"]["stages"][9]["requests"], 0);
    let found = &json["summary"]["findings"]["breaking_point"];
    assert!(found["held"].is_null() && found["broke"]["name"] == "step 1");
}

#[test]
fn a_search_encloses_the_highest_rate_and_ends_the_run() {
    // The service answers one request after the other, at most 250 a second on any machine.
    let service = Service::start(Behaviour::Work(Duration::from_millis(4)));
    let folder = tempfile::tempdir().unwrap();
    let search = ["--rate", "1000/s", "--preset", "capacity", "-t", "24s"];
    let limits = ["--until", "p95<100ms", "--until", "failures<50%"];
    let output = run(&service, folder.path(), &[&search[..], &limits].concat());
    let json = json(folder.path());
    let found = &json["summary"]["findings"]["capacity"];
    assert_eq!(json["ended_by"] == "search", found["is_complete"] == true);
    let held = found["held_per_second"].as_f64().unwrap_or_default();
    let broke = found["broke_per_second"].as_f64().unwrap();
    // A rate holds if, at the end of a probe of 0.96 s, requests are late by less than the limit.
    assert!(held < 280.0 && held < broke, "{found}");
    let error = String::from_utf8_lossy(&output.stderr);
    let sentence = found["sentence"].as_str().unwrap();
    assert!(
        error.contains("probe of 500/s: ") && error.contains(sentence),
        "{error}"
    );
    let stages = json["summary"]["stages"].as_array().unwrap();
    assert_eq!(
        (&stages[0]["name"], &stages[0]["target"]),
        (&"probe 1".into(), &"500/s".into())
    );
    // The service needs 2.4 s for 600 requests sent in 1.2 s, and the next probe waits for them.
    let at = |place: usize, end: &str| stages[place][end].as_f64().unwrap();
    let pause = at(1, "start_seconds") - at(0, "end_seconds");
    assert!(pause > 1.0, "{stages:?}");
    let probes = found["probes"].as_u64().unwrap();
    assert!(
        stages.len() as u64 - probes <= 1,
        "one at most is not whole: {found}"
    );
}

/// Runs a search, with any result.
fn search(service: &Service, folder: &Path, arguments: &[&str]) -> Output {
    let mut command = service.client();
    command.current_dir(folder);
    command.args(["--preset", "capacity", "--json", "run.json"]);
    command.args(arguments).output().unwrap()
}

#[test]
fn a_rate_that_the_client_holds_back_does_not_hold() {
    let service = Service::start(Behaviour::Work(Duration::from_millis(100)));
    let folder = tempfile::tempdir().unwrap();
    // With one request at a time, the service gets at most ten a second.
    let limits = ["--until", "failures<50%", "--max-in-flight", "1"];
    let output = search(
        &service,
        folder.path(),
        &[&["--rate", "200/s", "-t", "40s"][..], &limits].concat(),
    );
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("/s of 100/s came back\n"), "{error}");
    let found = &json(folder.path())["summary"]["findings"]["capacity"];
    let held = found["held_per_second"].as_f64().unwrap_or_default();
    assert!(held < 30.0, "{found}");
}

#[test]
fn a_search_that_finds_nothing_says_so_and_fails() {
    let service = Service::start(Behaviour::Answer("200"));
    let folder = tempfile::tempdir().unwrap();
    for (limit, expected) in [
        ("avg<1us", "capacity: no rate held, down to "),
        (
            "p99.99<1s",
            "capacity: unknown; the run ended before the search",
        ),
    ] {
        let arguments = ["--rate", "100/s", "-t", "4s", "--until", limit];
        let output = search(&service, folder.path(), &arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(expected), "{error}");
        assert_eq!(output.status.code(), Some(4), "{error}");
    }
}

#[test]
fn a_paced_user_sends_at_its_pace() {
    let (service, folder) = (
        Service::start(Behaviour::Answer("200")),
        tempfile::tempdir().unwrap(),
    );
    run(&service, folder.path(), &["--pace", "250ms", "-t", "1s"]);
    let rows = rows(&folder.path().join("run.csv"));
    // A machine that stalls sends fewer. The fifth request is due at the end of the run.
    assert!((1..=5).contains(&rows.len()), "{}", rows.len());
    // The requests are sent at the pace, or later on a machine that stalls.
    let early = |row: &Vec<String>| number(row, SENT) < number(row, INTENDED);
    assert!(!rows.iter().any(early), "{rows:?}");
    let json = json(folder.path());
    let planned = json["summary"]["schedule_lag"]["requests"].as_u64();
    assert_eq!(planned, Some(rows.len() as u64));
}
