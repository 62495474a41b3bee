//! What is known of one run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use serde::Serialize;

/// The measured requests of one run, without its warm-up.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Where the run came from, usually its file name.
    pub label: String,
    /// What was asked for: request type and name of each kind of request.
    pub(crate) kinds: BTreeSet<String>,
    /// Latencies of the requests that were answered well, in milliseconds.
    pub latencies_ms: Vec<f64>,
    /// Whether they are in the order of sending; what depends on that order is left out otherwise.
    pub(crate) is_ordered: bool,
    /// The same run for each kind of request alone; empty unless there is more than one.
    pub(crate) parts: BTreeMap<String, Run>,
    /// Requests that failed: time-outs, send errors, error replies.
    pub failures: u64,
    /// Ok replies per second over the measured window; `None` when the file has no timestamps.
    pub throughput: Option<f64>,
    /// Whether the throughput is over the time from the first to the last request, because nothing tells the
    /// window that was asked for.
    pub window_is_guessed: bool,
    /// Requests left out because they were sent during the warm-up.
    pub(crate) warm_up: u64,
    /// Requests still in flight when the run was cut short: neither answered nor failed.
    pub(crate) censored: u64,
    /// How the run went over its time, warm-up included; empty when the file has no timestamps.
    pub(crate) timeline: Vec<TimeBin>,
    /// What was tolerated while reading, one sentence each.
    pub(crate) warnings: Vec<String>,
    /// Why its figures must not be used, if its load client said so.
    pub invalid: Vec<String>,
    /// When it started, if its summary or its time stamps say so.
    pub started: Option<SystemTime>,
    /// When its file was last written.
    pub(crate) written: Option<SystemTime>,
    /// The identifier that its summary gives it.
    pub(crate) run_id: Option<String>,
    /// A digest of its file's requests; runs that share it are copies.
    pub(crate) digest: Option<u64>,
}

impl Run {
    /// A run of good replies, with nothing else to tell.
    #[must_use]
    pub fn new(label: String, latencies_ms: Vec<f64>) -> Self {
        Self {
            label,
            kinds: BTreeSet::new(),
            latencies_ms,
            is_ordered: true,
            parts: BTreeMap::new(),
            failures: 0,
            throughput: None,
            window_is_guessed: false,
            warm_up: 0,
            censored: 0,
            timeline: Vec::new(),
            warnings: Vec::new(),
            invalid: Vec::new(),
            started: None,
            written: None,
            run_id: None,
            digest: None,
        }
    }

    /// Share of the measured requests that failed; `None` when there was none.
    #[must_use]
    pub(crate) fn failure_rate(&self) -> Option<f64> {
        failure_rate(self.latencies_ms.len() as u64, self.failures)
    }
}

/// Share of the requests that failed; `None` without any.
pub(super) fn failure_rate(ok: u64, failures: u64) -> Option<f64> {
    let total = ok + failures;
    (total > 0).then(|| failures as f64 / total as f64)
}

/// A stretch of a run's time, for charts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct TimeBin {
    /// Its middle, in seconds from the first request.
    pub(crate) seconds: f64,
    /// Median of the replies to what was sent in it, in milliseconds.
    pub(crate) median_ms: f64,
    /// Their 95th percentile.
    pub(crate) p95_ms: f64,
    /// Whether it belongs to the warm-up.
    pub(crate) warm_up: bool,
}
