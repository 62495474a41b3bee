//! Reads the files as scripts made for Locust do.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::measure::history::Moment;
use crate::measure::summary::{Sample, Status, Summary};
use crate::measure::tally::Tally;
use crate::report::csv_stats::*;

fn tally() -> Tally {
    let mut tally = Tally::new(&["createOrder".to_owned(), "a \"b\", c".to_owned()]);
    for index in 0..500_u64 {
        let outcome = match index {
            7 => Status::ErrorStatus,
            9 => Status::Timeout,
            _ => Status::Ok,
        };
        let sent = index * 10_000_000;
        let mut sample = Sample::test(sent, 4_000_000 + index * 10_000, outcome);
        (sample.kind, sample.warm_up) = (u16::from(index % 5 == 0), index < 5);
        sample.reply_bytes = 100;
        if index == 7 {
            sample.error = "odd, \"quoted\"\ntext".into();
        }
        sample.refused_body = (index == 7).then(|| "a body, \"quoted\"".into());
        tally.record(&sample, Duration::from_nanos(sent));
    }
    tally
}

fn moment(tally: &Tally, second: u64) -> Moment {
    tally.moment(
        Duration::from_secs(second),
        1_700_000_000 + second,
        3,
        false,
    )
}

fn read(bytes: &[u8]) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(bytes);
    reader.deserialize().map(Result::unwrap).collect()
}

fn first_line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .lines()
        .next()
        .unwrap()
        .to_owned()
}

#[test]
fn the_columns_are_locusts() {
    const PERCENTILES: &str = "50%,66%,75%,80%,90%,95%,98%,99%,99.9%,99.99%,100%";
    let empty = Tally::new(&["x".to_owned()]).summary();
    assert_eq!(
        first_line(&stats_csv(&empty)),
        format!(
            "Type,Name,Request Count,Failure Count,Median Response Time,Average Response Time,\
             Min Response Time,Max Response Time,Average Content Size,Requests/s,Failures/s,{PERCENTILES}"
        )
    );
    assert_eq!(
        first_line(&history_header()),
        format!(
            "Timestamp,User Count,Type,Name,Requests/s,Failures/s,{PERCENTILES},Total Request Count,\
             Total Failure Count,Total Median Response Time,Total Average Response Time,\
             Total Min Response Time,Total Max Response Time,Total Average Content Size"
        )
    );
    assert_eq!(
        first_line(&failures_csv(&[], 0.0)),
        "Method,Name,Error,Occurrences,First Seen,Last Seen,First Body"
    );
    assert_eq!(first_line(EXCEPTIONS_CSV), "Count,Message,Traceback,Nodes");
}

#[test]
fn a_row_for_each_kind_and_one_for_all() {
    let summary = tally().summary();
    let rows = read(&stats_csv(&summary));
    let names: Vec<_> = rows.iter().map(|row| row["Name"].as_str()).collect();
    assert_eq!(names, ["createOrder", "a \"b\", c", "Aggregated"]);
    assert_eq!((&*rows[0]["Type"], &*rows[2]["Type"]), ("KAFKA", ""));
    let count = |row: usize, name: &str| rows[row][name].parse::<u64>().unwrap();
    assert_eq!(count(2, "Request Count"), 495);
    assert_eq!(count(0, "Request Count") + count(1, "Request Count"), 495);
    assert_eq!(count(2, "Failure Count"), 2);
    assert_eq!(rows[2]["Average Content Size"], "100");
    let response = summary.total.response.as_ref().unwrap();
    assert_eq!(rows[2]["100%"], response.max_ms.to_string());
    assert_eq!(rows[2]["50%"], response.median_ms.to_string());
    // 493 replies are enough for a p95, but not for a p99.
    assert!(rows[2]["95%"].parse::<f64>().is_ok());
    assert_eq!((&*rows[2]["98%"], &*rows[2]["99%"]), ("N/A", "N/A"));
}

#[test]
fn failures_have_their_text_and_the_moments_on_the_wall_clock() {
    let rows = read(&failures_csv(&tally().summary().errors, 1_700_000_000.25));
    assert_eq!(rows.len(), 2);
    let status = rows
        .iter()
        .find(|row| row["Error"].starts_with("odd"))
        .unwrap();
    assert_eq!(status["Error"], "odd, \"quoted\"\ntext");
    assert_eq!(
        (&*status["Method"], &*status["Occurrences"]),
        ("KAFKA", "1")
    );
    assert_eq!(status["First Seen"], "1700000000.320");
    assert_eq!(status["First Seen"], status["Last Seen"]);
    assert_eq!(status["First Body"], "a body, \"quoted\"");
    assert!(
        rows.iter().any(|row| row["First Body"].is_empty()),
        "a time-out has none"
    );
}

