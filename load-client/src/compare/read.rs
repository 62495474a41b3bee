//! Reads the CSV of a run: ours, or the seed's with its three columns.
//!
//! Strict on purpose: a number that cannot be read is an error with its place, never a value left
//! out in silence. The one thing tolerated is the cut-off last line of a run that was killed.

use std::fs;
use std::path::Path;

use csv::{ByteRecord, Position};

use super::read_error::ReadError;
use super::summary::Run;
use crate::sample::Status;
use crate::stats::quantile_is_supported;
use crate::window::ThroughputWindow;

/// Reads the CSV of one run.
///
/// # Errors
///
/// Names file, line and column of what cannot be used: see [`ReadError`].
pub fn read_run(path: &Path) -> Result<Run, ReadError> {
    let text = fs::read(path).map_err(|source| ReadError::Io {
        path: path.to_owned(),
        source,
    })?;
    RunReader::new(path, &text)?.read(&text)
}

/// Where the columns are; those after the seed's three may be absent.
struct Columns {
    response_time: usize,
    status: Option<usize>,
    sent_ns: Option<usize>,
    warm_up: Option<usize>,
}

struct RunReader<'a> {
    path: &'a Path,
    columns: Columns,
    run: Run,
    window: ThroughputWindow,
}

impl<'a> RunReader<'a> {
    fn new(path: &'a Path, text: &[u8]) -> Result<Self, ReadError> {
        if text.iter().all(u8::is_ascii_whitespace) {
            return Err(ReadError::Empty {
                path: path.to_owned(),
            });
        }
        let mut reader = csv_reader(text);
        let header = reader
            .byte_headers()
            .map_err(|error| unreadable(path, &error))?;
        let find = |name: &str| header.iter().position(|column| column == name.as_bytes());
        let require = |column: &'static str| {
            find(column).ok_or_else(|| ReadError::MissingColumn {
                path: path.to_owned(),
                column,
            })
        };
        require("request_type")?;
        require("name")?;
        let columns = Columns {
            response_time: require("response_time")?,
            status: find("status"),
            sent_ns: find("sent_ns"),
            warm_up: find("warm_up"),
        };
        let label = path.file_stem().unwrap_or(path.as_os_str());
        Ok(Self {
            path,
            columns,
            run: Run {
                label: label.to_string_lossy().into_owned(),
                latencies_ms: Vec::new(),
                failures: 0,
                throughput: None,
                warm_up: 0,
                censored: 0,
                warnings: Vec::new(),
            },
            window: ThroughputWindow::default(),
        })
    }

    fn read(mut self, text: &[u8]) -> Result<Run, ReadError> {
        let (mut reader, mut record) = (csv_reader(text), ByteRecord::new());
        // A writer ends every line; a last one without an end was cut off when the run was killed.
        let complete = text.ends_with(b"\n");
        while reader
            .read_byte_record(&mut record)
            .map_err(|error| unreadable(self.path, &error))?
        {
            let is_last = reader.is_done() || reader.position().byte() as usize >= text.len();
            if is_last && !complete {
                self.skip_cut_off(&record);
                break;
            }
            self.take(&record, reader.headers().map_or(0, |header| header.len()))?;
        }
        self.finish()
    }

    fn skip_cut_off(&mut self, record: &ByteRecord) {
        self.run.warnings.push(format!(
            "{} line {}: the last line is cut off and was left out; the run was probably killed",
            self.path.display(),
            line_of(record)
        ));
    }

    fn take(&mut self, record: &ByteRecord, width: usize) -> Result<(), ReadError> {
        if record.len() != width {
            return Err(ReadError::Line {
                path: self.path.to_owned(),
                line: line_of(record),
                reason: format!("{} fields where the header has {width}", record.len()),
            });
        }
        let sent_ns = match self.columns.sent_ns {
            Some(column) => {
                Some(self.parse::<u64>(record, column, "sent_ns", "nanoseconds, a whole number")?)
            }
            None => None,
        };
        let latency = if self.columns.status.is_none() || self.has_status(record, Status::Ok) {
            Some(self.latency(record)?)
        } else {
            None
        };
        if self.is_warm_up(record)? {
            self.run.warm_up += 1;
            return Ok(());
        }
        if self.has_status(record, Status::Censored) {
            self.run.censored += 1;
            return Ok(());
        }
        match latency {
            Some(latency) => self.run.latencies_ms.push(latency),
            None => self.run.failures += 1,
        }
        if let Some(sent_ns) = sent_ns {
            self.window.record(sent_ns, latency.is_some());
        }
        Ok(())
    }

    /// False without a status column: the seed's file has none, each of its rows is a reply.
    fn has_status(&self, record: &ByteRecord, status: Status) -> bool {
        let column = self.columns.status.map(|column| &record[column]);
        column == Some(status.as_str().as_bytes())
    }

    fn is_warm_up(&self, record: &ByteRecord) -> Result<bool, ReadError> {
        match self.columns.warm_up.map(|column| &record[column]) {
            None | Some(b"false") => Ok(false),
            Some(b"true") => Ok(true),
            Some(other) => Err(self.field(record, "warm_up", "true or false", other)),
        }
    }

    fn latency(&self, record: &ByteRecord) -> Result<f64, ReadError> {
        let (column, expected) = (self.columns.response_time, "milliseconds, zero or more");
        let latency = self.parse::<f64>(record, column, "response_time", expected)?;
        if latency.is_finite() && latency >= 0.0 {
            Ok(latency)
        } else {
            Err(self.field(record, "response_time", expected, &record[column]))
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
        let measured = self.run.latencies_ms.len() as u64 + self.run.failures;
        if measured == 0 {
            return Err(ReadError::NoRows {
                path: self.path.to_owned(),
                warm_up: self.run.warm_up,
            });
        }
        self.run.throughput = self.window.throughput();
        let replies = self.run.latencies_ms.len() as u64;
        if replies > 0 && !quantile_is_supported(replies, 0.95) {
            self.run.warnings.push(format!(
                "{} has {replies} replies, too few for a 95th percentile (200); lengthen --run-time",
                self.path.display()
            ));
        }
        Ok(self.run)
    }
}

