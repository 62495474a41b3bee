//! The result of a run as plain data, for the terminal, the files and the live page.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::load::plan::Span;
use crate::measure::analysis::Findings;
use crate::measure::sample::Status;

/// The percentiles of a summary, as tables and files call them, and as quantiles: those of Locust.
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

/// What a run measured. The warm-up is counted apart and is in none of the other figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// One row for each request kind, in the plan's order.
    pub kinds: Vec<Row>,
    /// All kinds together, merged request by request.
    pub total: Row,
    /// Requests by outcome.
    pub outcomes: BTreeMap<Status, u64>,
    /// What the warm-up saw.
    pub warm_up: WarmUp,
    /// Good replies per second that arrived in the measured window.
    pub throughput: Option<f64>,
    /// From the end of the warm-up to that of the run time, or to when the run was stopped, in seconds.
    pub window_seconds: Option<f64>,
    /// Failures by kind and text, the most frequent first; the warm-up's are among them.
    pub errors: Vec<ErrorCount>,
    /// What each stage measured, in their order; none when the load was one.
    pub stages: Vec<StageResult>,
    /// How late requests were sent; of an open loop, and of users with a pace.
    pub schedule_lag: Option<Lag>,
    /// What the run shows beyond its figures.
    pub findings: Findings,
}

/// What one stage of a run measured, of the requests that were meant for it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageResult {
    /// Its name, target and place.
    #[serde(flatten)]
    pub span: Span,
    /// Requests that ended, well or not.
    pub requests: u64,
    /// Requests that failed.
    pub failures: u64,
    /// Good replies per second that arrived in the stage's time.
    pub throughput: Option<f64>,
    /// Response times of the good replies; `None` without any.
    pub response: Option<Latency>,
}

/// How late an open loop, or users with a pace, sent their requests: from the intended instant to the
/// hand-over. The warm-up is not in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lag {
    /// Requests that were sent.
    pub requests: u64,
    /// Median in milliseconds.
    pub p50_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// Largest.
    pub max_ms: f64,
    /// Requests whose turn it was and that had to wait, because too many were in flight or the recorder was
    /// too far behind. Those behind them were late with them.
    pub held_back: u64,
    /// Requests that were due and not sent, because the run was stopped first.
    pub unsent: u64,
}

/// The figures of one kind of request, or of all of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The kind's name; `Aggregated` for all.
    pub name: String,
    /// Requests that ended, well or not.
    pub requests: u64,
    /// Requests that failed.
    pub failures: u64,
    /// Requests still in flight when the run was cut short; in no other figure.
    pub censored: u64,
    /// Response times of the good replies, from the intended instant; `None` without any.
    pub response: Option<Latency>,
    /// Service times of the good replies, from the hand-over; `None` without any.
    pub service: Option<Latency>,
    /// Mean length of the answers' bodies in bytes; `None` without any.
    pub mean_bytes: Option<f64>,
    /// Requests and failures per second of those sent in the measured window.
    pub rates: Rates,
}

/// Requests of the warm-up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct WarmUp {
    /// Requests that ended.
    pub requests: u64,
    /// Requests that failed.
    pub failures: u64,
}

/// Latencies of the good replies, in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Latency {
    /// How many there are.
    pub count: u64,
    /// Mean.
    pub mean_ms: f64,
    /// Smallest.
    pub min_ms: f64,
    /// Largest.
    pub max_ms: f64,
    /// Median.
    pub median_ms: f64,
    /// Those percentiles that at least ten replies lie above.
    pub percentiles: Vec<Percentile>,
}

/// One percentile.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Percentile {
    /// 0.95 for the 95th percentile.
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
    /// Occurrences.
    pub count: u64,
    /// When it was first recorded, in seconds from the start of the run.
    pub first_seconds: f64,
    /// When it was last recorded.
    pub last_seconds: f64,
}

/// Requests and failures per second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Rates {
    /// Requests that ended, per second.
    pub requests: f64,
    /// Requests that failed, per second.
    pub failures: f64,
}

impl Latency {
    /// Looks a percentile up; `None` when too few replies lie above it.
    #[must_use]
    pub(crate) fn percentile(&self, quantile: f64) -> Option<f64> {
        let found = self.percentiles.iter().find(|own| own.quantile == quantile);
        found.map(|found| found.ms)
    }
}

impl Row {
    /// Whether requests waited to be sent for so long that response and service times tell different
    /// stories: mean, median or maximum more than 1 % apart.
    #[must_use]
    pub(crate) fn times_differ(&self) -> bool {
        let (Some(response), Some(service)) = (&self.response, &self.service) else {
            return false;
        };
        let apart = |response: f64, service: f64| response > service * 1.01;
        apart(response.mean_ms, service.mean_ms)
            || apart(response.median_ms, service.median_ms)
            || apart(response.max_ms, service.max_ms)
    }
}

impl Summary {
    /// Whether any request failed, the warm-up's included.
    #[must_use]
    pub fn any_failure(&self) -> bool {
        self.total.failures > 0 || self.warm_up.failures > 0
    }
}

impl Lag {
    /// The lag in words.
    #[must_use]
    pub(crate) fn sentence(&self) -> String {
        format!(
            "schedule lag of {} requests: p50 {:.3} ms, p99 {:.3} ms, largest {:.3} ms",
            self.requests, self.p50_ms, self.p99_ms, self.max_ms
        )
    }

    /// What a reader must know before the figures mean anything; `None` when requests were sent as intended.
    #[must_use]
    pub(crate) fn warning(&self) -> Option<String> {
        let mut parts = Vec::new();
        if self.held_back > 0 {
            parts.push(format!(
                "{} request(s) were held back by --max-in-flight or a slow disk",
                self.held_back
            ));
        }
        if self.unsent > 0 {
            parts.push(format!("{} due request(s) were never sent", self.unsent));
        }
        (!parts.is_empty()).then(|| {
            let late = format!("requests were up to {:.1} ms late", self.max_ms);
            format!("{}; {late}", parts.join(", "))
        })
    }
}
