//! Locust's four CSV files, with the same names, columns and order, so that scripts made for Locust still work.
//!
//! Some figures have another meaning, but all are in the same place:
//! - times are milliseconds with decimals, of the good replies only (a failure is never a latency);
//! - an undefined figure, or a percentile with fewer than ten replies above it, is `N/A`, as in Locust's rows without
//!   requests; pandas reads that as missing;
//! - the totals do not contain the warm-up, but rates, users and the percentiles of a window do;
//! - `First Seen` and `Last Seen` are seconds since 1970, as is `Timestamp`;
//! - `_exceptions.csv` has only its header, because there is no user code that could raise an exception.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::measure::history::{Moment, MomentRow};
use crate::measure::summary::{ErrorCount, Latency, PERCENTILES, Row, Summary};
use crate::report::{Destination, ExportError, TYPE, percentiles, rows, write_whole};

/// The text of an undefined figure.
const UNDEFINED: &str = "N/A";

const STATS_COLUMNS: &str = "Type,Name,Request Count,Failure Count,Median Response Time,Average Response Time,\
    Min Response Time,Max Response Time,Average Content Size,Requests/s,Failures/s";
const HISTORY_COLUMNS: &str = "Timestamp,User Count,Type,Name,Requests/s,Failures/s";
const HISTORY_TOTALS: &str = "Total Request Count,Total Failure Count,Total Median Response Time,\
    Total Average Response Time,Total Min Response Time,Total Max Response Time,Total Average Content Size";
const FAILURES_COLUMNS: &str = "Method,Name,Error,Occurrences,First Seen,Last Seen,First Body";
const EXCEPTIONS_CSV: &[u8] = b"Count,Message,Traceback,Nodes\n";

/// Returns `_stats.csv`: a row for each kind, and one for all kinds.
pub(crate) fn stats_csv(summary: &Summary) -> Vec<u8> {
    let mut text = CsvText::with_header(&format!("{STATS_COLUMNS},{}", percentile_names()));
    for (kind, row) in rows(summary) {
        let mut fields = vec![
            kind.to_owned(),
            row.name.clone(),
            row.requests.to_string(),
            row.failures.to_string(),
        ];
        fields.extend(totals(row));
        fields.extend([row.rates.requests, row.rates.failures].map(|rate| rate.to_string()));
        fields.extend(percentiles(row.response.as_ref()).map(field));
        text.line(fields);
    }
    text.bytes
}

/// Returns `_failures.csv`: a row for each error of each kind, in Locust's columns and a further one. `start` is the
/// start of the run in seconds since 1970.
pub(crate) fn failures_csv(errors: &[ErrorCount], start: f64) -> Vec<u8> {
    let mut text = CsvText::with_header(FAILURES_COLUMNS);
    for error in errors {
        let seen = |seconds: f64| format!("{:.3}", start + seconds);
        text.line([
            TYPE,
            &error.name,
            &error.error,
            &error.count.to_string(),
            &seen(error.first_seconds),
            &seen(error.last_seconds),
            error.first_body.as_deref().unwrap_or_default(),
        ]);
    }
    text.bytes
}

/// Returns the rows that one moment adds to `_stats_history.csv`. With `full`, each kind has a row, and percentiles are
/// those of the last ten seconds. Otherwise one row is for all kinds, with percentiles of the whole run.
pub(crate) fn history_rows(moment: &Moment, summary: &Summary, full: bool) -> Vec<u8> {
    let mut text = CsvText::default();
    if full {
        for (lately, row) in moment.kinds.iter().zip(&summary.kinds) {
            text.line(history_row(moment, TYPE, lately, row, full));
        }
    }
    text.line(history_row(moment, "", &moment.total, &summary.total, full));
    text.bytes
}

fn history_header() -> Vec<u8> {
    let columns = format!("{HISTORY_COLUMNS},{},{HISTORY_TOTALS}", percentile_names());
    CsvText::with_header(&columns).bytes
}

fn history_row(
    moment: &Moment,
    kind: &str,
    lately: &MomentRow,
    row: &Row,
    full: bool,
) -> Vec<String> {
    let mut fields = vec![
        moment.unix_seconds.to_string(),
        moment.users.to_string(),
        kind.to_owned(),
        row.name.clone(),
        lately.rates.requests.to_string(),
        lately.rates.failures.to_string(),
    ];
    let latency = if full { &lately.window } else { &row.response };
    fields.extend(percentiles(latency.as_ref()).map(field));
    fields.extend([row.requests.to_string(), row.failures.to_string()]);
    fields.extend(totals(row));
    fields
}

