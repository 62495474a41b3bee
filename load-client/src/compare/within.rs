//! What one run a side can tell: how much its requests vary among themselves, and nothing more.

use serde::Serialize;

use super::run::Run;
use crate::stats::{
    Bootstrap, Interval, Series, Welch, autocorrelation, automatic_block_length,
    effective_sample_size, quantile_changes, welch_of_batch_means,
};

/// Shortest stretch of time that is resampled as one block: pauses for garbage collection or a
/// flush last up to about as long.
const FLOOR_SECONDS: f64 = 1.0;
/// At least so many blocks must fit into a run, or resampling would draw the run itself.
const FEWEST_BLOCKS: usize = 10;

/// How far the requests of a run are from being independent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Dependence {
    /// Correlation of each latency with the next.
    pub autocorrelation: Option<f64>,
    /// Number of independent requests that would tell as much about the mean.
    pub effective_size: Option<f64>,
    /// Length of the blocks that are resampled, in requests.
    pub block_length: usize,
}

/// The comparison of two single runs: honest about the requests, blind to what differs from run to run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WithinRuns {
    /// Welch's t-test on batch means instead of requests.
    pub batch_mean_welch: Option<Welch>,
    /// Relative change of the median, its interval by a circular block bootstrap.
    pub median_change: Option<Interval>,
}

/// Measures the dependence within a run.
pub(super) fn dependence(run: &Run) -> Dependence {
    let latencies = &run.latencies_ms;
    Dependence {
        autocorrelation: autocorrelation(latencies, 1),
        effective_size: effective_sample_size(latencies).map(|effective| effective.size),
        block_length: block_length(run),
    }
}

/// The block length by Politis and White, a second of requests at least, a tenth of the run at most.
fn block_length(run: &Run) -> usize {
    let count = run.latencies_ms.len();
    let second = run
        .throughput
        .map_or(1, |rate| (rate * FLOOR_SECONDS).ceil() as usize);
    let automatic = automatic_block_length(&run.latencies_ms, second).unwrap_or(second);
    automatic.min(count / FEWEST_BLOCKS).max(1)
}

/// The requests of a run, to be resampled.
pub(super) fn series<'a>(run: &'a Run, dependence: &Dependence) -> Series<'a> {
    Series {
        values: &run.latencies_ms,
        block_length: dependence.block_length,
    }
}

/// Compares two single runs.
pub(super) fn within_runs(
    baseline: Series<'_>,
    changed: Series<'_>,
    bootstrap: Bootstrap,
) -> WithinRuns {
    let changes = quantile_changes(baseline, changed, &[0.5], bootstrap);
    WithinRuns {
        batch_mean_welch: welch_of_batch_means(baseline.values, changed.values),
        median_change: changes.and_then(|changes| Some(changes.first()?.interval)),
    }
}
