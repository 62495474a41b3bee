//! Reads the CSV of a run: ours, the seed's with its three columns, Locust's or k6's.
//!
//! Strict on purpose: a number that cannot be read is an error with its place, never a value left
//! out in silence. Tolerated are a byte-order mark, line ends of Windows, and the cut-off last line of
//! a run that was killed, which is told. A file that is packed with gzip is unpacked while it is read.

mod format;
mod packed;
mod series;
mod sidecar;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use csv::{ByteRecord, Position};

use self::format::{Ended, Format, Ours};
use self::packed::{Packing, Unpacked};
use self::series::{Kinds, MAX_KINDS, Reply};
use self::sidecar::LastByte;
use crate::compare::run::Run;
use crate::measure::history::ThroughputWindow;
use crate::stats::quantile_is_supported;

pub use format::ReadError;

// internal: what `compare` must not write over
pub(crate) use sidecar::summary_beside;

/// Bytes read at once.
const BUFFER_BYTES: usize = 1 << 18;
/// UTF-8's byte-order mark, which spreadsheets put in front.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads the CSV of one run, and the JSON summary of the same run if it lies beside it: `X.json` of `X.csv` or
/// of `X.csv.gz`.
/// A summary that counts other requests than the CSV is of another run: it is left out, with a warning.
///
/// # Errors
///
/// Names file, line and column of what cannot be used: see [`ReadError`].
pub fn read_run(path: &Path) -> Result<Run, ReadError> {
    let failed = |source| ReadError::Io {
        path: path.to_owned(),
        source,
    };
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
    let (packing, source) = Packing::of(source).map_err(|source| ReadError::Io {
        path: path.to_owned(),
        source,
    })?;
    match packing {
        None => read_csv(path, source, window),
        Some(Packing::Gzip) => read_csv(path, Unpacked::new(source), window),
        Some(Packing::Other(tool)) => Err(ReadError::Compressed {
            path: path.to_owned(),
            tool,
        }),
    }
}

