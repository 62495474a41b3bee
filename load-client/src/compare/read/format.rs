//! The meaning of the lines of a run's file. The header shows which tool wrote the file, and what each column holds.

use csv::ByteRecord;

use crate::measure::summary::Status;

/// A column: its index and its name.
type Column = (usize, &'static str);

/// The columns of a file that are read. All but the response time may be absent.
///
/// The reader supports four formats: ours; the article's three columns `request_type,name,response_time`; Locust's
/// per-request log (contrib), `timestamp,...,response_time_ms,...,exception`; and k6's `--out csv`, which has one line
/// for each metric.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Columns {
    /// Request type and name.
    kind: [Option<Column>; 2],
    response_time: Column,
    /// When the request was sent, since the start. Only our file has it.
    sent_ns: Option<Column>,
    /// When the reply came. Only our file has it.
    replied_ns: Option<Column>,
    /// When the request ended, on the wall clock. Only the files of other tools have it.
    timestamp: Option<Column>,
    warm_up: Option<Column>,
    /// How the request ended, as our files name it.
    status: Option<Column>,
    /// Not empty if the request failed.
    error: Option<Column>,
    /// `false` if the request failed.
    expected: Option<Column>,
    /// k6's name of the metric that the line reports.
    metric: Option<Column>,
}

/// The metrics of k6 that are response times, in milliseconds.
const K6_DURATIONS: [&[u8]; 2] = [b"http_req_duration", b"grpc_req_duration"];
const NANOSECONDS: &str = "nanoseconds, a whole number";

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Ended {
    /// Answered well, after this many milliseconds.
    Well(f64),
    Badly,
    Censored,
}

/// The data of one request from its line.
pub(super) struct Row<'a> {
    pub(super) kind: [&'a [u8]; 2],
    pub(super) ended: Ended,
    /// The request's time in seconds: when it was sent in our files, when it ended in those of other tools.
    pub(super) stamp_s: Option<f64>,
    pub(super) replied_ns: Option<u64>,
    pub(super) warm_up: bool,
}

impl Columns {
    /// Recognises the tool by its header. `Err` names a missing column.
    pub(super) fn of(header: &ByteRecord) -> Result<Self, &'static str> {
        let find = |name: &'static str| {
            let at = header.iter().position(|column| column == name.as_bytes());
            at.map(|at| (at, name))
        };
        let required = |name: &'static str| find(name).ok_or(name);
        if let (metric @ Some(_), timestamp @ Some(_), Some(response_time)) =
            (find("metric_name"), find("timestamp"), find("metric_value"))
        {
            return Ok(Self {
                kind: [metric, find("name")],
                response_time,
                timestamp,
                error: find("error"),
                expected: find("expected_response"),
                metric,
                ..Self::default()
            });
        }
        let kind = [required("request_type")?, required("name")?].map(Some);
        if let Some(response_time) = find("response_time_ms") {
            return Ok(Self {
                kind,
                response_time,
                timestamp: find("timestamp"),
                error: find("exception"),
                ..Self::default()
            });
        }
        Ok(Self {
            kind,
            response_time: required("response_time")?,
            sent_ns: find("sent_ns"),
            replied_ns: find("replied_ns"),
            warm_up: find("warm_up"),
            status: find("status"),
            ..Self::default()
        })
    }

    /// Returns whether its time stamps mark the ends of requests, on the wall clock. Ours mark when they were sent.
    pub(super) fn stamps_are_ends(&self) -> bool {
        self.timestamp.is_some()
    }

    /// Reads a line. Returns `None` when it describes no request. The caller puts the line's number before the error.
    pub(super) fn row<'a>(&self, record: &'a ByteRecord) -> Result<Option<Row<'a>>, String> {
        let text = |column: Option<Column>| column.map_or(&[][..], |(at, _)| &record[at]);
        if self.metric.is_some() && !K6_DURATIONS.contains(&text(self.metric)) {
            return Ok(None);
        }
        let number = |text: &str| text.parse::<u64>().ok();
        let is = |status: Status| text(self.status) == status.as_str().as_bytes();
        // A line that does not say how the request ended is a good reply.
        let ended = if self.status.is_some() && is(Status::Censored) {
            Ended::Censored
        } else if (self.status.is_some() && !is(Status::Ok))
            || !text(self.error).is_empty()
            || text(self.expected) == b"false"
        {
            Ended::Badly
        } else {
            let expected = "milliseconds, zero or more";
            Ended::Well(field(record, self.response_time, expected, milliseconds)?)
        };
        let optional = |column: Option<Column>| {
            column
                .map(|column| field(record, column, NANOSECONDS, number))
                .transpose()
        };
        let stamp_s = match self.timestamp {
            Some(column) => Some(field(
                record,
                column,
                "seconds since 1970, or RFC 3339",
                seconds,
            )?),
            None => optional(self.sent_ns)?.map(|sent_ns| sent_ns as f64 / 1e9),
        };
        let is_warm_up = |column| field(record, column, "true or false", |text| text.parse().ok());
        Ok(Some(Row {
            kind: self.kind.map(text),
            ended,
            stamp_s,
            replied_ns: match ended {
                Ended::Well(_) if stamp_s.is_some() => optional(self.replied_ns)?,
                _ => None,
            },
            warm_up: self
                .warm_up
                .map(is_warm_up)
                .transpose()?
                .unwrap_or_default(),
        }))
    }
}

fn field<T>(
    record: &ByteRecord,
    (at, name): Column,
    expected: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<T, String> {
    let text = std::str::from_utf8(&record[at]).ok();
    text.and_then(|text| read(text.trim())).ok_or_else(|| {
        let found = String::from_utf8_lossy(&record[at]);
        format!(", column {name}: expected {expected}, found {found:?}")
    })
}

fn milliseconds(text: &str) -> Option<f64> {
    let number = text.parse::<f64>().ok();
    number.filter(|number| number.is_finite() && *number >= 0.0)
}

/// Reads a time stamp and returns it in seconds since 1970. It may be RFC 3339 with a `T` or a space, or a number of
/// seconds, milliseconds, microseconds or nanoseconds, recognised by its size. `None` for anything else.
fn seconds(text: &str) -> Option<f64> {
    if let Ok(number) = text.parse::<f64>() {
        let scale = match number {
            // Seconds reach 1e11 in the year 5138. Each smaller unit gives a number a thousand times as large.
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
