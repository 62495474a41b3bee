//! Setting the clock does no harm, because no wait and no measurement uses the wall clock. This test reads the sources,
//! because setting the machine's clock needs privileges.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fs;
use std::path::{Path, PathBuf};

/// The files that use the wall clock, and their reasons.
const ALLOWED: [(&str, &str); 19] = [
    (
        "kafka-bridge/src/http/service.rs",
        "the age of a record, for a deadline that its requester gave",
    ),
    (
        "kafka-bridge/src/kafka/token.rs",
        "whether a token has expired: its issuer gives a date",
    ),
    (
        "kafka-bridge/src/kafka/token/tests.rs",
        "tokens that have expired, and tokens that have not",
    ),
    (
        "load-client/src/measure/recorder.rs",
        "the timestamp column of the history",
    ),
    (
        "load-client/src/session/mod.rs",
        "the date of a report, and the origin of that column",
    ),
    ("load-client/src/session/conclude.rs", "that date"),
    (
        "load-client/src/session/gathered.rs",
        "that date, of a run of several workers",
    ),
    (
        "load-client/src/session/lead/mod.rs",
        "the progress of a run that is taken over: the log has the date of its start",
    ),
    (
        "load-client/src/session/watch.rs",
        "first and last seen of a failure, as Locust writes them",
    ),
    (
        "load-client/src/web/board.rs",
        "the start and end of a run on the live page, and the present, for its time axis",
    ),
    (
        "load-client/src/report/exports.rs",
        "the date of a run in the history of runs",
    ),
    (
        "load-client/src/report/run_file/mod.rs",
        "the date of a run in its file, to align the parts of a run",
    ),
    (
        "load-client/src/program/whole.rs",
        "that date, read from files",
    ),
    ("load-client/src/report/run_json.rs", "the date of a report"),
    ("load-client/src/compare/run.rs", "that date"),
    (
        "load-client/src/compare/notices.rs",
        "that date, to see whether the runs took turns",
    ),
    (
        "load-client/src/compare/read/series.rs",
        "that date, to see whether two files are one measurement",
    ),
    (
        "load-client/src/compare/read/sidecar.rs",
        "that date, read from a report",
    ),
    (
        "load-client/src/scenario/mod.rs",
        "the placeholders {now} and {timestamp_ms}",
    ),
];
const WALL_CLOCKS: [&str; 4] = ["SystemTime", "Utc::now", "Local::now", "CLOCK_REALTIME"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// Sources of the crates below `root` that use a wall clock.
fn that_ask(root: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for part in ["kafka-bridge", "order-service", "load-client"] {
        sources(&root.join(part).join("src"), &mut files);
    }
    assert!(files.len() > 100, "the sources are elsewhere");
    files.retain(|file| {
        let text = fs::read_to_string(file).unwrap();
        WALL_CLOCKS.iter().any(|name| text.contains(name))
    });
    let name = |file: &PathBuf| file.strip_prefix(root).unwrap().display().to_string();
    files.iter().map(name).collect()
}

#[test]
fn only_dates_of_reports_come_from_the_wall_clock() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = that_ask(root);
    let mut allowed = ALLOWED.map(|(file, _why)| file);
    found.sort();
    allowed.sort_unstable();
    let told = "use Instant, or add the file and its reason to ALLOWED; remove files that no longer use the clock";
    assert_eq!(found, allowed, "{told}");
}
