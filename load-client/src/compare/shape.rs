//! How the two distributions differ beyond their medians, over all requests of each side.
//!
//! One look at the whole: "median the same, spread exploded" is a change that no single quantile tells.

use serde::Serialize;

use super::effects::widened;
use crate::stats::{
    Bootstrap, Interval, PairwiseEstimate, QuantileShift, SHIFT_PROBABILITIES, Series,
    SortedSample, dominance, hodges_lehmann_shift, kolmogorov_smirnov_distance, pairwise_ratio,
    quantile_is_supported, quantile_of_sorted, shift_function,
};

/// Confidence of the intervals and of the bands together.
const CONFIDENCE: f64 = 0.95;

/// Comparisons of two distributions, pooled over the runs of each side.
///
/// Intervals take the variation within runs into account where they come from a block bootstrap (the
/// shift function), and not where they come from ranks; none knows the variation between runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Shape {
    /// Differences of the deciles and of the tail, changed - baseline in milliseconds, with bands
    /// that hold all of them together; empty when the order of the requests is not known.
    pub(crate) shift_function: Vec<QuantileShift>,
    /// Typical difference changed - baseline in milliseconds (Hodges and Lehmann).
    pub(crate) shift_ms: Option<Interval>,
    /// Typical ratio changed / baseline, minus one.
    pub(crate) ratio_change: Option<Interval>,
    /// Cliff's delta: -1 when every request of the changed side is faster, 0 for no tendency.
    pub(crate) cliffs_delta: Option<f64>,
    /// Probability that a request of the changed side is faster than one of the baseline.
    pub(crate) probability_faster: Option<f64>,
    /// Largest distance of the two distribution functions.
    pub(crate) kolmogorov_smirnov: f64,
}

/// Compares two pooled sides: their series in the order of time, where it is known, and the same values
/// sorted. No interval is narrower than the step of the latencies.
pub(super) fn shape(
    series: [Option<Series<'_>>; 2],
    sorted: [&SortedSample; 2],
    step_ms: f64,
    bootstrap: Bootstrap,
) -> Shape {
    let [baseline, changed] = sorted;
    let smaller = baseline.count().min(changed.count()) as u64;
    let is_told =
        |q: &f64| quantile_is_supported(smaller, *q) && quantile_is_supported(smaller, 1.0 - *q);
    let probabilities: Vec<f64> = SHIFT_PROBABILITIES.into_iter().filter(is_told).collect();
    let bands = |[old, new]: [Option<Series<'_>>; 2]| {
        let mut points = shift_function(old?, new?, &probabilities, bootstrap)?;
        for point in &mut points {
            point.shift = wider(point.shift, step_ms);
        }
        Some(points)
    };
    let dominance = dominance(changed, baseline);
    Shape {
        shift_function: bands(series).unwrap_or_default(),
        shift_ms: interval(hodges_lehmann_shift(changed, baseline, CONFIDENCE))
            .map(|shift| wider(shift, step_ms)),
        ratio_change: interval(pairwise_ratio(changed, baseline, CONFIDENCE))
            .map(|ratio| ratio.map(|ratio| ratio - 1.0))
            .and_then(|ratio| Some(widened(ratio, hidden_in_ratio(sorted, step_ms)?))),
        cliffs_delta: dominance.map(|dominance| dominance.cliffs_delta()),
        probability_faster: dominance.map(|dominance| dominance.probability_less()),
        kolmogorov_smirnov: kolmogorov_smirnov_distance(baseline, changed),
    }
}

fn wider(interval: Interval, by: f64) -> Interval {
    Interval {
        low: interval.low - by,
        high: interval.high + by,
        ..interval
    }
}

/// What the step hides of a typical ratio, taken at the lower of the two medians.
fn hidden_in_ratio(sorted: [&SortedSample; 2], step_ms: f64) -> Option<f64> {
    let [old, new] = sorted.map(|side| quantile_of_sorted(side.values(), 0.5));
    let (median, half) = (old?.min(new?), step_ms / 2.0);
    (median > half).then(|| ((median + half) / (median - half)).ln())
}

fn interval(found: Option<PairwiseEstimate>) -> Option<Interval> {
    let PairwiseEstimate { estimate, interval } = found?;
    let range = interval?;
    Some(Interval {
        estimate,
        low: range.low,
        high: range.high,
    })
}
