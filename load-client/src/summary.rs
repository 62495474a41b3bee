//! The result of a run as plain data, for the terminal and for `--json`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::sample::Status;

/// What a run measured. The warm-up is counted apart and is in none of the other figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Requests that ended, well or not.
    pub requests: u64,
    /// Requests that failed.
    pub failures: u64,
    /// Requests still in flight when the run was cut short; in no other figure.
    pub censored: u64,
    /// Requests by outcome.
    pub outcomes: BTreeMap<Status, u64>,
    /// What the warm-up saw.
    pub warm_up: WarmUp,
    /// Latencies of the good replies; `None` without any.
    pub latency: Option<Latency>,
    /// Good replies per second over the measured window.
    pub throughput: Option<f64>,
    /// From the first to the last measured send, in seconds.
    pub window_seconds: Option<f64>,
    /// Failures by their text, the most frequent first; the warm-up's are among them.
    pub errors: Vec<ErrorCount>,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorCount {
    /// The kind of failure.
    pub status: Status,
    /// Its text.
    pub error: String,
    /// Occurrences.
    pub count: u64,
}

/// Requests and failures per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Requests that ended, per second.
    pub requests: f64,
    /// Requests that failed, per second.
    pub failures: f64,
}

impl Summary {
    /// The rates over the whole measured window.
    #[must_use]
    pub fn total_rates(&self) -> Rates {
        let per_second = |count: u64| match self.window_seconds {
            Some(seconds) if seconds > 0.0 => count as f64 / seconds,
            _ => 0.0,
        };
        Rates {
            requests: per_second(self.requests),
            failures: per_second(self.failures),
        }
    }

    /// Whether any request failed, the warm-up's included.
    #[must_use]
    pub fn any_failure(&self) -> bool {
        self.failures > 0 || self.warm_up.failures > 0
    }
}