fn read_csv(path: &Path, source: impl Read, window: ThroughputWindow) -> Result<Run, ReadError> {
    let mut source = LastByte::new(source);
    let start = source.start().map_err(|source| ReadError::Io {
        path: path.to_owned(),
        source,
    })?;
    let start = start
        .strip_prefix(BYTE_ORDER_MARK)
        .unwrap_or(&start)
        .to_vec();
    // Flexible, so that a line of another length is reported in our words with its number.
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .buffer_capacity(BUFFER_BYTES)
        .from_reader(start.chain(&mut source));
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
        if !more && !reader.get_ref().get_ref().1.ends_with_newline() {
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
    format: Format,
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
        let path_of = || path.to_owned();
        if header.iter().all(|field| field.trim_ascii().is_empty()) {
            return Err(ReadError::Empty { path: path_of() });
        }
        let format = Format::of(header).map_err(|column| match separator(header) {
            Some(separator) => ReadError::Separator {
                path: path_of(),
                separator,
            },
            None => ReadError::MissingColumn {
                path: path_of(),
                column,
            },
        })?;
        let unpacked = packed::unpacked_name(path);
        let label = unpacked.file_stem().unwrap_or(path.as_os_str());
        Ok(Self {
            path,
            format,
            width: header.len(),
            run: Run::new(label.to_string_lossy().into_owned(), Vec::new()),
            window,
            replies: Vec::new(),
            kinds: Kinds::default(),
        })
    }

    fn skip_cut_off(&mut self, record: &ByteRecord) {
        self.run.warnings.push(format!(
            "{} line {}: the last line is cut off and was left out; the run was probably killed",
            self.path.display(),
            line_of(record)
        ));
    }

    fn take(&mut self, record: &ByteRecord) -> Result<(), ReadError> {
        if record.len() != self.width {
            return Err(ReadError::Line {
                path: self.path.to_owned(),
                line: line_of(record),
                reason: format!(
                    "{} fields where the header has {}",
                    record.len(),
                    self.width
                ),
            });
        }
        if !self.format.is_request(record) {
            return Ok(());
        }
        let ended = self.format.status(record);
        let latency = match ended {
            Ended::Well => Some(self.latency(record)?),
            Ended::Badly | Ended::Censored => None,
        };
        let stamp_s = self.stamp_s(record)?;
        let warm_up = self.is_warm_up(record)?;
        let is_measured = !warm_up && ended != Ended::Censored;
        let kind = if is_measured { self.kind(record)? } else { 0 };
        if let Some(latency_ms) = latency {
            self.replies.push(Reply {
                at_s: stamp_s.unwrap_or(0.0),
                latency_ms,
                warm_up,
                kind,
            });
        }
        if let Some(stamp_s) = stamp_s.filter(|_| ended != Ended::Censored) {
            self.note_in_window(record, stamp_s, latency, warm_up)?;
        }
        if warm_up {
            self.run.warm_up += 1;
            return Ok(());
        }
        if ended == Ended::Censored {
            self.run.censored += 1;
            return Ok(());
        }
        if latency.is_none() {
            self.run.failures += 1;
            self.kinds.count_failure(kind);
        }
        Ok(())
    }

    /// Takes a request's part in the throughput.
    fn note_in_window(
        &mut self,
        record: &ByteRecord,
        stamp_s: f64,
        latency: Option<f64>,
        warm_up: bool,
    ) -> Result<(), ReadError> {
        let taken_ms = latency.filter(|_| self.format.stamps_are_ends());
        // Exact for our own files: their nanoseconds are below 2^53 for a hundred days.
        let sent_ns = ((stamp_s - taken_ms.unwrap_or(0.0) / 1e3) * 1e9).round() as u64;
        let expected = "nanoseconds, a whole number";
        let replied_ns = match (latency, self.format.replied_ns()) {
            (None, _) => None,
            (Some(latency), None) => Some(sent_ns + (latency * 1e6) as u64),
            (Some(_), Some(column)) => Some(self.parse(record, column, "replied_ns", expected)?),
        };
        self.window.record_reply(sent_ns, replied_ns, warm_up);
        Ok(())
    }

    fn kind(&mut self, record: &ByteRecord) -> Result<usize, ReadError> {
        let columns = self.format.kind();
        let named = columns.map(|column| column.map_or(&[][..], |at| &record[at]));
        let number = self.kinds.number(named);
        number.ok_or_else(|| ReadError::TooManyKinds {
            path: self.path.to_owned(),
            line: line_of(record),
            most: MAX_KINDS,
        })
    }

    /// What the file says of the request's time, in seconds: when it was sent, or with other tools when it ended.
    fn stamp_s(&self, record: &ByteRecord) -> Result<Option<f64>, ReadError> {
        let ended = match self.format {
            Format::Ours(Ours { sent_ns: None, .. }) => return Ok(None),
            Format::Ours(Ours {
                sent_ns: Some(column),
                ..
            }) => {
                let expected = "nanoseconds, a whole number";
                let sent_ns = self.parse::<u64>(record, column, "sent_ns", expected)?;
                return Ok(Some(sent_ns as f64 / 1e9));
            }
            Format::Locust(columns) => columns.timestamp,
            Format::K6(columns) => Some(columns.timestamp),
        };
        let Some(column) = ended else { return Ok(None) };
        let text = std::str::from_utf8(&record[column]).ok();
        let seconds = text.and_then(format::seconds).ok_or_else(|| {
            let expected = "seconds since 1970, or RFC 3339";
            self.field(record, "timestamp", expected, &record[column])
        })?;
        Ok(Some(seconds))
    }

    fn is_warm_up(&self, record: &ByteRecord) -> Result<bool, ReadError> {
        let Format::Ours(Ours {
            warm_up: Some(column),
            ..
        }) = self.format
        else {
            return Ok(false);
        };
        match &record[column] {
            b"false" => Ok(false),
            b"true" => Ok(true),
            other => Err(self.field(record, "warm_up", "true or false", other)),
        }
    }

    fn latency(&self, record: &ByteRecord) -> Result<f64, ReadError> {
        let (column, name) = self.format.response_time();
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

    fn field(
        &self,
        record: &ByteRecord,
        column: &'static str,
        expected: &str,
        found: &[u8],
    ) -> ReadError {
        ReadError::Field {
            path: self.path.to_owned(),
            line: line_of(record),
            column,
            reason: format!(
                "expected {expected}, found {:?}",
                String::from_utf8_lossy(found)
            ),
        }
    }

    fn finish(mut self) -> Result<Run, ReadError> {
        if self.format.stamps_are_ends() {
            self.run.started = series::wall_clock_start(&self.replies);
        }
        let stamps_are_ends = self.format.stamps_are_ends();
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
            return Err(ReadError::NoRows {
                path: self.path.to_owned(),
                warm_up: self.run.warm_up,
            });
        }
        self.run.throughput = self.window.throughput_at(u64::MAX);
        self.run.window_is_guessed = self.run.throughput.is_some() && !self.window.is_known();
        if replies > 0 && !quantile_is_supported(replies, 0.95) {
            self.run.warnings.push(format!(
                "{} has {replies} replies, too few for a 95th percentile (200); lengthen --run-time",
                self.path.display()
            ));
        }
        Ok(self.run)
    }
}

/// What separates the fields, if it is not the comma.
fn separator(header: &ByteRecord) -> Option<char> {
    let first = header.get(0).unwrap_or_default();
    let others = [(b';', ';'), (b'\t', '\t'), (b'|', '|')];
    let found = others.into_iter().find(|(byte, _)| first.contains(byte));
    found.map(|(_, separator)| separator)
}

fn line_of(record: &ByteRecord) -> u64 {
    record.position().map_or(0, Position::line)
}

fn unreadable(path: &Path, error: csv::Error) -> ReadError {
    let path = path.to_owned();
    let (line, reason) = (
        error.position().map_or(0, Position::line),
        error.to_string(),
    );
    match error.into_kind() {
        csv::ErrorKind::Io(source) => ReadError::Io { path, source },
        _ => ReadError::Line { path, line, reason },
    }
}

#[cfg(test)]
mod tests;