#[test]
fn the_history_has_whole_runs_or_windows() {
    let (tally, header) = (tally(), history_header());
    let summary = tally.summary();
    let moment = moment(&tally, 5);
    let read_with = |full| read(&[header.clone(), history_rows(&moment, &summary, full)].concat());
    let whole = read_with(false);
    assert_eq!(whole.len(), 1);
    assert_eq!(
        (&*whole[0]["Timestamp"], &*whole[0]["User Count"]),
        ("1700000005", "3")
    );
    let response = summary.total.response.as_ref().unwrap();
    let p95 = response.percentile(0.95).unwrap().to_string();
    assert_eq!(whole[0]["95%"], p95);
    assert_eq!(whole[0]["Total Request Count"], "495");
    let full = read_with(true);
    assert_eq!(full.len(), 3);
    let window = moment.total.window.as_ref().unwrap();
    assert_eq!(full[2]["95%"], window.percentile(0.95).unwrap().to_string());
    assert_ne!(full[2]["95%"], p95);
}

/// As in Locust's own test: a slow request leaves the window, but stays in the whole run.
#[test]
fn percentiles_of_a_window_rise_and_fall() {
    let mut tally = Tally::new(&["createOrder".to_owned()]);
    let mut record = |second: u64, latency_ms: u64| {
        for _ in 0..300 {
            let sample = Sample::test(second * 1_000_000_000, latency_ms * 1_000_000, Status::Ok);
            tally.record(&sample, Duration::from_secs(second));
        }
        let moment = moment(&tally, second);
        let rows = history_rows(&moment, &tally.summary(), true);
        let row = read(&[history_header(), rows].concat()).remove(1);
        row["95%"].parse::<f64>().unwrap().round()
    };
    assert_eq!(
        [record(0, 10), record(1, 100), record(12, 10)],
        [10.0, 100.0, 10.0]
    );
}

#[test]
fn without_requests_nothing_is_zero_that_is_unknown() {
    let tally = Tally::new(&["createOrder".to_owned()]);
    let row = read(&stats_csv(&tally.summary())).remove(0);
    assert_eq!(row["Request Count"], "0");
    for column in [
        "Median Response Time",
        "Min Response Time",
        "Average Content Size",
        "50%",
        "100%",
    ] {
        assert_eq!(row[column], "N/A", "{column}");
    }
}

fn summary_of(requests: u64) -> (Moment, Summary) {
    let mut tally = Tally::new(&["createOrder".to_owned()]);
    for index in 0..requests {
        tally.record(&Sample::test(index, 5, Status::Ok), Duration::ZERO);
    }
    (moment(&tally, requests), tally.summary())
}

#[test]
fn the_files_are_rewritten_and_the_history_grows() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = StatsFiles::create(&folder.path().join("run"), false, 0.0).unwrap();
    for requests in [1, 2, 3] {
        let (moment, summary) = summary_of(requests);
        files.update(&moment, &summary).unwrap();
    }
    let file = |name: &str| read(&fs::read(folder.path().join(name)).unwrap());
    assert_eq!(file("run_stats.csv")[1]["Request Count"], "3");
    let history = file("run_stats_history.csv");
    let counts: Vec<_> = history
        .iter()
        .map(|row| &*row["Total Request Count"])
        .collect();
    assert_eq!(counts, ["1", "2", "3"]);
    assert!(file("run_failures.csv").is_empty() && file("run_exceptions.csv").is_empty());
    drop(files);
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        4,
        "no part is left"
    );
}

#[test]
fn a_full_disk_is_told_and_what_was_written_stays() {
    let folder = tempfile::tempdir().unwrap();
    let full = |name: &str| {
        std::os::unix::fs::symlink("/dev/full", folder.path().join(name)).unwrap();
    };
    let prefix = folder.path().join("run");
    full("run_stats_history.csv");
    let error = StatsFiles::create(&prefix, false, 0.0)
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("run_stats_history.csv: No space left"),
        "{error}"
    );
    fs::remove_file(folder.path().join("run_stats_history.csv")).unwrap();

    let mut files = StatsFiles::create(&prefix, false, 0.0).unwrap();
    let (moment, summary) = summary_of(1);
    files.update(&moment, &summary).unwrap();
    full("run_stats.csv.part");
    let (moment, summary) = summary_of(2);
    let error = files.update(&moment, &summary).unwrap_err().to_string();
    assert!(
        error.contains("run_stats.csv.part: No space left"),
        "{error}"
    );
    let stats = read(&fs::read(folder.path().join("run_stats.csv")).unwrap());
    assert_eq!(
        stats[1]["Request Count"], "1",
        "the last whole state is kept"
    );
    let history = read(&fs::read(folder.path().join("run_stats_history.csv")).unwrap());
    assert_eq!(history.len(), 2, "what can be written is written");
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let error = StatsFiles::create(Path::new("/nonexistent/run"), false, 0.0).err();
    let error = error.unwrap().to_string();
    assert!(
        error.contains("/nonexistent/run_stats_history.csv"),
        "{error}"
    );
}
