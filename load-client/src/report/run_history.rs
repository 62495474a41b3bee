//! The history of runs: one line for each run, appended to a CSV that change-point detection reads.
//!
//! Two builds are compared by [`crate::compare`]; whether the figures drift over hundreds of builds is a
//! question for a time series. The file is one that Apache Otava reads as a test of type `csv`: see
//! `docs/history.md`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, ensure};

use super::csv_stats::CsvText;
use super::destination::{Destination, is_standard_output};
use crate::compare::{Run, RunFigures, Side};

const HEADER: &str =
    "time,commit,side,run,p50_ms,p90_ms,p95_ms,p99_ms,mean_ms,throughput,failure_rate";

/// One run in the history: the fields of [`HEADER`].
pub(crate) type HistoryRow = [String; 11];

/// The row of one run. What is undefined is an empty field.
pub(crate) fn history_row(side: Side, commit: &str, run: &Run, own: &RunFigures) -> HistoryRow {
    let figures = &own.figures;
    let text = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let started = run.started.or(run.written);
    [
        started.map_or_else(String::new, timestamp),
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
    ]
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
pub(crate) fn check_history(path: &Path) -> anyhow::Result<()> {
    if !is_file(path) {
        return Ok(Destination::claim(path).map(drop)?);
    }
    let file = OpenOptions::new().read(true).append(true).open(path);
    is_new(path, &mut file.with_context(|| cannot(path))?).map(drop)
}

/// Appends rows by one write, so that two builds that end together do not mix their lines. A new or empty
/// file gets the header first, and so does what is no file. Fails when the file cannot be written, has another
/// header, or ends in the middle of a line.
pub(crate) fn append_history(path: &Path, rows: &[HistoryRow]) -> anyhow::Result<()> {
    if is_standard_output(path) || (path.exists() && !is_file(path)) {
        return Ok(Destination::claim(path)?.write_whole(&lines(rows, true))?);
    }
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    let mut file = options.open(path).with_context(|| cannot(path))?;
    // Or both of two builds would write the header. Not every file system has locks.
    let _ = file.lock();
    let lines = lines(rows, is_new(path, &mut file)?);
    write_once(&mut file, &lines).with_context(|| cannot(path))
}

fn write_once(file: &mut File, lines: &[u8]) -> io::Result<()> {
    if file.write(lines)? < lines.len() {
        return Err(io::ErrorKind::WriteZero.into());
    }
    file.sync_data()
}

fn cannot(path: &Path) -> String {
    format!("cannot append to {}", path.display())
}

fn is_file(path: &Path) -> bool {
    !is_standard_output(path) && path.is_file()
}

/// Whether a history is empty; one that is not has to be sound.
fn is_new(path: &Path, file: &mut File) -> anyhow::Result<bool> {
    let mut before = Vec::new();
    file.read_to_end(&mut before)
        .with_context(|| cannot(path))?;
    if before.is_empty() {
        return Ok(true);
    }
    let (first, path) = (before.strip_prefix(HEADER.as_bytes()), path.display());
    ensure!(
        first.is_some_and(|rest| rest.starts_with(b"\n") || rest.starts_with(b"\r\n")),
        "--history {path} is no history: its first line is not {HEADER}; name another file"
    );
    ensure!(
        before.ends_with(b"\n"),
        "--history {path} ends in the middle of a line; remove or complete its last line"
    );
    Ok(false)
}

fn lines(rows: &[HistoryRow], with_header: bool) -> Vec<u8> {
    let mut text = match with_header {
        true => CsvText::with_header(HEADER),
        false => CsvText::default(),
    };
    rows.iter().for_each(|row| text.line(row));
    text.bytes
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
        history_row(Side::Changed, "f00d", &runs[0], &comparison.changed.runs[0])
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
            (format!("{HEADER}_more\n"), "is no history"),
            (HEADER.to_owned(), "is no history"),
            (format!("{HEADER}\n2026-01-01,f00d"), "ends in the middle"),
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
