//! The measured data: one request as a sample, and the result of a run.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::load::plan::Span;
use crate::measure::analysis::Findings;

/// How a request ended. Every request ends in exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::enum_variant_names,
    reason = "the names are those of the CSV and the JSON"
)]
pub enum Status {
    /// A reply with a 2xx status arrived in time. When the client only publishes, a delivery report arrived in time.
    Ok,
    /// No reply came within the time-out. A later reply changes nothing.
    Timeout,
    /// The request could not be handed over, or its delivery failed.
    SendError,
    /// The reply's status is not 2xx, or cannot be read.
    ErrorStatus,
    /// The reply's status is good, but its body is not as expected.
    FailedCheck,
    /// The reply consumer failed and could not have received the reply.
    ConsumerFailure,
    /// The request was still in flight when the run was cut short. It counts neither as a reply nor as a failure.
    Censored,
}

/// The [`Sample::error`] of a time-out.
pub(crate) const TIMED_OUT: &str = "no reply within the time-out";
/// The [`Sample::error`] of a censored request.
pub(crate) const CUT: &str = "still in flight when the run was cut short";

impl Status {
    /// Returns the name as in the CSV.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Timeout => "timeout",
            Self::SendError => "send_error",
            Self::ErrorStatus => "error_status",
            Self::FailedCheck => "failed_check",
            Self::ConsumerFailure => "consumer_failure",
            Self::Censored => "censored",
        }
    }

    /// Returns whether the request counts as failed.
    #[must_use]
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::Ok | Self::Censored)
    }
}

/// One request. All moments are nanoseconds since the start of the run, on one monotonic clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The number of its request kind in the plan, from 0.
    pub kind: u16,
    /// The number of the user that sent it, from 0.
    pub user: u32,
    /// When it was planned: by the schedule (open loop), or when its user was free (closed loop).
    pub intended_ns: u64,
    /// When it was handed to the producer.
    pub sent_ns: u64,
    /// When the client saw the broker's acknowledgement. `None` when the request ended before it.
    pub acked_ns: Option<u64>,
    /// When the client took its answer from the consumer, whatever the answer's status. `None` without an answer.
    pub replied_ns: Option<u64>,
    /// Length of the answer's body in bytes, 0 without an answer.
    pub reply_bytes: u32,
    /// How it ended.
    pub status: Status,
    /// The error in words, empty for a good reply.
    pub error: Cow<'static, str>,
    /// The beginning of the body of a refused answer, made safe to show.
    pub refused_body: Option<Box<str>>,
    /// Whether it was planned for the warm-up. Such a request is in the CSV, but not in the figures.
    pub warm_up: bool,
}

impl Sample {
    /// Returns the response time in nanoseconds: from the planned moment to the reply, so it includes the wait to be
    /// sent. Only a good reply has one, because a failure is never a latency.
    #[must_use]
    pub fn response_ns(&self) -> Option<u64> {
        self.from(self.intended_ns)
    }

    /// Returns the service time in nanoseconds: from the hand-over to the reply. It does not show how a stall delayed
    /// requests that were not sent meanwhile (coordinated omission).
    #[must_use]
    pub fn service_ns(&self) -> Option<u64> {
        self.from(self.sent_ns)
    }

    fn from(&self, start_ns: u64) -> Option<u64> {
        let replied = self.replied_ns.filter(|_| self.status == Status::Ok);
        replied.map(|replied| replied.saturating_sub(start_ns))
    }
}

#[cfg(test)]
impl Sample {
    /// Makes a request of kind 0 and user 0 that was sent as planned. An error status is a 500.
    pub(crate) fn test(sent_ns: u64, latency_ns: u64, status: Status) -> Self {
        let error = match status {
            Status::Timeout => TIMED_OUT,
            Status::Censored => CUT,
            Status::ErrorStatus => "status 500",
            _ => "",
        };
        Self {
            kind: 0,
            user: 0,
            intended_ns: sent_ns,
            sent_ns,
            acked_ns: None,
            replied_ns: Some(sent_ns + latency_ns),
            reply_bytes: 0,
            status,
            error: error.into(),
            refused_body: None,
            warm_up: false,
        }
    }
}

