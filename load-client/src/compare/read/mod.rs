//! Reads the CSV of a run: ours, the seed's with its three columns, Locust's or k6's.
//!
//! Strict on purpose: a number that cannot be read is an error with its place, never a value left
//! out in silence. Tolerated are a byte-order mark, line ends of Windows, and the cut-off last line of
//! a run that was killed, which is told. A file that is packed with gzip is unpacked while it is read.

mod format;
mod series;
mod sidecar;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use csv::{ByteRecord, Position};

use self::format::{Columns, Ended, Packing, Passed, Unpacked};
use self::series::{Kinds, MAX_KINDS, Reply};
use crate::compare::Warning;
use crate::compare::run::Run;
use crate::measure::history::ThroughputWindow;
use crate::stats::quantile_is_supported;

// internal: what `compare` must not write over
pub(crate) use sidecar::summary_beside;

/// Bytes read at once.
const BUFFER_BYTES: usize = 1 << 18;
const HEADER: &str = "expected a header that starts with request_type,name,response_time";
const NANOSECONDS: &str = "nanoseconds, a whole number";

/// Why the CSV of a run cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be opened or read.
    #[error("cannot read {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Its content is not that of a run.
    #[error("{path} {reason}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, with line and column where it is at one place.
        reason: String,
    },
}

impl ReadError {
    fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::Io { path, source }
    }

    fn content(path: &Path, reason: String) -> Self {
        let path = path.to_owned();
        Self::Content { path, reason }
    }
}

/// Reads the CSV of one run, and the JSON summary of the same run if it lies beside it: `X.json` of `X.csv` or
/// of `X.csv.gz`.
/// A summary that counts other requests than the CSV is of another run: it is left out, with a warning.
///
/// # Errors
///
/// Names file, line and column of what cannot be used: see [`ReadError`].
pub fn read_run(path: &Path) -> Result<Run, ReadError> {
    let failed = |source| ReadError::io(path, source);
    let file = File::open(path).map_err(failed)?;
    let modified = file.metadata().and_then(|facts| facts.modified()).ok();
    let mut summary = sidecar::Beside::of(path);
    let source = |file| BufReader::with_capacity(BUFFER_BYTES, file);
    let mut run = read(path, source(file), summary.window())?;
    if summary.is_left_out_of(path, &run) {
        // Its window was not this run's.
        let again = File::open(path).map_err(failed)?;
        run = read(path, source(again), summary.window())?;
    }
    run.written = modified;
    summary.add_to(&mut run);
    Ok(run)
}

fn read(path: &Path, source: impl Read, window: ThroughputWindow) -> Result<Run, ReadError> {
    let (packing, source) = Packing::of(source).map_err(|error| ReadError::io(path, error))?;
    match packing {
        None => read_csv(path, source, window),
        Some(Packing::Gzip) => read_csv(path, Unpacked::new(source), window),
        Some(Packing::Other(tool)) => {
            let reason = format!("is packed by {tool}, and only gzip is read: unpack it first");
            Err(ReadError::content(path, reason))
        }
    }
}

fn read_csv(path: &Path, source: impl Read, window: ThroughputWindow) -> Result<Run, ReadError> {
    // Flexible, so that a line of another length is reported in our words with its number.
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .buffer_capacity(BUFFER_BYTES)
        .from_reader(Passed::new(source));
    let header = reader
        .byte_headers()
        .map_err(|error| unreadable(path, error))?;
    let mut run = RunReader::new(path, header, window)?;
    // One line ahead: whether a line is the last is known only after it.
    let (mut line, mut next) = (ByteRecord::new(), ByteRecord::new());
    let mut more = advance(path, &mut reader, &mut line)?;
    while more {
        more = advance(path, &mut reader, &mut next)?;
        // A writer ends every line; a last one without an end was cut off when the run was killed.
        if !more && !reader.get_ref().ends_with_newline() {
            run.skip_cut_off(&line);
            break;
        }
        run.take(&line)?;
        std::mem::swap(&mut line, &mut next);
    }
    run.finish()
}

fn advance(
    path: &Path,
    reader: &mut csv::Reader<impl Read>,
    record: &mut ByteRecord,
) -> Result<bool, ReadError> {
    let read = reader.read_byte_record(record);
    read.map_err(|error| unreadable(path, error))
}

struct RunReader<'a> {
    path: &'a Path,
    columns: Columns,
    width: usize,
    run: Run,
    window: ThroughputWindow,
    replies: Vec<Reply>,
    kinds: Kinds,
}

