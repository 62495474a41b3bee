//! The history of runs: one line for each run, appended to a CSV that change-point detection reads.
//!
//! Two builds are compared by [`crate::compare`]; whether the figures drift over hundreds of builds is a
//! question for a time series. The file is one that Apache Otava reads as a test of type `csv`: see
//! `docs/history.md`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::destination::{Destination, ExportError, is_standard_output};
use crate::compare::{Run, RunFigures, Side};

/// The columns, in order.
pub(crate) const HISTORY_COLUMNS: [&str; 11] = [
    "time",
    "commit",
    "side",
    "run",
    "p50_ms",
    "p90_ms",
    "p95_ms",
    "p99_ms",
    "mean_ms",
    "throughput",
    "failure_rate",
];

/// Why a history could not be continued.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HistoryError {
    /// The system refuses.
    #[error("cannot append to {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The place is no file that could be continued, and cannot be written.
    #[error(transparent)]
    Elsewhere(#[from] ExportError),
    /// The file is something else, and must not be spoilt.
    #[error("--history {path} is no history: its first line is not {header}; name another file")]
    OtherHeader {
        /// The file.
        path: PathBuf,
        /// What it should begin with.
        header: String,
    },
    /// The file's last line has no end.
    #[error("--history {path} ends in the middle of a line; remove or complete its last line")]
    CutOff {
        /// The file.
        path: PathBuf,
    },
}

/// One run in the history.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HistoryRow {
    fields: [String; HISTORY_COLUMNS.len()],
}

impl HistoryRow {
    /// The row of one run. What is undefined is an empty field.
    pub(crate) fn new(side: Side, commit: &str, run: &Run, own: &RunFigures) -> Self {
        let figures = &own.figures;
        let text = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        Self {
            fields: [
                run.started
                    .or(run.written)
                    .map_or_else(String::new, timestamp),
                commit.to_owned(),
                side.to_string(),
                own.label.clone(),
                text(figures.median_ms),
                text(figures.p90_ms),
                text(figures.p95_ms),
                text(figures.p99_ms),
                text(figures.mean_ms),
                text(figures.throughput),
                text(figures.failure_rate),
            ],
        }
    }
}

/// ISO 8601 with the offset spelt out, which every reader of dates understands.
fn timestamp(moment: SystemTime) -> String {
    let text = humantime::format_rfc3339_millis(moment).to_string();
    text.replace('Z', "+00:00")
}

/// Finds out before a comparison whether a history could be continued after it. Leaves nothing behind.
///
/// # Errors
///
/// As [`append_history`].
pub(crate) fn check_history(path: &Path) -> Result<(), HistoryError> {
    if !is_file(path) {
        return Ok(Destination::claim(path).map(drop)?);
    }
    let failed = |source| io_error(path, source);
    let file = OpenOptions::new().read(true).append(true).open(path);
    is_new(path, &mut file.map_err(failed)?).map(drop)
}

/// Appends rows by one write, so that two builds that end together do not mix their lines. A new or empty
/// file gets the header first, and so does what is no file.
///
/// # Errors
///
/// When the file cannot be written, has another header, or ends in the middle of a line.
pub(crate) fn append_history(path: &Path, rows: &[HistoryRow]) -> Result<(), HistoryError> {
    let failed = |source| io_error(path, source);
    if is_standard_output(path) || (path.exists() && !is_file(path)) {
        let lines = lines(rows, true).map_err(failed)?;
        return Ok(Destination::claim(path)?.write_whole(&lines)?);
    }
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)
        .map_err(failed)?;
    // Or both of two builds would write the header. Not every file system has locks.
    let _ = file.lock();
    let is_new = is_new(path, &mut file)?;
    let lines = lines(rows, is_new).map_err(failed)?;
    let written = file.write(&lines).map_err(failed)?;
    if written < lines.len() {
        return Err(failed(io::ErrorKind::WriteZero.into()));
    }
    file.sync_data().map_err(failed)
}

