//! A clock that is set does not matter: nothing that waits or measures asks the wall clock. Shown of the
//! sources, since setting the machine's clock takes privileges that a test must not need.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fs;
use std::path::{Path, PathBuf};

/// What asks the wall clock, and what such a file does with it.
const ALLOWED: [(&str, &str); 19] = [
    (
        "kafka-bridge/src/http/service.rs",
        "the age of a record, for a deadline that its requester gave",
    ),
    (
        "kafka-bridge/src/kafka/token.rs",
        "whether a token has expired, which its issuer says as a date",
    ),
    (
        "kafka-bridge/src/kafka/token/tests.rs",
        "tokens that have, and that have not",
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
        "where a run stands that is taken over: the log has the date of its start",
    ),
    (
        "load-client/src/session/watch.rs",
        "first and last seen of a failure, as Locust writes them",
    ),
    (
        "load-client/src/web/board.rs",
        "when a run of the live page began and ended, for its time axis, and the present that it is shown against",
    ),
    (
        "load-client/src/report/exports.rs",
        "the date of a run in the history of runs",
    ),
    (
        "load-client/src/report/run_file/mod.rs",
        "the date of a run in its file, by which parts of a run are laid side by side",
    ),
    (
        "load-client/src/program/whole.rs",
        "that date, read from files",
    ),
    ("load-client/src/report/run_json.rs", "the date of a report"),
    ("load-client/src/compare/run.rs", "that date"),
    (
        "load-client/src/compare/notices.rs",
        "that date, for whether the runs were made in turns",
    ),
    (
        "load-client/src/compare/read/series.rs",
        "that date, for whether two files are one measurement",
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

/// Sources of the crates below `root` that name a wall clock.
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
    let told = "use Instant, or say here what the date is for; and what asks no more is not listed";
    assert_eq!(found, allowed, "{told}");
}