/// The percentiles of a summary, as names and as quantiles. They are those of Locust.
pub(crate) const PERCENTILES: [(&str, f64); 10] = [
    ("50%", 0.5),
    ("66%", 0.66),
    ("75%", 0.75),
    ("80%", 0.8),
    ("90%", 0.9),
    ("95%", 0.95),
    ("98%", 0.98),
    ("99%", 0.99),
    ("99.9%", 0.999),
    ("99.99%", 0.9999),
];

/// The measurements of a run. The warm-up has its own count, and is in none of the other figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// One row for each request kind, in the plan's order.
    pub kinds: Vec<Row>,
    /// All kinds together, merged request by request.
    pub total: Row,
    /// Number of requests by outcome.
    pub outcomes: BTreeMap<Status, u64>,
    /// The requests of the warm-up.
    pub warm_up: Ended,
    /// Good replies per second that arrived in the measured window.
    pub throughput: Option<f64>,
    /// Length of the measured window in seconds: from the end of the warm-up to the end of the run time or to the stop.
    pub window_seconds: Option<f64>,
    /// Failures by kind and text, the most frequent first. They include those of the warm-up.
    pub errors: Vec<ErrorCount>,
    /// The measurements of each stage, in their order. Empty without stages.
    pub stages: Vec<StageResult>,
    /// How late an open loop, or users with a pace, sent their requests. `None` for other loads.
    pub schedule_lag: Option<Lag>,
    /// The findings of the run beyond its figures.
    pub findings: Findings,
}

/// The measurements of one stage, for the requests planned for it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageResult {
    /// Its name, target and place.
    #[serde(flatten)]
    pub span: Span,
    /// Requests that ended, well or not.
    pub requests: u64,
    /// Requests that failed.
    pub failures: u64,
    /// Good replies per second that arrived during the stage.
    pub throughput: Option<f64>,
    /// Response times of the good replies. `None` without good replies.
    pub response: Option<Latency>,
}

/// How late an open loop, or users with a pace, sent their requests: from the planned moment to the hand-over. The
/// warm-up is left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lag {
    /// Requests that were sent.
    pub requests: u64,
    /// Median in milliseconds.
    pub p50_ms: f64,
    /// 99th percentile in milliseconds.
    pub p99_ms: f64,
    /// Largest lag in milliseconds.
    pub max_ms: f64,
    /// Requests that were due but had to wait, because too many were in flight or the recorder was too far behind. The
    /// requests behind them were late too.
    pub held_back: u64,
    /// Requests that were due but not sent, because the run was stopped first.
    pub unsent: u64,
}

/// The figures of one kind of request, or of all of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The kind's name, `Aggregated` for all.
    pub name: String,
    /// Requests that ended, well or not.
    pub requests: u64,
    /// Requests that failed.
    pub failures: u64,
    /// Requests still in flight when the run was cut short. No other figure includes them.
    pub censored: u64,
    /// Response times of the good replies, from the planned moment. `None` without good replies.
    pub response: Option<Latency>,
    /// Service times of the good replies, from the hand-over. `None` without good replies.
    pub service: Option<Latency>,
    /// Mean length of the answers' bodies in bytes. `None` without answers.
    pub mean_bytes: Option<f64>,
    /// Requests and failures per second, of the requests sent in the measured window.
    pub rates: Rates,
}

/// How many requests ended, and how many of them failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Requests that ended, well or not.
    pub requests: u64,
    /// Requests that failed.
    pub failures: u64,
}

/// Latencies of the good replies, in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Latency {
    /// Number of good replies.
    pub count: u64,
    /// Mean in milliseconds.
    pub mean_ms: f64,
    /// Smallest in milliseconds.
    pub min_ms: f64,
    /// Largest in milliseconds.
    pub max_ms: f64,
    /// Median in milliseconds.
    pub median_ms: f64,
    /// The percentiles with at least ten replies above.
    pub percentiles: Vec<Percentile>,
}