fn csv_reader(text: &[u8]) -> csv::Reader<&[u8]> {
    // Flexible, so that a line of another length is reported in our words with its number.
    csv::ReaderBuilder::new().flexible(true).from_reader(text)
}

fn line_of(record: &ByteRecord) -> u64 {
    record.position().map_or(0, Position::line)
}

fn unreadable(path: &Path, error: &csv::Error) -> ReadError {
    ReadError::Line {
        path: path.to_owned(),
        line: error.position().map_or(0, Position::line),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Run, String> {
        let path = Path::new("run.csv");
        RunReader::new(path, text.as_bytes())
            .and_then(|reader| reader.read(text.as_bytes()))
            .map_err(|error| error.to_string())
    }

    const OURS: &str = "request_type,name,response_time,status,intended_ns,sent_ns,replied_ns,user,warm_up,error\n";

    #[test]
    fn reads_the_three_columns_of_the_seed() {
        let run =
            read("request_type,name,response_time\nKAFKA,createOrder,3.271\nKAFKA,createOrder,4\n")
                .unwrap();
        assert_eq!(run.latencies_ms, [3.271, 4.0]);
        assert_eq!((run.failures, run.throughput), (0, None));
        assert_eq!(run.label, "run");
    }

    #[test]
    fn leaves_out_warm_up_and_counts_failures() {
        let run = read(&format!(
            "{OURS}KAFKA,createOrder,9,ok,0,0,9000000,0,true,\n\
             KAFKA,createOrder,4,ok,1000000000,1000000000,1004000000,0,false,\n\
             KAFKA,createOrder,,timeout,1100000000,1100000000,,0,false,no reply\n\
             KAFKA,createOrder,5,ok,2000000000,2000000000,2005000000,0,false,\n"
        ))
        .unwrap();
        assert_eq!(run.latencies_ms, [4.0, 5.0]);
        assert_eq!((run.failures, run.warm_up), (1, 1));
        assert_eq!(run.throughput, Some(1.0));
    }

    #[test]
    fn a_cut_off_last_line_is_left_out_with_a_warning() {
        let run =
            read("request_type,name,response_time\nKAFKA,createOrder,3\nKAFKA,createOrder,31")
                .unwrap();
        assert_eq!(run.latencies_ms, [3.0]);
        assert!(run.warnings[0].contains("line 3"), "{:?}", run.warnings);
        let run = read("request_type,name,response_time\nKAFKA,createOrder,3\nKAF").unwrap();
        assert_eq!(run.latencies_ms, [3.0]);
    }

    #[test]
    fn bad_files_are_refused_with_their_place() {
        let seed = "request_type,name,response_time\n";
        for (text, expected) in [
            (String::new(), "run.csv is empty"),
            (
                "a,b\n1,2\n".into(),
                "run.csv line 1: no column request_type",
            ),
            ("request_type,name\nK,c\n".into(), "no column response_time"),
            (seed.into(), "run.csv has no measured request"),
            (
                format!("{seed}K,c,3\nK,c,fast\n"),
                "run.csv line 3, column response_time: expected milliseconds, zero or more, found \"fast\"",
            ),
            (format!("{seed}K,c,NaN\n"), "found \"NaN\""),
            (format!("{seed}K,c,inf\n"), "found \"inf\""),
            (format!("{seed}K,c,-1\n"), "found \"-1\""),
            (format!("{seed}K,c,\n"), "found \"\""),
            (
                format!("{seed}K,c\nK,c,3\n"),
                "line 2: 2 fields where the header has 3",
            ),
            (
                format!("{OURS}K,c,4,ok,0,0,4,0,maybe,\n"),
                "column warm_up: expected true or false",
            ),
            (format!("{OURS}K,c,4,ok,0,x,4,0,false,\n"), "column sent_ns"),
            (
                format!("{OURS}K,c,4,ok,0,0,4,0,true,\n"),
                "only 1 of the warm-up",
            ),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.contains(expected), "{error} / {expected}");
        }
    }

    #[test]
    fn a_run_of_failures_only_is_read() {
        let run = read(&format!("{OURS}K,c,,timeout,0,0,,0,false,no reply\n")).unwrap();
        assert_eq!((run.latencies_ms.len(), run.failures), (0, 1));
    }
}
