//! Which tool wrote a CSV, and what its columns mean.

use std::path::PathBuf;

use csv::ByteRecord;

use crate::measure::summary::Status;

/// The kinds of file that are understood, told by their header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Ours, and the three columns `request_type,name,response_time` of the seed's article.
    Ours(Ours),
    /// Locust's per-request log (contrib): `timestamp,...,response_time_ms,...,exception`.
    Locust(Locust),
    /// k6's `--out csv`: one line a metric, of which the request durations count.
    K6(K6),
}

/// Columns of our file; those after the seed's three may be absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ours {
    pub(super) kind: [usize; 2],
    pub(super) response_time: usize,
    pub(super) status: Option<usize>,
    pub(super) sent_ns: Option<usize>,
    pub(super) replied_ns: Option<usize>,
    pub(super) warm_up: Option<usize>,
}

/// Columns of Locust's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Locust {
    pub(super) kind: [usize; 2],
    pub(super) response_time: usize,
    pub(super) timestamp: Option<usize>,
    pub(super) exception: Option<usize>,
}

/// Columns of k6's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct K6 {
    pub(super) metric: usize,
    pub(super) timestamp: usize,
    pub(super) value: usize,
    pub(super) name: Option<usize>,
    pub(super) expected: Option<usize>,
    pub(super) error: Option<usize>,
}

/// The metrics of k6 that are response times, in milliseconds.
const K6_DURATIONS: [&[u8]; 2] = [b"http_req_duration", b"grpc_req_duration"];

impl Format {
    /// Tells the format by the header; `Err` names a column that is missing.
    pub(super) fn of(header: &ByteRecord) -> Result<Self, &'static str> {
        let find = |name: &str| header.iter().position(|column| column == name.as_bytes());
        if let (Some(metric), Some(timestamp), Some(value)) =
            (find("metric_name"), find("timestamp"), find("metric_value"))
        {
            return Ok(Self::K6(K6 {
                metric,
                timestamp,
                value,
                name: find("name"),
                expected: find("expected_response"),
                error: find("error"),
            }));
        }
        let kind = [
            find("request_type").ok_or("request_type")?,
            find("name").ok_or("name")?,
        ];
        if let Some(response_time) = find("response_time_ms") {
            return Ok(Self::Locust(Locust {
                kind,
                response_time,
                timestamp: find("timestamp"),
                exception: find("exception"),
            }));
        }
        Ok(Self::Ours(Ours {
            kind,
            response_time: find("response_time").ok_or("response_time")?,
            status: find("status"),
            sent_ns: find("sent_ns"),
            replied_ns: find("replied_ns"),
            warm_up: find("warm_up"),
        }))
    }

    /// Whether its time stamps are of the ends of requests, on the wall clock; ours are of their sending.
    pub(super) fn stamps_are_ends(self) -> bool {
        match self {
            Self::Ours(_) => false,
            Self::Locust(_) | Self::K6(_) => true,
        }
    }

    /// Whether a line is about a request at all.
    pub(super) fn is_request(self, record: &ByteRecord) -> bool {
        match self {
            Self::K6(columns) => K6_DURATIONS.contains(&&record[columns.metric]),
            Self::Ours(_) | Self::Locust(_) => true,
        }
    }

    /// The columns that name what was asked for.
    pub(super) fn kind(self) -> [Option<usize>; 2] {
        match self {
            Self::Ours(Ours { kind, .. }) | Self::Locust(Locust { kind, .. }) => kind.map(Some),
            Self::K6(columns) => [Some(columns.metric), columns.name],
        }
    }

    /// The column of the response time, and its name.
    pub(super) fn response_time(self) -> (usize, &'static str) {
        match self {
            Self::Ours(columns) => (columns.response_time, "response_time"),
            Self::Locust(columns) => (columns.response_time, "response_time_ms"),
            Self::K6(columns) => (columns.value, "metric_value"),
        }
    }

    /// The column of the moment in which the reply came, which only our file has.
    pub(super) fn replied_ns(self) -> Option<usize> {
        match self {
            Self::Ours(columns) => columns.replied_ns,
            Self::Locust(_) | Self::K6(_) => None,
        }
    }

    /// How a request ended, as far as its line says; a line that says nothing is a good reply.
    pub(super) fn status(self, record: &ByteRecord) -> Ended {
        let is_filled = |column: Option<usize>| column.is_some_and(|at| !record[at].is_empty());
        match self {
            Self::Ours(columns) => match columns.status.map(|column| &record[column]) {
                None => Ended::Well,
                Some(status) if status == Status::Ok.as_str().as_bytes() => Ended::Well,
                Some(status) if status == Status::Censored.as_str().as_bytes() => Ended::Censored,
                Some(_) => Ended::Badly,
            },
            Self::Locust(columns) if is_filled(columns.exception) => Ended::Badly,
            Self::K6(columns)
                if is_filled(columns.error)
                    || columns.expected.is_some_and(|at| &record[at] == b"false") =>
            {
                Ended::Badly
            }
            Self::Locust(_) | Self::K6(_) => Ended::Well,
        }
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    Badly,
    Censored,
}