impl<'a> RunReader<'a> {
    fn new(
        path: &'a Path,
        header: &ByteRecord,
        window: ThroughputWindow,
    ) -> Result<Self, ReadError> {
        let refused = |reason| Err(ReadError::content(path, reason));
        if header.iter().all(|field| field.trim_ascii().is_empty()) {
            return refused(format!("is empty; {HEADER}"));
        }
        let columns = match (Columns::of(header), separator(header)) {
            (Ok(columns), _) => columns,
            (Err(_), Some(separator)) => {
                return refused(format!(
                    "line 1: the fields are separated by {separator}; only commas are read"
                ));
            }
            (Err(column), None) => return refused(format!("line 1: no column {column}; {HEADER}")),
        };
        let unpacked = format::unpacked_name(path);
        let label = unpacked.file_stem().unwrap_or(path.as_os_str());
        Ok(Self {
            path,
            columns,
            width: header.len(),
            run: Run::new(label.to_string_lossy().into_owned(), Vec::new()),
            window,
            replies: Vec::new(),
            kinds: Kinds::default(),
        })
    }

    fn skip_cut_off(&mut self, record: &ByteRecord) {
        let text = format!(
            "{} line {}: the last line is cut off and was left out; the run was probably killed",
            self.path.display(),
            line_of(record)
        );
        self.run.warnings.push(Warning::new("cut off", text));
    }

    fn take(&mut self, record: &ByteRecord) -> Result<(), ReadError> {
        if record.len() != self.width {
            let found = record.len();
            let reason = format!("{found} fields where the header has {}", self.width);
            return Err(self.at(record, &format!(": {reason}")));
        }
        if !self.columns.is_request(record) {
            return Ok(());
        }
        let ended = self.columns.ended(record);
        let latency = match ended {
            Ended::Well => Some(self.latency(record)?),
            Ended::Badly | Ended::Censored => None,
        };
        let stamp_s = self.stamp_s(record)?;
        let warm_up = self.is_warm_up(record)?;
        self.run.warm_up += u64::from(warm_up);
        if ended == Ended::Censored {
            self.run.censored += u64::from(!warm_up);
            return Ok(());
        }
        let kind = if warm_up { 0 } else { self.kind(record)? };
        if let Some(latency_ms) = latency {
            self.replies.push(Reply {
                at_s: stamp_s.unwrap_or(0.0),
                latency_ms,
                warm_up,
                kind,
            });
        } else if !warm_up {
            self.run.failures += 1;
            self.kinds.count_failure(kind);
        }
        match stamp_s {
            Some(stamp_s) => self.note_in_window(record, stamp_s, latency, warm_up),
            None => Ok(()),
        }
    }

    /// Takes a request's part in the throughput.
    fn note_in_window(
        &mut self,
        record: &ByteRecord,
        stamp_s: f64,
        latency: Option<f64>,
        warm_up: bool,
    ) -> Result<(), ReadError> {
        let taken_ms = latency.filter(|_| self.columns.stamps_are_ends());
        // Exact for our own files: their nanoseconds are below 2^53 for a hundred days.
        let sent_ns = ((stamp_s - taken_ms.unwrap_or(0.0) / 1e3) * 1e9).round() as u64;
        let replied_ns = match (latency, self.columns.replied_ns) {
            (None, _) => None,
            (Some(latency), None) => Some(sent_ns + (latency * 1e6) as u64),
            (Some(_), Some(column)) => {
                Some(self.parse(record, column, "replied_ns", NANOSECONDS)?)
            }
        };
        self.window.record_reply(sent_ns, replied_ns, warm_up);
        Ok(())
    }

    fn kind(&mut self, record: &ByteRecord) -> Result<usize, ReadError> {
        let columns = self.columns.kind;
        let named = columns.map(|column| column.map_or(&[][..], |at| &record[at]));
        let number = self.kinds.number(named);
        number.ok_or_else(|| {
            let reason = format!(
                ": too many kinds to compare, more than {MAX_KINDS}; group them: give all requests of one kind \
                 the same name (k6: tags: {{ name: '/orders/ID' }}, Locust: name='/orders/ID')"
            );
            self.at(record, &reason)
        })
    }

