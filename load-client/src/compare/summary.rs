//! What is known of one run, and the figures that describe a run or a side.

use serde::Serialize;

use super::run::TimeBin;
use super::run::{Run, failure_rate};
use super::within::{Dependence, dependence};
use crate::stats::{SortedSample, lattice_step, mean, quantile_is_supported, quantile_of_sorted};

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

/// Summarises the runs of one side.
pub(super) fn pool(runs: &[Run]) -> Pooled {
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

fn figures(sorted: Option<&SortedSample>, failures: u64, throughput: Option<f64>) -> Figures {
    let values = sorted.map_or(&[][..], SortedSample::values);
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
