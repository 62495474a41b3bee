//! What one run a side can tell: how much its requests vary among themselves, and nothing more.

use serde::Serialize;

use super::effects::widened;
use super::run::Run;
use crate::stats::{
    Bootstrap, Interval, Series, Welch, autocorrelation, automatic_block_length,
    effective_sample_size, effective_sample_size_of_quantile, quantile_changes,
    welch_of_batch_means,
};

/// Shortest stretch of time that is resampled as one block: pauses for garbage collection or a
/// flush last up to about as long.
const FLOOR_SECONDS: f64 = 1.0;
/// At least so many blocks must fit into a run, or resampling would draw the run itself.
const FEWEST_BLOCKS: usize = 10;

/// How far the requests of a run are from being independent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Dependence {
    /// Correlation of each latency with the next.
    pub(crate) autocorrelation: Option<f64>,
    /// Number of independent requests that would tell as much about the mean.
    pub(crate) effective_size: Option<f64>,
    /// Number of independent requests that would tell as much about the 99th percentile.
    pub(crate) effective_size_p99: Option<f64>,
    /// Length of the blocks that are resampled, in requests; `None`, like all above, when the order of the
    /// requests is not known.
    pub(crate) block_length: Option<usize>,
}

/// The comparison of two single runs: honest about the requests, blind to what differs from run to run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct WithinRuns {
    /// Welch's t-test on batch means instead of requests.
    pub(crate) batch_mean_welch: Option<Welch>,
    /// Relative change of the median, its interval by a circular block bootstrap.
    pub(crate) median_change: Option<Interval>,
}

/// Measures the dependence within a run.
pub(super) fn dependence(run: &Run) -> Dependence {
    let latencies = &run.latencies_ms;
    if !run.is_ordered {
        return Dependence {
            autocorrelation: None,
            effective_size: None,
            effective_size_p99: None,
            block_length: None,
        };
    }
    Dependence {
        autocorrelation: autocorrelation(latencies, 1),
        effective_size: effective_sample_size(latencies),
        effective_size_p99: effective_sample_size_of_quantile(latencies, 0.99),
        block_length: Some(block_length(run)),
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

/// The requests of a run, to be resampled; `None` when their order is not known.
pub(super) fn series<'a>(run: &'a Run, dependence: &Dependence) -> Option<Series<'a>> {
    Some(Series {
        values: &run.latencies_ms,
        block_length: dependence.block_length?,
    })
}

/// Compares two single runs, in which the steps of the latencies may have hidden this much (see
/// [`super::resolution`]).
pub(super) fn within_runs(
    baseline: Series<'_>,
    changed: Series<'_>,
    hidden: f64,
    bootstrap: Bootstrap,
) -> WithinRuns {
    let changes = quantile_changes(baseline, changed, &[0.5], bootstrap);
    WithinRuns {
        batch_mean_welch: welch_of_batch_means(baseline.values, changed.values),
        median_change: changes.and_then(|changes| Some(widened(changes.first()?.interval, hidden))),
    }
}
