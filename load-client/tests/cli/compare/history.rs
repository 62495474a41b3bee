//! `--history`: one line for each run, for change-point detection.

use std::fs;

use super::{FASTER, command, compare_blocks, error_of, six_blocks};

const HEADER: &str =
    "time,commit,side,run,p50_ms,p90_ms,p95_ms,p99_ms,mean_ms,throughput,failure_rate";

fn rows(text: &str) -> Vec<Vec<&str>> {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(HEADER));
    lines.map(|line| line.split(',').collect()).collect()
}

#[test]
fn rows_are_appended_with_commit_time_and_figures() {
    let folder = tempfile::tempdir().unwrap();
    let summary = r#"{"run_id": "1", "started": "2026-01-02T03:04:05.678Z", "validity": {"verdict": "valid"}}"#;
    fs::write(folder.path().join("new-1.json"), summary).unwrap();
    for commit in ["f00d", "beef"] {
        let further = ["--history", "history.csv", "--commit", commit];
        error_of(&compare_blocks(folder.path(), FASTER, &further), 0);
    }
    let text = fs::read_to_string(folder.path().join("history.csv")).unwrap();
    let rows = rows(&text);
    assert_eq!(rows.len(), 12);
    assert_eq!(
        rows[1][..4],
        ["2026-01-02T03:04:05.678+00:00", "f00d", "changed", "new-1"]
    );
    assert_eq!((rows[6][1], rows[11][3]), ("beef", "new-5"));
    // Without a summary, the time is that of the file.
    assert!(
        humantime::parse_rfc3339(&rows[0][0].replace("+00:00", "Z")).is_ok(),
        "{:?}",
        rows[0]
    );
    let median: f64 = rows[0][4].parse().unwrap();
    assert!((4.1..4.3).contains(&median), "{median}");
    // 380 measured replies have a 95th percentile, but no 99th.
    assert!(rows[0][6].parse::<f64>().is_ok() && rows[0][7].is_empty());
    let throughput: f64 = rows[0][9].parse().unwrap();
    assert!((199.0..201.0).contains(&throughput), "{throughput}");
    assert_eq!(rows[0][10], "0");
}

#[test]
fn the_side_is_chosen_and_an_invalid_run_stays_out() {
    let folder = tempfile::tempdir().unwrap();
    let summary = r#"{"run_id": "1", "validity": {"verdict": "invalid", "findings": []}}"#;
    fs::write(folder.path().join("base-1.json"), summary).unwrap();
    let mut commits = Vec::new();
    for (side, expected) in [("baseline", 5), ("changed", 6), ("both", 11)] {
        let file = format!("{side}.csv");
        let further = ["--history", &file, "--history-side", side];
        let blocks = six_blocks(folder.path(), FASTER);
        let mut arguments = further.to_vec();
        arguments.extend(blocks.iter().map(String::as_str));
        let output = command(folder.path(), &arguments)
            .env("GITHUB_SHA", "c0ffee")
            .output()
            .unwrap();
        let error = error_of(&output, 0);
        let told = error.contains("run base-1 (baseline) is left out of the history");
        assert_eq!(told, side != "changed", "{error}");
        let text = fs::read_to_string(folder.path().join(&file)).unwrap();
        let rows = rows(&text);
        assert_eq!(rows.len(), expected, "{side}");
        commits.extend(rows.iter().map(|row| row[1].to_owned()));
    }
    assert!(
        commits.iter().all(|commit| commit == "c0ffee"),
        "{commits:?}"
    );
}

#[test]
fn a_file_that_is_no_history_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.csv");
    fs::write(&path, "one,two\n1,2\n").unwrap();
    let output = compare_blocks(folder.path(), FASTER, &["--history", "notes.csv"]);
    let error = error_of(&output, 1);
    assert!(
        error.contains("--history notes.csv is not a history"),
        "{error}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "one,two\n1,2\n");
}