/// Reads a moment in seconds: a number of seconds, milliseconds, microseconds or nanoseconds since 1970,
/// told apart by their size, or RFC 3339 with a `T` or a blank. `None` for anything else.
pub(super) fn seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        let scale = match number {
            // Seconds reach 1e11 in the year 5138, and each smaller unit is a thousand times as many.
            number if !number.is_finite() || number < 0.0 => return None,
            number if number < 1e11 => 1.0,
            number if number < 1e14 => 1e3,
            number if number < 1e17 => 1e6,
            _ => 1e9,
        };
        return Some(number / scale);
    }
    let moment = humantime::parse_rfc3339_weak(text.trim_end_matches("+00:00")).ok()?;
    let since = moment.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(since.as_secs_f64())
}

/// Why the CSV of a run cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be opened or read.
    #[error("cannot read {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A line does not have the shape of the header.
    #[error("{path} line {line}: {reason}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A field cannot be used.
    #[error("{path} line {line}, column {column}: {reason}")]
    Field {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The column's name.
        column: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The header lacks a column.
    #[error(
        "{path} line 1: no column {column}; expected a header that starts with request_type,name,response_time"
    )]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column that is not there.
        column: &'static str,
    },
    /// There is nothing in the file.
    #[error("{path} is empty; expected a header that starts with request_type,name,response_time")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The fields are not separated by commas.
    #[error(
        "{path} line 1: the fields are separated by {}; only commas are read",
        separator_name(*.separator)
    )]
    Separator {
        /// The file.
        path: PathBuf,
        /// What separates its fields.
        separator: char,
    },
    /// The file is packed, and not with gzip.
    #[error("{path} is packed by {tool}, and only gzip is read: unpack it first")]
    Compressed {
        /// The file.
        path: PathBuf,
        /// What packs such files.
        tool: &'static str,
    },
    /// Nearly every request has a name of its own.
    #[error(
        "{path} line {line}: too many kinds to compare, more than {most}; group them: give all requests of \
         one kind the same name (k6: tags: {{ name: '/orders/ID' }}, Locust: name='/orders/ID')"
    )]
    TooManyKinds {
        /// The file.
        path: PathBuf,
        /// The first line that names one too many, counted from 1.
        line: u64,
        /// The largest number of kinds.
        most: usize,
    },
    /// There is a header, and no measured request.
    #[error("{path} has no measured request{}", warm_up_only(*.warm_up))]
    NoRows {
        /// The file.
        path: PathBuf,
        /// Requests of the warm-up, which do not count.
        warm_up: u64,
    },
}

fn separator_name(separator: char) -> String {
    match separator {
        '\t' => "a tab".to_owned(),
        other => format!("'{other}'"),
    }
}

fn warm_up_only(warm_up: u64) -> String {
    match warm_up {
        0 => String::new(),
        count => format!(", only {count} of the warm-up; shorten --warm-up or lengthen --run-time"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notation_of_one_moment() {
        for text in [
            "1700000000.25",
            "1700000000250",
            "1700000000250000",
            "1700000000250000000",
            "2023-11-14T22:13:20.25Z",
            "2023-11-14 22:13:20.250",
            "2023-11-14 22:13:20.25+00:00",
        ] {
            let found = seconds(text).unwrap_or_else(|| panic!("{text}"));
            assert!((found - 1_700_000_000.25).abs() < 1e-6, "{text}: {found}");
        }
        for text in ["", "soon", "-1", "NaN", "14/11/2023"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
