//! The commands end to end, with the real service and load client: their output, their files, and that no process
//! survives them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use harness::stack::{Stack, StackKind, StackOptions};
use rustix::process::Signal;
use support::{Harness, complaint, json, run_topics, send, stack_kind};

const SHORT: [&str; 6] = ["--run-time", "2s", "--warm-up", "0s", "--rehearsal", "0s"];

/// One run of `tasks`, without a wait before.
const BENCH: [&str; 6] = [
    "--variant",
    "tasks",
    "--out",
    "run.csv",
    "--rehearsal",
    "0s",
];

#[test]
fn the_demo_shows_request_reply_and_stored_order() {
    let harness = Harness::new();
    let output = harness.on_stack("demo", &[]).output().unwrap();
    assert!(output.status.success(), "{}", complaint(&output));
    let shown = String::from_utf8(output.stdout).unwrap();
    let parts =
        ["request record", "reply record", "stored order"].map(|title| shown.find(title).unwrap());
    assert!(parts.is_sorted(), "{shown}");
    let (request, reply) = (&shown[..parts[1]], &shown[parts[1]..parts[2]]);
    assert!(
        request.contains("headers  reply-to: createOrder.reply\n"),
        "{shown}"
    );
    let (_, id) = request
        .split_once("x-reply-set-header: x-request-id:")
        .unwrap();
    let id = id.lines().next().unwrap();
    assert!(reply.contains("headers  status-code: 200\n"), "{shown}");
    assert!(reply.contains(&format!(" x-request-id: {id}\n")), "{shown}");
    let stored = &shown[parts[2]..];
    assert!(
        stored.contains("key      order:") && stored.contains("\"sku\":\"id-1234\""),
        "{shown}"
    );
    harness.assert_nothing_left();
}