fn io_error(path: &Path, source: io::Error) -> HistoryError {
    HistoryError::Io {
        path: path.to_owned(),
        source,
    }
}

fn is_file(path: &Path) -> bool {
    !is_standard_output(path) && path.is_file()
}

/// Whether a history is empty; one that is not has to be sound.
fn is_new(path: &Path, file: &mut File) -> Result<bool, HistoryError> {
    let length = file.metadata().map_err(|source| io_error(path, source))?;
    if length.len() > 0 {
        check(path, file)?;
    }
    Ok(length.len() == 0)
}

fn header() -> String {
    HISTORY_COLUMNS.join(",")
}

fn check(path: &Path, file: &mut File) -> Result<(), HistoryError> {
    let failed = |source| io_error(path, source);
    let header = header();
    let mut first = Vec::new();
    let longest = header.len() as u64 + 2;
    Read::by_ref(file)
        .take(longest)
        .read_to_end(&mut first)
        .map_err(failed)?;
    let rest = first.strip_prefix(header.as_bytes());
    if !rest.is_some_and(|rest| rest.starts_with(b"\n") || rest.starts_with(b"\r\n")) {
        return Err(HistoryError::OtherHeader {
            path: path.to_owned(),
            header,
        });
    }
    file.seek(SeekFrom::End(-1)).map_err(failed)?;
    let mut last = [0];
    file.read_exact(&mut last).map_err(failed)?;
    if last != *b"\n" {
        return Err(HistoryError::CutOff {
            path: path.to_owned(),
        });
    }
    Ok(())
}

fn lines(rows: &[HistoryRow], with_header: bool) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    if with_header {
        writer.write_record(HISTORY_COLUMNS)?;
    }
    for row in rows {
        writer.write_record(&row.fields)?;
    }
    writer.into_inner().map_err(|error| error.into_error())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::compare::{Options, compare};

    fn row(label: &str) -> HistoryRow {
        let mut run = Run::new(label.to_owned(), vec![4.0; 120]);
        run.started = Some(UNIX_EPOCH + Duration::from_millis(1_700_000_000_250));
        let runs = [run];
        let comparison = compare(&runs, &runs, &Options::default()).unwrap();
        HistoryRow::new(Side::Changed, "f00d", &runs[0], &comparison.changed.runs[0])
    }

    #[test]
    fn the_header_comes_once_and_rows_follow() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.csv");
        append_history(&path, &[row("one"), row("two, quoted")]).unwrap();
        append_history(&path, &[row("three")]).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let expected = "time,commit,side,run,p50_ms,p90_ms,p95_ms,p99_ms,mean_ms,throughput,failure_rate\n\
            2023-11-14T22:13:20.250+00:00,f00d,changed,one,4,4,,,4,,0\n\
            2023-11-14T22:13:20.250+00:00,f00d,changed,\"two, quoted\",4,4,,,4,,0\n\
            2023-11-14T22:13:20.250+00:00,f00d,changed,three,4,4,,,4,,0\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn an_empty_file_gets_the_header() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.csv");
        fs::write(&path, "").unwrap();
        append_history(&path, &[row("one")]).unwrap();
        assert!(
            fs::read_to_string(&path)
                .unwrap()
                .starts_with("time,commit")
        );
    }

    #[test]
    fn what_is_no_history_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.csv");
        for (content, expected) in [
            ("time,commit\n1,2\n".to_owned(), "is no history"),
            (format!("{}_more\n", header()), "is no history"),
            (header(), "is no history"),
            (
                format!("{}\n2026-01-01,f00d", header()),
                "ends in the middle",
            ),
        ] {
            fs::write(&path, &content).unwrap();
            let error = append_history(&path, &[row("one")])
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let error = append_history(Path::new("/nonexistent/h.csv"), &[]).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/h.csv"), "{error}");
    }
}
