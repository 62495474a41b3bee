//! What is known of one run, and of a side's runs together; what the sides are called.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use serde::Serialize;

use crate::compare::Warning;
use crate::compare::effects::{Dependence, dependence};
use crate::stats::{SortedSample, lattice_step, mean, quantile_is_supported, quantile_of_sorted};

/// The measured requests of one run, without its warm-up.
#[derive(Debug, Clone, Default, PartialEq)]
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
    pub(crate) warnings: Vec<Warning>,
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
            latencies_ms,
            is_ordered: true,
            ..Self::default()
        }
    }

    /// Share of the measured requests that failed; `None` when there was none.
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

/// One of the two sides of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// What is compared against.
    Baseline,
    /// What was changed.
    Changed,
}

impl Side {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Baseline => Self::Changed,
            Self::Changed => Self::Baseline,
        }
    }
}

impl std::fmt::Display for Side {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Baseline => "baseline",
            Self::Changed => "changed",
        })
    }
}

/// Letters of a side's name: more would make its columns too wide.
const LONGEST_NAME: usize = 40;
/// What a name may have beside letters, digits and blanks: nothing that is markup in any of the outputs.
const SIGNS: &str = "._-+/:=,";

/// The names of both sides; `baseline` and `changed` unless others are given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    baseline: String,
    changed: String,
}

/// Why a side cannot be called so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It is empty, long, or has signs that no name has.
    #[error("takes 1 to {LONGEST_NAME} letters, digits, blanks or signs of {SIGNS}")]
    Unfit,
    /// Nobody could tell the sides apart.
    #[error("both sides are called {0:?}: give each a name of its own")]
    Same(String),
}

impl Names {
    /// Names the side compared against, and the one that was changed.
    ///
    /// # Errors
    ///
    /// When a name is empty, long or has unusual signs, or when both are the same.
    pub fn try_new(baseline: &str, changed: &str) -> Result<Self, NameError> {
        let (baseline, changed) = (side_name(baseline)?, side_name(changed)?);
        if baseline == changed {
            return Err(NameError::Same(baseline));
        }
        Ok(Self { baseline, changed })
    }

    pub(crate) fn of(&self, side: Side) -> &str {
        match side {
            Side::Baseline => &self.baseline,
            Side::Changed => &self.changed,
        }
    }
}

impl Default for Names {
    fn default() -> Self {
        Self {
            baseline: Side::Baseline.to_string(),
            changed: Side::Changed.to_string(),
        }
    }
}

/// Reads the name of one side.
pub(crate) fn side_name(text: &str) -> Result<String, NameError> {
    let text = text.trim();
    let is_fit = |own: char| own.is_alphanumeric() || own == ' ' || SIGNS.contains(own);
    let is_name =
        !text.is_empty() && text.chars().count() <= LONGEST_NAME && text.chars().all(is_fit);
    let name = is_name.then(|| text.to_owned());
    name.ok_or(NameError::Unfit)
}

/// The figures of one run, or of a side's runs together. What is undefined is `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Figures {
    /// Requests that were answered well.
    pub(crate) count: u64,
    /// Requests that failed.
    pub(crate) failures: u64,
    /// Failed share of all measured requests.
    pub(crate) failure_rate: Option<f64>,
    /// Mean latency in milliseconds.
    pub(crate) mean_ms: Option<f64>,
    /// Median latency in milliseconds.
    pub(crate) median_ms: Option<f64>,
    /// 90th percentile in milliseconds; `None` below 100 replies.
    pub(crate) p90_ms: Option<f64>,
    /// 95th percentile in milliseconds; `None` below 200 replies.
    pub(crate) p95_ms: Option<f64>,
    /// 99th percentile in milliseconds; `None` below 1,000 replies.
    pub(crate) p99_ms: Option<f64>,
    /// Ok replies per second; for a side, the mean over its runs.
    pub(crate) throughput: Option<f64>,
}

