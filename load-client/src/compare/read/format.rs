//! What the lines of a run's file mean, told by its header: which tool wrote it, and which column has what.

use csv::ByteRecord;

use crate::measure::summary::Status;

/// A column: where it stands, and its name.
type Column = (usize, &'static str);

/// Where a file has what is read of it; all but the response time may be absent.
///
/// Understood are ours, and the three columns `request_type,name,response_time` of the seed's article; Locust's
/// per-request log (contrib), `timestamp,...,response_time_ms,...,exception`; and k6's `--out csv`, which has one
/// line a metric.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Columns {
    /// What was asked for.
    kind: [Option<Column>; 2],
    response_time: Column,
    /// The moment of sending, since the start; only our file has it.
    sent_ns: Option<Column>,
    /// The moment in which the reply came, which only our file has.
    replied_ns: Option<Column>,
    /// The end of the request on the wall clock, of other tools.
    timestamp: Option<Column>,
    warm_up: Option<Column>,
    /// How the request ended, in our words.
    status: Option<Column>,
    /// Filled where the request failed.
    error: Option<Column>,
    /// `false` where the request failed.
    expected: Option<Column>,
    /// k6's name of what the line tells.
    metric: Option<Column>,
}

/// The metrics of k6 that are response times, in milliseconds.
const K6_DURATIONS: [&[u8]; 2] = [b"http_req_duration", b"grpc_req_duration"];
const NANOSECONDS: &str = "nanoseconds, a whole number";

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Ended {
    /// Answered well, after so many milliseconds.
    Well(f64),
    Badly,
    Censored,
}

/// What a line says of its request.
pub(super) struct Row<'a> {
    pub(super) kind: [&'a [u8]; 2],
    pub(super) ended: Ended,
    /// The request's time in seconds: when it was sent, or with other tools when it ended.
    pub(super) stamp_s: Option<f64>,
    pub(super) replied_ns: Option<u64>,
    pub(super) warm_up: bool,
}

impl Columns {
    /// Tells the tool by the header; `Err` names a column that is missing.
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

    /// Whether its time stamps are of the ends of requests, on the wall clock; ours are of their sending.
    pub(super) fn stamps_are_ends(&self) -> bool {
        self.timestamp.is_some()
    }

    /// Reads a line; `None` when it is about no request. The error begins behind the line's number.
    pub(super) fn row<'a>(&self, record: &'a ByteRecord) -> Result<Option<Row<'a>>, String> {
        let text = |column: Option<Column>| column.map_or(&[][..], |(at, _)| &record[at]);
        if self.metric.is_some() && !K6_DURATIONS.contains(&text(self.metric)) {
            return Ok(None);
        }
        let number = |text: &str| text.parse::<u64>().ok();
        let is = |status: Status| text(self.status) == status.as_str().as_bytes();
        // A line that says nothing of how it ended is a good reply.
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

/// Reads a moment in seconds: a number of seconds, milliseconds, microseconds or nanoseconds since 1970,
/// told apart by their size, or RFC 3339 with a `T` or a blank. `None` for anything else.
fn seconds(text: &str) -> Option<f64> {
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