/// One percentile.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Percentile {
    /// The quantile, 0.95 for the 95th percentile.
    pub quantile: f64,
    /// Its latency in milliseconds.
    pub ms: f64,
}

/// How often one error occurred.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ErrorCount {
    /// The name of the request kind.
    pub name: String,
    /// The kind of failure.
    pub status: Status,
    /// Its text.
    pub error: String,
    /// Number of occurrences.
    pub count: u64,
    /// When it was first recorded, in seconds from the start of the run.
    pub first_seconds: f64,
    /// When it was last recorded, in seconds from the start of the run.
    pub last_seconds: f64,
    /// The beginning of the body of the first such reply. `None` when no reply had a body.
    pub first_body: Option<Box<str>>,
}

/// Requests and failures per second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Rates {
    /// Requests that ended, per second.
    pub requests: f64,
    /// Requests that failed, per second.
    pub failures: f64,
}

impl Ended {
    pub(crate) fn count(&mut self, failed: bool) {
        self.requests += 1;
        self.failures += u64::from(failed);
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.failures = self.failures.saturating_add(other.failures);
    }

    /// Returns both per second, 0 if the time is not known.
    pub(crate) fn rates(self, seconds: f64) -> Rates {
        let rate = |count: u64| {
            if seconds > 0.0 {
                count as f64 / seconds
            } else {
                0.0
            }
        };
        Rates {
            requests: rate(self.requests),
            failures: rate(self.failures),
        }
    }
}

impl Latency {
    /// Looks up a percentile. `None` when too few replies lie above it.
    pub(crate) fn percentile(&self, quantile: f64) -> Option<f64> {
        let found = self.percentiles.iter().find(|own| own.quantile == quantile);
        found.map(|found| found.ms)
    }
}

impl Row {
    /// Returns the percentage of requests that failed, 0 without requests.
    pub(crate) fn failure_percent(&self) -> f64 {
        100.0 * self.failures as f64 / self.requests.max(1) as f64
    }

    /// Returns whether response and service times differ: mean, median or maximum by more than 1 %.
    pub(crate) fn times_differ(&self) -> bool {
        let (Some(response), Some(service)) = (&self.response, &self.service) else {
            return false;
        };
        let pairs = [
            (response.mean_ms, service.mean_ms),
            (response.median_ms, service.median_ms),
            (response.max_ms, service.max_ms),
        ];
        pairs
            .into_iter()
            .any(|(response, service)| response > service * 1.01)
    }
}

impl Summary {
    /// Returns whether any request failed, including the warm-up.
    #[must_use]
    pub fn any_failure(&self) -> bool {
        self.total.failures > 0 || self.warm_up.failures > 0
    }
}

impl Lag {
    /// Describes the lag.
    pub(crate) fn sentence(&self) -> String {
        format!(
            "schedule lag of {} requests: p50 {:.3} ms, p99 {:.3} ms, largest {:.3} ms",
            self.requests, self.p50_ms, self.p99_ms, self.max_ms
        )
    }

    /// Returns the warning that a reader needs before the figures. `None` when requests were sent as planned.
    pub(crate) fn warning(&self) -> Option<String> {
        let held_back = (self.held_back > 0).then(|| {
            let count = self.held_back;
            format!("{count} request(s) were held back by --max-in-flight or a slow disk")
        });
        let unsent = (self.unsent > 0).then(|| {
            let count = self.unsent;
            format!("{count} due request(s) were never sent")
        });
        let parts: Vec<_> = held_back.into_iter().chain(unsent).collect();
        (!parts.is_empty()).then(|| {
            let late = format!("requests were up to {:.1} ms late", self.max_ms);
            format!("{}; {late}", parts.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_never_a_latency() {
        let mut sample = Sample::test(5, 20, Status::Ok);
        sample.intended_ns = 2;
        assert_eq!(sample.service_ns(), Some(20));
        assert_eq!(sample.response_ns(), Some(23));
        sample.status = Status::ErrorStatus;
        assert_eq!((sample.service_ns(), sample.response_ns()), (None, None));
        assert!(sample.status.is_failure() && !Status::Censored.is_failure());
    }
}
