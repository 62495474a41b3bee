//! Compares the distributions of both sides beyond their medians, over all requests: as curves and as figures.
//!
//! Every curve consists of counts or quantiles, so its size does not grow with the number of requests. The curves show
//! changes that no single quantile shows, such as the same median with a much larger spread.

use serde::Serialize;

use crate::compare::run::{hidden_at, widened};
use crate::compare::sides::{Sides, coarsest};
use crate::stats::{
    Bootstrap, Interval, QuantileShift, RunPair, SHIFT_PROBABILITIES, cliffs_delta,
    hodges_lehmann_shift, kolmogorov_smirnov_distance, pairwise_ratio, probability_smaller,
    quantile_is_supported, quantile_of_sorted, shift_function,
};

/// Number of bins of the overlay histogram.
const HISTOGRAM_BINS: usize = 120;
/// Number of steps of the empirical distribution function.
const ECDF_STEPS: u32 = 400;
/// The overlay leaves this share of each side above its last edge. Otherwise one outlier would flatten it.
const GATHERED_TAIL: f64 = 0.001;

/// Shares of both sides on the same bins, which have equal width on a logarithmic axis.
///
/// Two overlaid histograms with different bins cannot be compared by eye. The article's had different widths, and one
/// time-out of 30 s made every bin 30 ms wide.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Overlay {
    /// Edges of the bins in milliseconds, one more than there are bins, ascending.
    pub(crate) edges_ms: Vec<f64>,
    /// Share of the baseline's replies in each bin.
    pub(crate) baseline: Vec<f64>,
    pub(crate) changed: Vec<f64>,
    /// Replies of the baseline at or above the last edge.
    pub(crate) baseline_above: u64,
    pub(crate) changed_above: u64,
}

/// A point of a curve over latencies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct CurvePoint {
    /// The latency in milliseconds.
    pub(crate) ms: f64,
    /// The share of replies that are no slower.
    pub(crate) share: f64,
}

/// The curves of both sides.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Curves {
    /// Histogram of both sides on shared bins; `None` unless both have a latency above zero.
    pub(crate) overlay: Option<Overlay>,
    /// Empirical distribution functions.
    pub(crate) baseline_ecdf: Vec<CurvePoint>,
    pub(crate) changed_ecdf: Vec<CurvePoint>,
    /// Percentile spectra: higher and higher quantiles, as long as ten replies lie above.
    pub(crate) baseline_spectrum: Vec<CurvePoint>,
    pub(crate) changed_spectrum: Vec<CurvePoint>,
}

/// Computes the curves of two samples, both sorted ascending.
pub(super) fn curves(baseline: &[f64], changed: &[f64]) -> Curves {
    let ecdf = |sorted| {
        let steps = 0..=ECDF_STEPS;
        points(
            sorted,
            steps.map(|step| f64::from(step) / f64::from(ECDF_STEPS)),
        )
    };
    // Quantiles at 1 - 2^(-k/4): every four steps halve the share above.
    let spectrum = |sorted: &[f64]| {
        let steps = (0_u32..200).map(|step| 1.0 - 0.5_f64.powf(f64::from(step) / 4.0));
        let is_told = |q: &f64| quantile_is_supported(sorted.len() as u64, *q);
        points(sorted, steps.take_while(is_told))
    };
    Curves {
        overlay: overlay(baseline, changed),
        baseline_ecdf: ecdf(baseline),
        changed_ecdf: ecdf(changed),
        baseline_spectrum: spectrum(baseline),
        changed_spectrum: spectrum(changed),
    }
}

fn overlay(baseline: &[f64], changed: &[f64]) -> Option<Overlay> {
    let smallest = |sorted: &[f64]| sorted.iter().copied().find(|value| *value > 0.0);
    let low = smallest(baseline)?.min(smallest(changed)?);
    let end = |sorted: &[f64]| quantile_of_sorted(sorted, 1.0 - GATHERED_TAIL);
    // A little above the largest value, so that a sample of equal values falls into a bin.
    let high = end(baseline)?.max(end(changed)?).max(low) * 1.001;
    let ratio = (high / low).powf(1.0 / HISTOGRAM_BINS as f64);
    let edges_ms: Vec<f64> = (0..=HISTOGRAM_BINS)
        .map(|edge| low * ratio.powi(edge as i32))
        .collect();
    let (baseline, baseline_above) = shares(baseline, &edges_ms);
    let (changed, changed_above) = shares(changed, &edges_ms);
    Some(Overlay {
        edges_ms,
        baseline,
        changed,
        baseline_above,
        changed_above,
    })
}

/// Returns the share of a sorted sample in each bin, and the number of values above the last bin. The first bin also
/// counts the values below it: latencies of zero, which have no place on a logarithmic axis.
fn shares(sorted: &[f64], edges: &[f64]) -> (Vec<f64>, u64) {
    let mut counted = 0;
    let shares = edges[1..].iter().map(|edge| {
        let below = sorted.partition_point(|value| value < edge);
        let share = (below - counted) as f64 / sorted.len() as f64;
        counted = below;
        share
    });
    let shares = shares.collect();
    (shares, (sorted.len() - counted) as u64)
}

fn points(sorted: &[f64], quantiles: impl Iterator<Item = f64>) -> Vec<CurvePoint> {
    let points = quantiles.filter_map(|share| {
        let ms = quantile_of_sorted(sorted, share)?;
        Some(CurvePoint { ms, share })
    });
    points.collect()
}

