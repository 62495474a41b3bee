//! `harness simulate` end to end: its experiments, its output and files, and that an interruption keeps the results so
//! far.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use harness::experiment::Subject;
use harness::run::{Identity, Planned, RunEnd, RunFiles, Settings, run};
use harness::stack::{Stack, StackKind, StackOptions};
use rustix::process::Signal;
use support::{Harness, complaint, json, run_topics, wait_for};
use tokio_util::sync::CancellationToken;

const SHORT: [&str; 12] = [
    "--rehearsal",
    "0s",
    "--run-time",
    "1s",
    "--warm-up",
    "200ms",
    "--truth-trials",
    "2",
    "--truth-time",
    "1s",
    "--seed",
    "1",
];

/// The only folder of results.
fn folder(harness: &Harness) -> PathBuf {
    let entries = fs::read_dir(harness.folder.path().join("results")).unwrap();
    let folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(folders.len(), 1, "{folders:?}");
    folders[0].clone()
}

#[test]
fn a_short_simulation_slows_the_service_and_tells_every_verdict() {
    let harness = Harness::new();
    let few = ["--only", "300%", "--changed", "1", "--trials", "1"];
    let mut command = harness.on_stack("simulate", &few);
    let output = command.args(SHORT).output().unwrap();
    assert!(output.status.success(), "{}", complaint(&output));
    let shown = String::from_utf8(output.stdout).unwrap();

    let folder = folder(&harness);
    let file = folder.join("simulate.json");
    let report = json(&file);
    let parts = report["parts"].as_array().unwrap();
    let [part] = parts.as_slice() else {
        panic!("{parts:?}")
    };
    // The intended change is +300 %, so that even with noise it is above +50 %.
    assert!(part["truth"]["change"].as_f64().unwrap() > 0.5, "{part}");
    let trials = part["trials"].as_array().unwrap();
    let answers: Vec<_> = trials.iter().map(|trial| &trial["answer"]).collect();
    // One block is too few for a verdict.
    assert_eq!(answers, ["no-verdict"], "{part}");
    for (run, slowed) in [("1-baseline", false), ("1-changed", true)] {
        let run = folder.join(format!("300%-1/block-{run}/environment.json"));
        let service = json(&run)["service_command"].to_string();
        assert_eq!(service.contains(r#""--spin","0""#), !slowed, "{service}");
        assert!(service.contains("slowed"), "{service}");
    }

    let table = fs::read_to_string(folder.join("simulate.md")).unwrap();
    assert!(shown.starts_with(&table), "{shown}");
    assert!(table.contains("\n| +300 % |"), "{table}");
    assert!(table.contains("\nWrong verdicts: 0 of 1,"), "{table}");
    let joined = harness
        .command(&["simulate", "--join"])
        .args([&file, &file])
        .output()
        .unwrap();
    let joined = String::from_utf8(joined.stdout).unwrap();
    assert!(joined.contains("\nWrong verdicts: 0 of 2,"), "{joined}");
    harness.assert_nothing_left();
}

#[test]
fn ctrl_c_ends_it_and_what_there_is_was_written_and_is_printed() {
    let harness = Harness::new();
    let many = ["--only", "aa", "--experiments", "1000", "--trials", "1"];
    let mut command = harness.on_stack("simulate", &many);
    command.args(SHORT);
    let running = harness.start_until(command, "none, 1 of 1000:");
    running.signal(Signal::INT);
    let (status, shown) = running.end_with_output();
    assert_eq!(status.code(), Some(130));
    let folder = folder(&harness);
    let trials = json(&folder.join("simulate.json"))["parts"][0]["trials"]
        .as_array()
        .unwrap()
        .len();
    assert!((1..1000).contains(&trials), "{trials}");
    let table = fs::read_to_string(folder.join("simulate.md")).unwrap();
    assert!(table.contains(&format!("| {trials} of 1000 |")), "{table}");
    assert!(shown.starts_with(&table), "{shown}");
    harness.assert_nothing_left();
}

/// An hour of short runs would leave thousands of topics. The mock broker cannot delete any, so `make test` skips this
/// name on it.
#[tokio::test]
async fn apache_kafka_only_a_run_leaves_no_topic_on_the_stack_that_the_next_one_uses() {
    let mut stack = Stack::start(StackKind::Native, StackOptions::default())
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        users: 1,
        spawn_rate: 1.0,
        run_time: Duration::from_secs(1),
        warm_up: Duration::ZERO,
        rehearsal: Duration::ZERO,
        partitions: 1,
        topic: "createOrder".to_owned(),
        load_flags: Vec::new(),
        ready_timeout: Duration::from_secs(60),
        load_client: None,
    };
    let subject = Subject::built_in().unwrap();
    let planned = Planned {
        variant: &subject.variants[0],
        identity: Identity::fresh(&settings.topic),
        files: RunFiles::in_folder(folder.path(), "run"),
    };
    let stop = CancellationToken::new();
    let ran = run(&mut stack, &settings, &planned, &stop).await.unwrap();
    assert!(matches!(ran.end, RunEnd::Clean | RunEnd::Invalid));
    assert!(ran.usage.unwrap().cpu_seconds > 0.0);
    wait_for("the topics to go", || run_topics(&stack).is_empty());
    stack.stop().await.unwrap();
}