/// Returns median, average, minimum, maximum and size, in the order of both files.
fn totals(row: &Row) -> [String; 5] {
    let of = |figure: fn(&Latency) -> f64| row.response.as_ref().map(figure);
    let (median, mean) = (of(|own| own.median_ms), of(|own| own.mean_ms));
    let (least, most) = (of(|own| own.min_ms), of(|own| own.max_ms));
    [median, mean, least, most, row.mean_bytes].map(field)
}

fn percentile_names() -> String {
    PERCENTILES.map(|(name, _)| name).join(",") + ",100%"
}

fn field(figure: Option<f64>) -> String {
    figure.map_or_else(|| UNDEFINED.to_owned(), |figure| figure.to_string())
}

/// Lines of CSV in memory.
#[derive(Default)]
pub(crate) struct CsvText {
    pub bytes: Vec<u8>,
}

impl CsvText {
    pub(crate) fn with_header(columns: &str) -> Self {
        let bytes = format!("{columns}\n").into_bytes();
        Self { bytes }
    }

    pub(crate) fn line<I, F>(&mut self, fields: I)
    where
        I: IntoIterator<Item = F>,
        F: AsRef<[u8]>,
    {
        let mut writer = csv::Writer::from_writer(&mut self.bytes);
        writer
            .write_record(fields)
            .and_then(|()| writer.flush().map_err(csv::Error::from))
            .expect("memory takes every record, and a first record has any length");
    }
}

// The files on disk: three are replaced as a whole, and one grows.

const STATS: &str = "_stats.csv";
const HISTORY: &str = "_stats_history.csv";
const FAILURES: &str = "_failures.csv";
const EXCEPTIONS: &str = "_exceptions.csv";

/// The files of `--csv PREFIX`. Whatever fails, no file on disk ends in half a row.
pub(crate) struct StatsFiles {
    prefix: PathBuf,
    history: File,
    /// The length of the whole rows in the history, in bytes.
    history_bytes: u64,
    /// Whether moments are missing in the history because it could not be written.
    pub(crate) has_gaps: bool,
    full_history: bool,
    start: f64,
    /// Keeps other programs from using the prefix.
    _claim: Destination,
}

impl StatsFiles {
    /// Checks, before a run, that the files can be written. The files of an earlier run stay unchanged. Fails when no
    /// file can be created in their folder, or another program is writing them.
    pub(crate) fn check(prefix: &Path) -> Result<(), ExportError> {
        Destination::claim(&with_ending(prefix, HISTORY)).map(drop)
    }

    /// Returns the paths of the four files.
    pub(crate) fn paths(prefix: &Path) -> [PathBuf; 4] {
        [STATS, HISTORY, FAILURES, EXCEPTIONS].map(|ending| with_ending(prefix, ending))
    }

    /// Creates the four files with their headers. `start` is the start of the run in seconds since 1970. Fails when one
    /// of them cannot be written, or another program is writing them.
    pub(crate) fn create(
        prefix: &Path,
        full_history: bool,
        start: f64,
    ) -> Result<Self, ExportError> {
        let path = with_ending(prefix, HISTORY);
        let claim = Destination::claim(&path)?;
        let history = File::create(&path).map_err(|error| ExportError::io(&path, error))?;
        let mut files = Self {
            prefix: prefix.to_owned(),
            history,
            history_bytes: 0,
            has_gaps: false,
            full_history,
            start,
            _claim: claim,
        };
        files.append(&history_header())?;
        files.replace(EXCEPTIONS, EXCEPTIONS_CSV)?;
        files.replace(FAILURES, &failures_csv(&[], start))?;
        Ok(files)
    }

    /// Adds a moment to the history, and replaces the other files by the present figures. Fails with the first error,
    /// but still writes the files that can be written.
    pub(crate) fn update(&mut self, moment: &Moment, summary: &Summary) -> Result<(), ExportError> {
        let appended = self.append(&history_rows(moment, summary, self.full_history));
        let stats = self.replace(STATS, &stats_csv(summary));
        let failures = self.replace(FAILURES, &failures_csv(&summary.errors, self.start));
        appended.and(stats).and(failures)
    }

    fn replace(&self, ending: &str, content: &[u8]) -> Result<(), ExportError> {
        write_whole(&with_ending(&self.prefix, ending), content)
    }

    fn append(&mut self, rows: &[u8]) -> Result<(), ExportError> {
        if let Err(error) = self.history.write_all(rows) {
            self.has_gaps = true;
            // A full disk may have taken a part of a row. The next row must not continue it.
            let _ = self.history.set_len(self.history_bytes);
            let _ = self.history.seek(SeekFrom::Start(self.history_bytes));
            return Err(ExportError::io(&with_ending(&self.prefix, HISTORY), error));
        }
        self.history_bytes += rows.len() as u64;
        Ok(())
    }
}

fn with_ending(prefix: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(prefix);
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests;