/// Confidence of the intervals and of the bands together.
const CONFIDENCE: f64 = 0.95;

/// Comparisons of two distributions, pooled over the runs of each side.
///
/// The shift function uses a block bootstrap, so its intervals include the variation within runs. The intervals from
/// ranks do not. None includes the variation between runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Shape {
    /// Differences of the deciles and of the tail, changed - baseline in milliseconds, with bands that hold all of them
    /// together. Empty when the order of the requests is not known.
    pub(crate) shift_function: Vec<QuantileShift>,
    /// Typical difference changed - baseline in milliseconds (Hodges and Lehmann).
    pub(crate) shift_ms: Option<Interval>,
    /// Typical ratio changed / baseline, minus one.
    pub(crate) ratio_change: Option<Interval>,
    /// Cliff's delta: -1 when every request of the changed side is faster, 0 for no tendency.
    pub(crate) cliffs_delta: f64,
    /// Probability that a request of the changed side is faster than a request of the baseline.
    pub(crate) probability_faster: f64,
    /// Largest distance of the two distribution functions.
    pub(crate) kolmogorov_smirnov: f64,
}

/// Compares the pooled sides. Returns `None` when a side has no good reply. No interval is narrower than the step of
/// the latencies.
pub(super) fn shape(sides: &Sides<'_>, bootstrap: Bootstrap) -> Option<Shape> {
    let baseline = sides.baseline.sorted.as_ref()?;
    let changed = sides.changed.sorted.as_ref()?;
    let step_ms = coarsest(sides.summaries()).unwrap_or(0.0);
    let smaller = baseline.count().min(changed.count()) as u64;
    let is_told =
        |q: &f64| quantile_is_supported(smaller, *q) && quantile_is_supported(smaller, 1.0 - *q);
    let probabilities: Vec<f64> = SHIFT_PROBABILITIES.into_iter().filter(is_told).collect();
    let shifts = || {
        let (baseline, changed) = (sides.baseline.series()?, sides.changed.series()?);
        shift_function(RunPair { baseline, changed }, &probabilities, bootstrap)
    };
    let mut shift_function = shifts().unwrap_or_default();
    for point in &mut shift_function {
        point.shift = point.shift.widened(step_ms);
    }
    let shift = hodges_lehmann_shift(changed, baseline, CONFIDENCE);
    let ratio = pairwise_ratio(changed, baseline, CONFIDENCE);
    // The lower of the two medians gives the larger bound on what the step hides of the ratio.
    let [old, new] = sides.summaries().map(|side| side.pooled.median_ms);
    let hidden = hidden_at(old?.min(new?), step_ms);
    Some(Shape {
        shift_function,
        shift_ms: shift.map(|shift| shift.widened(step_ms)),
        ratio_change: ratio
            .map(|ratio| ratio.map(|ratio| ratio - 1.0))
            .and_then(|ratio| Some(widened(ratio, hidden?))),
        cliffs_delta: cliffs_delta(changed, baseline),
        probability_faster: probability_smaller(changed, baseline),
        kolmogorov_smirnov: kolmogorov_smirnov_distance(baseline, changed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(count: u32, factor: f64) -> Vec<f64> {
        (1..=count).map(|index| f64::from(index) * factor).collect()
    }

    #[test]
    fn both_sides_share_the_bins_and_nothing_is_lost() {
        let (baseline, changed) = (sample(10_000, 0.01), sample(5_000, 0.01));
        let overlay = curves(&baseline, &changed).overlay.unwrap();
        assert_eq!(overlay.edges_ms.len(), HISTOGRAM_BINS + 1);
        let all = |shares: &[f64], above: u64, count: f64| {
            shares.iter().sum::<f64>() + above as f64 / count
        };
        assert!((all(&overlay.baseline, overlay.baseline_above, 10_000.0) - 1.0).abs() < 1e-9);
        assert!((all(&overlay.changed, overlay.changed_above, 5_000.0) - 1.0).abs() < 1e-9);
        assert!(overlay.baseline_above > 0 && overlay.changed_above == 0);
    }

    #[test]
    fn an_outlier_does_not_widen_the_bins() {
        let mut baseline = sample(10_000, 0.001);
        let changed = baseline.clone();
        baseline.push(30_000.0);
        let overlay = curves(&baseline, &changed).overlay.unwrap();
        assert!(overlay.edges_ms[HISTOGRAM_BINS] < 20.0);
    }

    #[test]
    fn zeroes_and_equal_values_have_a_place() {
        let overlay = curves(&[0.0, 5.0, 5.0], &[5.0]).overlay.unwrap();
        assert!((overlay.baseline.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(curves(&[0.0], &[0.0]).overlay.is_none());
        assert!(curves(&[], &[1.0]).overlay.is_none());
    }

    #[test]
    fn the_spectrum_ends_where_ten_replies_lie_above() {
        let spectrum = curves(&sample(1000, 1.0), &[]).baseline_spectrum;
        let last = spectrum.last().unwrap();
        assert!((0.98..=0.99).contains(&last.share), "{last:?}");
        assert_eq!(spectrum[0].ms, 1.0);
        assert!(curves(&[], &[]).changed_spectrum.is_empty());
    }
}
