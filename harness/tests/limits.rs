//! `harness limits` end to end: its output, its files, and that the floor answers like the bridge.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;

use support::{Harness, complaint, json};

const SHORT: [&str; 6] = ["--rounds", "1", "--run-time", "3s", "--warm-up", "1s"];

#[test]
fn a_short_run_holds_the_bridge_against_its_floors() {
    let harness = Harness::new();
    let only = ["--only", "bridge-serial,bridge-keyed", "--users", "10"];
    let mut command = harness.on_stack("limits", &only);
    let output = command
        .args(SHORT)
        .arg("--skip-footprint")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", complaint(&output));
    let shown = String::from_utf8(output.stdout).unwrap();
    let folder = shown.lines().find_map(|line| line.strip_prefix("files: "));
    let folder = harness.folder.path().join(folder.unwrap());
    let report = json(&folder.join("limits.json"));
    let cells = report["cells"].as_array().unwrap();
    let mut subjects: Vec<&str> = cells
        .iter()
        .map(|cell| cell["subject"].as_str().unwrap())
        .collect();
    subjects.sort_unstable();
    let expected = [
        "bridge-keyed",
        "bridge-serial",
        "echo-pipelined",
        "echo-serial",
    ];
    // With 10 users, and in an open loop.
    assert_eq!(subjects, expected.map(|name| [name; 2]).concat());
    for cell in cells {
        assert_eq!(cell["failures"], 0, "{cell}");
        assert!(cell["requests"].as_u64().unwrap() > 10, "{cell}");
        for part in ["service", "client", "broker"] {
            let usage = &cell["usage"][part];
            assert!(
                usage["cpu_seconds"].as_f64().unwrap() > 0.0,
                "{part}: {cell}"
            );
            assert!(
                usage["peak_bytes"].as_u64().unwrap() > 1 << 20,
                "{part}: {cell}"
            );
        }
    }
    assert!(
        shown.contains("| bridge-keyed / echo-pipelined |"),
        "{shown}"
    );
    assert!(shown.contains("| bridge-serial / echo-serial |"), "{shown}");
    // On a busy machine the load client is the bottleneck of some cells, which do not count.
    let ratios = report["ratios"].as_array().unwrap();
    for metric in ["throughput", "p50", "p99"] {
        let drawn = fs::read_to_string(folder.join(format!("{metric}.svg"))).unwrap();
        let told = ratios.iter().filter(|ratio| ratio["metric"] == metric);
        assert_eq!(drawn.matches("<circle").count(), told.count(), "{metric}");
    }
    let judged = |cell: &&serde_json::Value| cell["valid"] == true;
    assert!(ratios.is_empty() || cells.iter().filter(judged).count() >= 2);
    harness.assert_nothing_left();
}