    /// What the file says of the request's time, in seconds: when it was sent, or with other tools when it ended.
    fn stamp_s(&self, record: &ByteRecord) -> Result<Option<f64>, ReadError> {
        let Some(column) = self.columns.stamp else {
            return Ok(None);
        };
        if !self.columns.stamps_are_ends() {
            let sent_ns: u64 = self.parse(record, column, "sent_ns", NANOSECONDS)?;
            return Ok(Some(sent_ns as f64 / 1e9));
        }
        let text = std::str::from_utf8(&record[column]).ok();
        let seconds = text.and_then(format::seconds).ok_or_else(|| {
            let expected = "seconds since 1970, or RFC 3339";
            self.field(record, "timestamp", expected, &record[column])
        })?;
        Ok(Some(seconds))
    }

    fn is_warm_up(&self, record: &ByteRecord) -> Result<bool, ReadError> {
        let read = |column| self.parse(record, column, "warm_up", "true or false");
        self.columns.warm_up.map_or(Ok(false), read)
    }

    fn latency(&self, record: &ByteRecord) -> Result<f64, ReadError> {
        let (column, name) = self.columns.response_time;
        let expected = "milliseconds, zero or more";
        let latency = self.parse::<f64>(record, column, name, expected)?;
        if latency.is_finite() && latency >= 0.0 {
            Ok(latency)
        } else {
            Err(self.field(record, name, expected, &record[column]))
        }
    }

    fn parse<T: std::str::FromStr>(
        &self,
        record: &ByteRecord,
        column: usize,
        name: &'static str,
        expected: &str,
    ) -> Result<T, ReadError> {
        std::str::from_utf8(&record[column])
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .ok_or_else(|| self.field(record, name, expected, &record[column]))
    }

    fn field(&self, record: &ByteRecord, column: &str, expected: &str, found: &[u8]) -> ReadError {
        let found = String::from_utf8_lossy(found);
        let reason = format!(", column {column}: expected {expected}, found {found:?}");
        self.at(record, &reason)
    }

    /// What is wrong with a line.
    fn at(&self, record: &ByteRecord, reason: &str) -> ReadError {
        ReadError::content(self.path, format!("line {}{reason}", line_of(record)))
    }

    fn finish(mut self) -> Result<Run, ReadError> {
        let stamps_are_ends = self.columns.stamps_are_ends();
        if stamps_are_ends {
            self.run.started = series::wall_clock_start(&self.replies);
        }
        self.run.is_ordered = series::in_order_of_sending(&mut self.replies, stamps_are_ends);
        self.run.timeline = series::timeline(&self.replies, self.run.is_ordered);
        self.run.digest = Some(series::digest(&self.replies, self.run.failures));
        self.run.kinds = self.kinds.names();
        let (label, is_ordered) = (&self.run.label, self.run.is_ordered);
        self.run.parts = self.kinds.parts(label, &self.replies, is_ordered);
        let measured = self.replies.iter().filter(|reply| !reply.warm_up);
        self.run.latencies_ms = measured.map(|reply| reply.latency_ms).collect();
        let replies = self.run.latencies_ms.len() as u64;
        if replies + self.run.failures == 0 {
            let only = match self.run.warm_up {
                0 => String::new(),
                count => format!(
                    ", only {count} of the warm-up; shorten --warm-up or lengthen --run-time"
                ),
            };
            let reason = format!("has no measured request{only}");
            return Err(ReadError::content(self.path, reason));
        }
        self.run.throughput = self.window.throughput_at(u64::MAX);
        self.run.window_is_guessed = self.run.throughput.is_some() && !self.window.is_known();
        if replies > 0 && !quantile_is_supported(replies, 0.95) {
            let text = format!(
                "{} has {replies} replies, too few for a 95th percentile (200); lengthen --run-time",
                self.path.display()
            );
            self.run.warnings.push(Warning::new("few replies", text));
        }
        Ok(self.run)
    }
}

/// What separates the fields, if it is not the comma.
fn separator(header: &ByteRecord) -> Option<&'static str> {
    let first = header.get(0).unwrap_or_default();
    let others = [(b';', "';'"), (b'\t', "a tab"), (b'|', "'|'")];
    let found = others.into_iter().find(|(byte, _)| first.contains(byte));
    found.map(|(_, separator)| separator)
}

fn line_of(record: &ByteRecord) -> u64 {
    record.position().map_or(0, Position::line)
}

fn unreadable(path: &Path, error: csv::Error) -> ReadError {
    let line = error.position().map_or(0, Position::line);
    let reason = format!("line {line}: {error}");
    match error.into_kind() {
        csv::ErrorKind::Io(source) => ReadError::io(path, source),
        _ => ReadError::content(path, reason),
    }
}

#[cfg(test)]
mod tests;