/// The figures of one run, with its name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct RunFigures {
    /// Where the run came from.
    pub(crate) label: String,
    /// Its figures.
    #[serde(flatten)]
    pub(crate) figures: Figures,
    /// The steps in which its latencies are recorded, in milliseconds; `None` where none is seen.
    pub(crate) resolution_ms: Option<f64>,
    /// How far its requests are from being independent.
    pub(crate) dependence: Dependence,
    /// How it went over its time, warm-up included.
    pub(crate) timeline: Vec<TimeBin>,
}

/// All runs of one side, each on its own and pooled.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct SideSummary {
    /// What it is called.
    pub(crate) name: String,
    /// Figures over the requests of all runs together.
    pub(crate) pooled: Figures,
    /// Figures of each run, in the order given.
    pub(crate) runs: Vec<RunFigures>,
}

/// The runs of one side while they are compared: their figures, and all requests pooled.
pub(super) struct Pooled {
    pub(super) summary: SideSummary,
    /// Run after run, each in the order of sending.
    pub(super) latencies_ms: Vec<f64>,
    /// The same ascending; `None` without any.
    pub(super) sorted: Option<SortedSample>,
}

/// Summarises the runs of one side, which is called so.
pub(super) fn pool(name: &str, runs: &[Run]) -> Pooled {
    let throughputs: Option<Vec<f64>> = runs.iter().map(|run| run.throughput).collect();
    let failures = runs.iter().map(|run| run.failures).sum();
    let throughput = throughputs.and_then(|rates| mean(&rates));
    let latencies_ms: Vec<f64> = runs
        .iter()
        .flat_map(|run| run.latencies_ms.iter().copied())
        .collect();
    let sorted = SortedSample::new(&latencies_ms);
    Pooled {
        summary: SideSummary {
            name: name.to_owned(),
            pooled: figures(sorted.as_ref(), failures, throughput),
            runs: runs.iter().map(run_figures).collect(),
        },
        latencies_ms,
        sorted,
    }
}

fn run_figures(run: &Run) -> RunFigures {
    let sorted = SortedSample::new(&run.latencies_ms);
    RunFigures {
        label: run.label.clone(),
        figures: figures(sorted.as_ref(), run.failures, run.throughput),
        resolution_ms: sorted.as_ref().and_then(lattice_step),
        dependence: dependence(run),
        timeline: run.timeline.clone(),
    }
}

/// The values of a sample, if there is one.
pub(super) fn values(sorted: Option<&SortedSample>) -> &[f64] {
    sorted.map_or(&[], SortedSample::values)
}

fn figures(sorted: Option<&SortedSample>, failures: u64, throughput: Option<f64>) -> Figures {
    let values = values(sorted);
    let count = values.len() as u64;
    let percentile = |q: f64| {
        quantile_is_supported(count, q)
            .then(|| quantile_of_sorted(values, q))
            .flatten()
    };
    Figures {
        count,
        failures,
        failure_rate: failure_rate(count, failures),
        mean_ms: mean(values),
        median_ms: quantile_of_sorted(values, 0.5),
        p90_ms: percentile(0.9),
        p95_ms: percentile(0.95),
        p99_ms: percentile(0.99),
        throughput,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_few_plain_words() {
        for name in [
            "serial",
            "one task per record",
            "v1.2-3+f00d",
            "Größe 2",
            &"x".repeat(40),
        ] {
            assert_eq!(side_name(&format!(" {name} ")).as_deref(), Ok(name));
        }
        for text in [
            "",
            "  ",
            "a\nb",
            "<b>",
            "a|b",
            "\u{1b}[31m",
            "@all",
            "a&b",
            &"x".repeat(41),
        ] {
            assert_eq!(side_name(text), Err(NameError::Unfit), "{text:?}");
        }
    }

    #[test]
    fn the_sides_are_told_apart() {
        let names = Names::try_new("serial", "tasks").unwrap();
        assert_eq!(
            (names.of(Side::Baseline), names.of(Side::Changed)),
            ("serial", "tasks")
        );
        let same = Names::try_new("tasks", " tasks ").unwrap_err();
        assert!(
            same.to_string().contains("both sides are called \"tasks\""),
            "{same}"
        );
    }
}
