//! How the two distributions differ beyond their medians, over all requests of each side.
//!
//! One look at the whole: "median the same, spread exploded" is a change that no single quantile tells.

use serde::Serialize;

use crate::stats::{
    Bootstrap, Interval, KolmogorovSmirnov, PairwiseEstimate, QuantileShift, SHIFT_PROBABILITIES,
    Series, SortedSample, dominance, hodges_lehmann_shift, kolmogorov_smirnov, pairwise_ratio,
    quantile_is_supported, shift_function,
};

/// Confidence of the intervals and of the bands together.
const CONFIDENCE: f64 = 0.95;

/// Comparisons of two distributions, pooled over the runs of each side.
///
/// Intervals take the variation within runs into account where they come from a block bootstrap (the
/// shift function), and not where they come from ranks; none knows the variation between runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shape {
    /// Differences of the deciles and of the tail, changed - baseline in milliseconds, with bands
    /// that hold all of them together.
    pub shift_function: Vec<QuantileShift>,
    /// Typical difference changed - baseline in milliseconds (Hodges and Lehmann).
    pub shift_ms: Option<Interval>,
    /// Typical ratio changed / baseline, minus one.
    pub ratio_change: Option<Interval>,
    /// Cliff's delta: -1 when every request of the changed side is faster, 0 for no tendency.
    pub cliffs_delta: Option<f64>,
    /// Probability that a request of the changed side is faster than one of the baseline.
    pub probability_faster: Option<f64>,
    /// Largest distance of the two distribution functions, with its p as if requests were independent.
    pub kolmogorov_smirnov: Option<KolmogorovSmirnov>,
}

/// Compares two pooled sides: their series in the order of time, and the same values sorted.
pub(super) fn shape(
    series: [Series<'_>; 2],
    sorted: [&SortedSample; 2],
    bootstrap: Bootstrap,
) -> Shape {
    let [baseline, changed] = sorted;
    let smaller = baseline.count().min(changed.count()) as u64;
    let is_told =
        |q: &f64| quantile_is_supported(smaller, *q) && quantile_is_supported(smaller, 1.0 - *q);
    let probabilities: Vec<f64> = SHIFT_PROBABILITIES.into_iter().filter(is_told).collect();
    let dominance = dominance(changed, baseline);
    Shape {
        shift_function: shift_function(series[0], series[1], &probabilities, bootstrap)
            .unwrap_or_default(),
        shift_ms: interval(hodges_lehmann_shift(changed, baseline, CONFIDENCE)),
        ratio_change: interval(pairwise_ratio(changed, baseline, CONFIDENCE))
            .map(|ratio| ratio.map(|ratio| ratio - 1.0)),
        cliffs_delta: dominance.map(|dominance| dominance.cliffs_delta()),
        probability_faster: dominance.map(|dominance| dominance.probability_less()),
        kolmogorov_smirnov: kolmogorov_smirnov(baseline, changed),
    }
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
