//! A short form of the fault suite: a few quick rounds, always on Apache Kafka, through the command line. The long form
//! is `make faults ROUNDS=50`.

mod support;

use rustix::process::Signal;
use support::{Harness, STORES, json};

const QUICK: [&str; 6] = ["--requests", "600", "--rate", "60", "--seed", "7"];

fn faults(harness: &Harness, only: &str, rounds: &str) -> std::process::Command {
    let mut arguments = vec!["faults", "--stack", "native", "--json", "faults.json"];
    arguments.extend(["--rounds", rounds, "--only", only]);
    arguments.extend(QUICK);
    harness.command(&arguments)
}

#[test]
fn apache_kafka_only_nothing_is_lost_while_service_store_and_connections_fail() {
    let harness = Harness::new();
    let output = faults(&harness, "kill-service,store-errors,broker-cut", "4")
        .output()
        .unwrap();
    let (table, log) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{table}\n{log}");
    let report = json(&harness.folder.path().join("faults.json"));
    let rounds = report["rounds"].as_array().unwrap();
    assert_eq!(rounds.len(), 4);
    for round in rounds {
        let figures = &round["figures"];
        assert!(figures["requests"].as_u64().unwrap() >= 600, "{round}");
        assert!(figures["commits"].as_u64().unwrap() > 8, "{round}");
        assert_eq!(figures["lost"], 0, "{round}");
    }
    // First each fault alone, then a mix.
    assert!(rounds[3]["round"]["faults"].as_array().unwrap().len() > 1);
    assert!(table.contains("| broker-cut"), "{table}");
    assert!(
        table.lines().any(|line| line.starts_with("| all")),
        "{table}"
    );
    harness.assert_nothing_left();
}

#[test]
fn apache_kafka_only_nothing_is_lost_while_a_cluster_loses_and_elects_leaders() {
    let harness = Harness::new();
    let mut suite = faults(&harness, "kill-leader,leaders-elected", "2");
    suite.args(["--brokers", "3", "--members", "assigned"]);
    suite.args(["--keep-logs", "--logs", "logs"]);
    let output = suite.output().unwrap();
    let (table, log) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{table}\n{log}");
    let report = json(&harness.folder.path().join("faults.json"));
    let broker = report["stack"]["broker"].as_str().unwrap();
    assert!(broker.contains("3 nodes"), "{broker}");
    let rounds = report["rounds"].as_array().unwrap();
    assert_eq!(rounds.len(), 2);
    for round in rounds {
        assert_eq!(round["round"]["membership"], "assigned");
        let figures = &round["figures"];
        assert!(figures["requests"].as_u64().unwrap() >= 600, "{figures}");
        assert_eq!(
            (&figures["lost"], &figures["lost_by_kafka"]),
            (&0.into(), &0.into())
        );
    }
    // A broker was killed, and its second start has a log.
    let logs = std::fs::read_dir(harness.folder.path().join("logs/stack")).unwrap();
    let names: Vec<String> = logs
        .map(|log| log.unwrap().file_name().into_string().unwrap())
        .collect();
    let is_second = |name: &String| name.starts_with("kafka-node") && name.ends_with("-2.log");
    assert!(names.iter().any(is_second), "{names:?}");
    harness.assert_nothing_left();
}

#[test]
fn apache_kafka_only_an_interrupted_suite_leaves_nothing() {
    let harness = Harness::new();
    let running = harness.start_until(faults(&harness, "kill-store", "1"), "round 1:");
    assert!(!harness.processes(&STORES).is_empty());
    running.signal(Signal::INT);
    assert_eq!(running.end().code(), Some(130));
    harness.assert_nothing_left();
}

#[test]
fn a_seed_makes_the_same_plan_and_another_stack_is_refused() {
    let harness = Harness::new();
    let plan = |seed| {
        let arguments = ["faults", "--dry-run", "--rounds", "40", "--seed", seed];
        let output = harness.command(&arguments).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(plan("3"), plan("3"));
    assert_ne!(plan("3"), plan("4"));
    assert_eq!(plan("3").lines().count(), 40);

    // Standard output has only the JSON, and no log filter hides the text.
    let arguments = ["faults", "--dry-run", "--rounds", "40", "--seed", "3"];
    let mut aside = harness.command(&[&arguments[..], &["--json", "-"]].concat());
    let output = aside.env("RUST_LOG", "off").output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), plan("3"));

    for (arguments, expected) in [
        (&["faults", "--stack", "embedded"][..], "--stack native"),
        (&["faults", "--only", "kill-leader"], "add --brokers 3"),
        (
            &["faults", "-X", "session.timeout.ms=45000"],
            "-X session.timeout.ms: assigned members get this value from the broker; add --members classic",
        ),
        (
            &["faults", "-X", "group.protocol=consumer"],
            "see --members",
        ),
        (
            &["up", "--brokers", "3"],
            "--brokers 3 needs --stack native",
        ),
    ] {
        let refused = harness.command(arguments).output().unwrap();
        assert!(!refused.status.success());
        let complaint = support::complaint(&refused);
        assert!(complaint.contains(expected), "{complaint}");
    }
}
