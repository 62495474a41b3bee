//! Which tool wrote a CSV, and what its columns mean.

use csv::ByteRecord;

use crate::measure::sample::Status;

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