#[test]
fn a_bench_leaves_requests_summary_environment_and_logs() {
    let harness = Harness::new();
    let mut command = harness.on_stack(
        "bench",
        &["--variant", "tasks", "--out", "out/task_handler.csv"],
    );
    let output = command
        .args(["--run-time", "2s", "--warm-up", "0s", "--rehearsal", "1s"])
        .args(["-X", "client.id=bench"])
        .env("LOAD_CLIENT_X", "client.rack=from-a-shell")
        .env("ORDER_SERVICE_PROPERTIES", "not a property")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", complaint(&output));
    let out = harness.folder.path().join("out");
    let requests = fs::read_to_string(out.join("task_handler.csv")).unwrap();
    assert!(
        requests.starts_with("request_type,name,response_time,"),
        "{requests:.80}"
    );
    assert!(requests.lines().count() > 1);
    let summary = json(&out.join("task_handler.json")).to_string();
    assert!(
        summary.contains("client.id") && !summary.contains("from-a-shell"),
        "{summary}"
    );
    let environment = json(&out.join("task_handler.environment.json"));
    assert_eq!(environment["variant"], "tasks");
    assert!(environment["usage"]["cpu_seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(environment["stack"], stack_kind().name());
    assert_eq!(
        environment["broker_is_mock"],
        stack_kind() == StackKind::Embedded
    );
    let properties = environment["client_properties"].as_array().unwrap();
    assert_eq!(properties.last().unwrap(), "client.id=bench");
    for field in [
        "date",
        "machine",
        "rustc",
        "librdkafka",
        "broker",
        "store",
        "topic",
        "group_id",
        "users",
    ] {
        assert!(!environment[field].is_null(), "{field} is missing");
    }
    assert!(out.join("task_handler.logs/tasks.log").is_file());
    for variant in ["serial", "tasks"] {
        let rehearsal = out.join(format!("task_handler.logs/rehearsal-{variant}"));
        let environment = json(&rehearsal.join("environment.json"));
        assert_eq!(environment["variant"], variant);
        assert_eq!(environment["run_time"], "1s");
    }
    harness.assert_nothing_left();
}

#[test]
fn a_short_experiment_ends_with_a_report() {
    let harness = Harness::new();
    let mut command = harness.on_stack("experiment", &["--trials", "2", "--seed", "1"]);
    let output = command.args(SHORT).output().unwrap();
    assert!(output.status.success(), "{}", complaint(&output));
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(
        shown.contains("median (ms)") && shown.contains("throughput"),
        "{shown}"
    );
    let latest = harness.folder.path().join("results/latest");
    let comparison = json(&latest.join("comparison.json"));
    let conclusion = comparison["conclusion"].as_str().unwrap();
    assert!(shown.contains(conclusion), "{shown}");
    assert_eq!(comparison["baseline"]["name"], "serial");
    assert_eq!(comparison["changed"]["name"], "tasks");
    let report = fs::read_to_string(latest.join("report.html")).unwrap();
    assert_eq!(
        report.contains("The broker was a mock"),
        stack_kind() == StackKind::Embedded
    );
    for run in ["serial-1", "tasks-1", "serial-2", "tasks-2"] {
        let (variant, block) = run.split_once('-').unwrap();
        let folder = latest.join(format!("block-{block}-{variant}"));
        assert!(folder.join(run).with_extension("csv").is_file(), "{run}");
        assert!(json(&folder.join("environment.json")).is_object());
    }
    assert_eq!(
        json(&latest.join("experiment.json"))["order"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    harness.assert_nothing_left();
}

#[test]
fn a_calibration_alone_compares_the_baseline_with_itself() {
    let harness = Harness::new();
    let mut command = harness.on_stack("experiment", &["--trials", "2", "--calibrate=only"]);
    let output = command.args(SHORT).output().unwrap();
    assert!(output.status.success(), "{}", complaint(&output));
    let latest = harness.folder.path().join("results/latest");
    for run in ["first", "second"] {
        let folder = latest.join(format!("calibration-2-{run}"));
        let environment = json(&folder.join("environment.json"));
        assert_eq!(environment["variant"], "serial");
    }
    assert!(!latest.join("block-1-tasks").exists());
    assert!(json(&latest.join("comparison.json"))["blocks"]["count"] == 2);
    let report = fs::read_to_string(latest.join("report.html")).unwrap();
    assert!(report.contains("Calibration: the baseline against itself"));
    harness.assert_nothing_left();
}

#[test]
fn ctrl_c_stops_service_load_store_and_broker() {
    let harness = Harness::new();
    let command = harness.on_stack("experiment", &["--run-time", "10m", "--rehearsal", "0s"]);
    let running = harness.start_until(command, "starting stack");
    support::wait_for("the load client", || {
        !harness.processes(&["load-client"]).is_empty()
    });
    assert!(!harness.processes(&["order-service"]).is_empty());
    running.signal(Signal::INT);
    assert_eq!(running.end().code(), Some(130));
    harness.assert_nothing_left();
    assert!(
        !harness.folder.path().join("results/latest").exists(),
        "an unfinished experiment became the latest"
    );
}

#[test]
fn a_second_ctrl_c_kills_what_does_not_end_and_says_what_may_be_left() {
    let harness = Harness::new();
    let stubborn = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/stubborn");
    let mut command = harness.on_stack("bench", &BENCH);
    command.args(["--load-client", stubborn]);
    let running = harness.start_until(command, "starting stack");
    support::wait_for("the load client that ignores signals", || {
        // Its `sleep` shows that it ignores signals now. An earlier signal would end it.
        !harness.processes(&["sleep"]).is_empty()
    });
    let log = harness.folder.path().join("stderr.log");
    running.signal(Signal::INT);
    support::wait_for("the first Ctrl-C to be seen", || {
        fs::read_to_string(&log)
            .unwrap()
            .contains("stopping in order")
    });
    running.signal(Signal::INT);
    assert_eq!(running.end().code(), Some(130));
    let log = fs::read_to_string(&log).unwrap();
    assert!(
        log.contains("interrupted twice; the child processes are killed"),
        "{log}"
    );
    harness.assert_nothing_left();
}

#[test]
fn a_bench_whose_load_client_was_the_bottleneck_fails() {
    let harness = Harness::new();
    let bottleneck = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/bottleneck");
    let mut command = harness.on_stack("bench", &BENCH);
    let output = command
        .args(["--load-client", bottleneck])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", complaint(&output));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("the load client was the bottleneck"),
        "{told}"
    );
    assert!(harness.folder.path().join("run.csv").is_file());
    harness.assert_nothing_left();
}

#[test]
fn a_service_that_dies_during_a_run_ends_the_run() {
    let harness = Harness::new();
    let command = harness.on_stack(
        "bench",
        &[
            "--variant",
            "baseline",
            "--out",
            "baseline.csv",
            "--run-time",
            "10m",
        ],
    );
    let running = harness.start_until(command, "starting stack");
    support::wait_for("the load client", || {
        !harness.processes(&["load-client"]).is_empty()
    });
    let services = harness.processes(&["--dispatch"]);
    assert_eq!(services.len(), 1, "{services:?}");
    send(services[0], Signal::KILL);
    assert_eq!(running.end().code(), Some(1));
    let log = fs::read_to_string(harness.folder.path().join("stderr.log")).unwrap();
    assert!(log.contains("error: serial ended during the run"), "{log}");
    harness.assert_nothing_left();
}

#[test]
fn a_program_that_cannot_start_shows_its_log() {
    let harness = Harness::new();
    let script = harness.folder.path().join("broken");
    fs::write(&script, "#!/bin/sh\necho 'no such feature' >&2\nexit 3\n").unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&script, executable).unwrap();
    let output = harness
        .on_stack("demo", &["--order-service"])
        .arg(&script)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let complaint = complaint(&output);
    assert!(
        complaint.contains("order-service ended while starting"),
        "{complaint}"
    );
    assert!(complaint.contains("| no such feature"), "{complaint}");
    harness.assert_nothing_left();
}

/// The mock broker has no request to create topics, so `make test` skips this name on it.
#[tokio::test]
async fn apache_kafka_only_an_external_stack_gets_its_topics_removed_and_its_password_kept() {
    let stack = Stack::start(StackKind::Native, StackOptions::default())
        .await
        .unwrap();
    let store = stack.store_url().replace("redis://", "redis://:hush-hush@");
    let mut connection = redis::Client::open(stack.store_url())
        .unwrap()
        .get_connection()
        .unwrap();
    redis::cmd("CONFIG")
        .arg(&["SET", "requirepass", "hush-hush"])
        .exec(&mut connection)
        .unwrap();

    let harness = Harness::new();
    let mut command = harness.command(&["bench", "--variant", "tasks", "--out", "run.csv"]);
    command
        .args(SHORT)
        .args(["--kafka", stack.kafka_url(), "--store", &store]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", complaint(&output));
    let environment = json(&harness.folder.path().join("run.environment.json"));
    let topic = environment["topic"].as_str().unwrap();
    assert!(
        topic.starts_with("run-") && topic.ends_with(".createOrder"),
        "{topic}"
    );

    assert_eq!(environment["shared"], true);
    wait_for_no_run_topics(&stack);
    let leaks = files_with(harness.folder.path(), "hush-hush");
    assert!(
        leaks.is_empty() && !complaint(&output).contains("hush-hush"),
        "{leaks:?}"
    );
    stack.stop().await.unwrap();
}

/// It has such a name for the same reason as the test above.
#[tokio::test]
async fn apache_kafka_only_an_interrupted_or_failed_run_removes_its_topics_from_an_external_stack()
{
    let stack = Stack::start(StackKind::Native, StackOptions::default())
        .await
        .unwrap();
    for (signal, victim, code) in [
        (Signal::INT, None, 130),
        (Signal::KILL, Some("--dispatch"), 1),
    ] {
        let harness = Harness::new();
        let mut command = harness.command(&["bench", "--variant", "tasks", "--out", "run.csv"]);
        command.args(["--kafka", stack.kafka_url(), "--store", stack.store_url()]);
        command.args(["--run-time", "10m"]);
        let running = harness.start_until(command, "orders stay in the store");
        support::wait_for("the load client", || {
            !harness.processes(&["load-client"]).is_empty()
        });
        assert!(!run_topics(&stack).is_empty());
        match victim {
            Some(part) => send(harness.processes(&[part])[0], signal),
            None => running.signal(signal),
        }
        assert_eq!(running.end().code(), Some(code));
        harness.assert_nothing_left();
        wait_for_no_run_topics(&stack);
    }
    let demo = [
        "demo",
        "--kafka",
        stack.kafka_url(),
        "--store",
        stack.store_url(),
    ];
    let output = Harness::new().command(&demo).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(
        shown.contains("note: the order stays in the store"),
        "{shown}"
    );
    wait_for_no_run_topics(&stack);
    stack.stop().await.unwrap();
}

fn wait_for_no_run_topics(stack: &Stack) {
    support::wait_for("the topics to go", || run_topics(stack).is_empty());
}

/// All files in the folder, and below it, that contain the text.
fn files_with(folder: &Path, text: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let search = |path: PathBuf| match path.is_dir() {
        true => files_with(&path, text),
        false if String::from_utf8_lossy(&fs::read(&path).unwrap()).contains(text) => vec![path],
        false => vec![],
    };
    entries.flat_map(search).collect()
}
