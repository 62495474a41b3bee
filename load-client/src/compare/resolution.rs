//! What the steps of recorded latencies hide: a median of whole milliseconds stands for any within a step.
//!
//! The bounds are those of the worst case (Manski, *Partial Identification of Probability Distributions*,
//! 2003, section 1.4): they do not shrink with more requests or blocks, because every block may err to the
//! same side.

use super::metric::Metric;
use super::summary::{RunFigures, SideSummary};
use crate::stats::mean;

/// How far the mean log-ratio over the blocks may lie from the truth because of the steps; 0 where there
/// are none. `None` when a figure lies below half a step, so that its ratio may be anything.
pub(super) fn hidden(metric: Metric, baseline: &SideSummary, changed: &SideSummary) -> Option<f64> {
    let pairs = baseline.runs.iter().zip(&changed.runs);
    let blocks: Option<Vec<f64>> = pairs
        .map(|(old, new)| Some(hidden_in(metric, old)?.max(hidden_in(metric, new)?)))
        .collect();
    mean(&blocks?)
}

/// The same for one run.
///
/// With the larger of both sides it bounds the ratio whether values are rounded (up to half a step either
/// way) or cut off (up to a step one way).
pub(super) fn hidden_in(metric: Metric, run: &RunFigures) -> Option<f64> {
    let Some(step) = run.resolution_ms.filter(|_| metric != Metric::Throughput) else {
        return Some(0.0);
    };
    let (value, half) = (metric.of(&run.figures)?, step / 2.0);
    (value > half).then(|| ((value + half) / (value - half)).ln())
}

/// The coarsest step of the runs' latencies, in milliseconds.
pub(super) fn coarsest(sides: [&SideSummary; 2]) -> Option<f64> {
    let runs = sides.into_iter().flat_map(|side| &side.runs);
    runs.filter_map(|run| run.resolution_ms).reduce(f64::max)
}

/// A step in words: `steps of 1 ms`.
pub(super) fn in_words(step: f64) -> String {
    // Six digits are nanoseconds; more is the rounding of the search for the step.
    format!("steps of {} ms", (step * 1e6).round() / 1e6)
}
