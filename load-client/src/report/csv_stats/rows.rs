//! The content of the files: figures in, text out.

use crate::measure::moment::{Moment, MomentRow};
use crate::measure::summary::{ErrorCount, Latency, PERCENTILES, Row, Summary};

const TYPE: &str = "KAFKA";
/// What stands where a figure is undefined.
const UNDEFINED: &str = "N/A";

const LONGEST_COLUMN: &str = "100%";

const STATS: [&str; 11] = [
    "Type",
    "Name",
    "Request Count",
    "Failure Count",
    "Median Response Time",
    "Average Response Time",
    "Min Response Time",
    "Max Response Time",
    "Average Content Size",
    "Requests/s",
    "Failures/s",
];
const HISTORY: [&str; 6] = [
    "Timestamp",
    "User Count",
    "Type",
    "Name",
    "Requests/s",
    "Failures/s",
];
const HISTORY_TOTALS: [&str; 7] = [
    "Total Request Count",
    "Total Failure Count",
    "Total Median Response Time",
    "Total Average Response Time",
    "Total Min Response Time",
    "Total Max Response Time",
    "Total Average Content Size",
];
const FAILURES: [&str; 6] = [
    "Method",
    "Name",
    "Error",
    "Occurrences",
    "First Seen",
    "Last Seen",
];
const EXCEPTIONS: [&str; 4] = ["Count", "Message", "Traceback", "Nodes"];

/// `_stats.csv`: a row for each kind, and one for all.
#[must_use]
pub(crate) fn stats_csv(summary: &Summary) -> Vec<u8> {
    let mut text = Text::default();
    text.line(STATS.into_iter().chain(percentile_names()));
    for (kind, row) in rows(summary) {
        let mut fields = vec![
            kind.to_owned(),
            row.name.clone(),
            row.requests.to_string(),
            row.failures.to_string(),
        ];
        fields.extend(totals(row));
        fields.extend([row.rates.requests, row.rates.failures].map(|rate| rate.to_string()));
        fields.extend(percentiles(row.response.as_ref()));
        text.line(fields);
    }
    text.bytes
}

/// `_failures.csv`: a row for each error of each kind. `start` is the start of the run in seconds since
/// 1970.
#[must_use]
pub(crate) fn failures_csv(errors: &[ErrorCount], start: f64) -> Vec<u8> {
    let mut text = Text::default();
    text.line(FAILURES);
    for error in errors {
        let seen = |seconds: f64| format!("{:.3}", start + seconds);
        text.line([
            TYPE,
            &error.name,
            &error.error,
            &error.count.to_string(),
            &seen(error.first_seconds),
            &seen(error.last_seconds),
        ]);
    }
    text.bytes
}

/// The rows that one moment adds to `_stats_history.csv`. With `full`, each kind has one and percentiles are
/// those of the last ten seconds; else there is one for all kinds, with percentiles of the whole run.
#[must_use]
pub(crate) fn history_rows(moment: &Moment, summary: &Summary, full: bool) -> Vec<u8> {
    let mut text = Text::default();
    if full {
        for (lately, row) in moment.kinds.iter().zip(&summary.kinds) {
            text.line(history_row(moment, TYPE, lately, row, full));
        }
    }
    text.line(history_row(moment, "", &moment.total, &summary.total, full));
    text.bytes
}

pub(super) fn history_header() -> Vec<u8> {
    let mut text = Text::default();
    let columns = HISTORY.into_iter().chain(percentile_names());
    text.line(columns.chain(HISTORY_TOTALS));
    text.bytes
}

pub(super) fn exceptions_csv() -> Vec<u8> {
    let mut text = Text::default();
    text.line(EXCEPTIONS);
    text.bytes
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
    fields.extend(percentiles(latency.as_ref()));
    fields.extend([row.requests.to_string(), row.failures.to_string()]);
    fields.extend(totals(row));
    fields
}

fn rows(summary: &Summary) -> impl Iterator<Item = (&'static str, &Row)> {
    let kinds = summary.kinds.iter().map(|row| (TYPE, row));
    kinds.chain([("", &summary.total)])
}

/// Median, average, smallest, largest and size, in this order in both files.
fn totals(row: &Row) -> [String; 5] {
    let latency = row.response.as_ref();
    [
        latency.map(|own| own.median_ms),
        latency.map(|own| own.mean_ms),
        latency.map(|own| own.min_ms),
        latency.map(|own| own.max_ms),
        row.mean_bytes,
    ]
    .map(field)
}

fn percentiles(latency: Option<&Latency>) -> impl Iterator<Item = String> {
    let own = PERCENTILES.map(|(_, quantile)| latency.and_then(|own| own.percentile(quantile)));
    let longest = latency.map(|own| own.max_ms);
    own.into_iter().chain([longest]).map(field)
}

fn percentile_names() -> impl Iterator<Item = &'static str> {
    PERCENTILES
        .into_iter()
        .map(|(name, _)| name)
        .chain([LONGEST_COLUMN])
}

fn field(figure: Option<f64>) -> String {
    figure.map_or_else(|| UNDEFINED.to_owned(), |figure| figure.to_string())
}

/// Lines of CSV in memory.
#[derive(Default)]
struct Text {
    bytes: Vec<u8>,
}

impl Text {
    fn line<I, F>(&mut self, fields: I)
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
