//! Quantiles of a sample: interpolated, by Harrell and Davis, and as Locust rounds them.

use std::collections::BTreeMap;

use statrs::function::beta::checked_beta_reg;

use crate::stats::SortedSample;

/// Fewest observations that must lie above a quantile before it is worth printing.
const SUPPORTING_OBSERVATIONS: f64 = 10.0;

/// Quantile `q` (0 to 1) of a sample in any order; `None` when it is empty, `q` is out of range or a
/// value is not finite.
///
/// Definition 7 of Hyndman & Fan, "Sample Quantiles in Statistical Packages" (The American
/// Statistician 50, 1996): the default of R, NumPy, pandas and Excel's `PERCENTILE.INC`.
#[must_use]
pub fn quantile(sample: &[f64], q: f64) -> Option<f64> {
    if sample.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let mut sorted = sample.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    quantile_of_sorted(&sorted, q)
}

/// As [`quantile`], for a sample that is already in ascending order.
#[must_use]
pub fn quantile_of_sorted(sorted: &[f64], q: f64) -> Option<f64> {
    if sorted.is_empty() || !(0.0..=1.0).contains(&q) {
        return None;
    }
    let position = (sorted.len() - 1) as f64 * q;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    let fraction = position - below as f64;
    if fraction == 0.0 {
        return finite(sorted[below]);
    }
    finite(sorted[below] + fraction * (sorted[above] - sorted[below]))
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// Whether `count` observations carry quantile `q`: at least ten of them must lie above it.
///
/// A p99.9 of 1,000 values is one value; it changes by half from one definition of a percentile
/// to the next.
#[must_use]
pub fn quantile_is_supported(count: u64, q: f64) -> bool {
    // The slack absorbs the rounding of 1 - q: 200 observations do carry the 95th percentile.
    count as f64 * (1.0 - q) >= SUPPORTING_OBSERVATIONS - 1e-9
}

/// From this shape parameter on, the weights are integrals of a smooth hump.
const SMOOTH_FROM: f64 = 8.0;

/// Standard deviations of the weights beyond which they no longer change the last digit.
const REACH: f64 = 12.0;

/// Nodes and weights of five-point Gauss-Legendre quadrature on [-1, 1] (Abramowitz & Stegun
/// 25.4.30).
const NODES: [(f64, f64); 5] = [
    (-0.906_179_845_938_664, 0.236_926_885_056_189_08),
    (-0.538_469_310_105_683_1, 0.478_628_670_499_366_47),
    (0.0, 0.568_888_888_888_888_9),
    (0.538_469_310_105_683_1, 0.478_628_670_499_366_47),
    (0.906_179_845_938_664, 0.236_926_885_056_189_08),
];

/// Quantile `q` of a sample by Harrell & Davis, "A new distribution-free quantile estimator"
/// (Biometrika 69, 1982).
///
/// Value i of n weighs what the Beta((n+1) q, (n+1)(1-q)) distribution has between (i-1)/n and
/// i/n. It varies less from sample to sample than an interpolated order statistic, and moves
/// smoothly on rounded data. O(sqrt n) after sorting. `None` unless 0 < q < 1.
#[must_use]
pub fn harrell_davis(sample: &SortedSample, q: f64) -> Option<f64> {
    if !(q > 0.0 && q < 1.0) {
        return None;
    }
    let values = sample.values();
    let count = values.len() as f64;
    let (a, b) = ((count + 1.0) * q, (count + 1.0) * (1.0 - q));
    let centre = a / (a + b);
    let deviation = (centre * (1.0 - centre) / (a + b + 1.0)).sqrt();
    let smooth = a.min(b) >= SMOOTH_FROM;
    // The tails of the few-valued side are longer than normal, so nothing is cut off there.
    let reach = if smooth {
        REACH * deviation * count
    } else {
        count
    };
    let from = (centre * count - reach).floor().max(0.0) as usize;
    let to = ((centre * count + reach).ceil() as usize).min(values.len());
    // Taken from the middle value, so that constants stay what they are and nothing overflows.
    let origin = values[(centre * count) as usize];
    let (mut weighted, mut total) = (0.0, 0.0);
    for (index, value) in values.iter().enumerate().take(to).skip(from) {
        let weight = if smooth {
            smooth_weight(index as f64, count, a, b)
        } else {
            exact_weight(index as f64, count, a, b)?
        };
        total += weight;
        weighted += weight * (value - origin);
    }
    Some(origin + weighted / total).filter(|found| found.is_finite())
}

/// The weight by quadrature, up to a factor that all weights share.
fn smooth_weight(index: f64, count: f64, a: f64, b: f64) -> f64 {
    // Relative to the top of the hump, where neither factor overflows.
    let top = (a - 1.0) / (a + b - 2.0);
    NODES
        .iter()
        .map(|(node, weight)| {
            let x = (index + 0.5 + 0.5 * node) / count;
            let rise = (a - 1.0) * ((x - top) / top).ln_1p();
            let fall = (b - 1.0) * ((top - x) / (1.0 - top)).ln_1p();
            weight * (rise + fall).exp()
        })
        .sum()
}

fn exact_weight(index: f64, count: f64, a: f64, b: f64) -> Option<f64> {
    let up_to = |edge: f64| checked_beta_reg(a, b, (edge / count).min(1.0)).ok();
    Some(up_to(index + 1.0)? - up_to(index)?)
}

// Locust's rounded percentiles, for the note on how far they are from the data.
//
// Locust counts response times in buckets (its `stats.py`): whole milliseconds below 100, then
// steps of 10, 100 and 1,000. At the 4 to 7 ms of a round trip over Kafka that is an error of
// ten per cent and more.

/// The bucket of a response time, both in milliseconds; halves go to the even step, as in Python.
///
/// `None` unless the time is finite and not negative.
fn locust_bucket(milliseconds: f64) -> Option<u64> {
    if !milliseconds.is_finite() || milliseconds < 0.0 {
        return None;
    }
    let step = match milliseconds {
        below if below < 100.0 => 1.0,
        below if below < 1_000.0 => 10.0,
        below if below < 10_000.0 => 100.0,
        _ => 1_000.0,
    };
    Some(((milliseconds / step).round_ties_even() * step) as u64)
}

/// The median that Locust would print, in milliseconds: that of the buckets, kept between the
/// smallest and the largest time.
///
/// `None` for an empty sample and where a time has no bucket.
#[must_use]
pub fn locust_median(milliseconds: &[f64]) -> Option<f64> {
    let mut buckets = BTreeMap::<u64, usize>::new();
    for time in milliseconds {
        *buckets.entry(locust_bucket(*time)?).or_default() += 1;
    }
    let middle = milliseconds.len().checked_sub(1)? / 2;
    let mut before = 0;
    let median = buckets.iter().find_map(|(bucket, count)| {
        before += count;
        (before > middle).then_some(*bucket as f64)
    })?;
    let smallest = milliseconds.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = milliseconds.iter().copied().fold(0.0, f64::max);
    Some(median.clamp(smallest, largest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolates_between_order_statistics() {
        assert_eq!(quantile(&[4.0, 1.0, 3.0, 2.0], 0.5), Some(2.5));
        assert_eq!(quantile(&[4.0, 1.0, 3.0, 2.0], 0.0), Some(1.0));
        assert_eq!(quantile(&[4.0, 1.0, 3.0, 2.0], 1.0), Some(4.0));
        assert_eq!(quantile(&[7.0], 0.99), Some(7.0));
    }

    #[test]
    fn undefined_results_are_none() {
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[1.0], 1.5), None);
        assert_eq!(quantile(&[1.0], f64::NAN), None);
        assert_eq!(quantile(&[1.0, f64::NAN], 0.0), None);
    }

    #[test]
    fn ten_observations_must_lie_above() {
        assert!(quantile_is_supported(20, 0.5));
        assert!(quantile_is_supported(200, 0.95));
        assert!(!quantile_is_supported(199, 0.95));
        assert!(quantile_is_supported(10_000, 0.999));
        assert!(!quantile_is_supported(9_999, 0.999));
    }
}

#[cfg(test)]
mod harrell_davis_tests {
    use super::*;

    fn sorted(values: &[f64]) -> SortedSample {
        SortedSample::new(values).unwrap()
    }

    #[test]
    fn undefined_results_are_none() {
        assert_eq!(harrell_davis(&sorted(&[1.0]), 0.0), None);
        assert_eq!(harrell_davis(&sorted(&[1.0]), 1.0), None);
        assert_eq!(harrell_davis(&sorted(&[1.0]), f64::NAN), None);
    }

    #[test]
    fn one_value_and_constants_are_themselves() {
        assert_eq!(harrell_davis(&sorted(&[0.1]), 0.99), Some(0.1));
        assert_eq!(harrell_davis(&sorted(&[0.1; 700]), 0.3), Some(0.1));
        assert_eq!(harrell_davis(&sorted(&[1.7e308; 30]), 0.5), Some(1.7e308));
    }

    #[test]
    fn both_ways_to_the_weights_agree() {
        let values: Vec<f64> = (0..60).map(|index| f64::from(index).powi(2)).collect();
        let (a, b) = (61.0 * 0.4, 61.0 * 0.6);
        let all = |weight: &dyn Fn(f64) -> f64| {
            let weights: Vec<f64> = (0..60).map(|index| weight(f64::from(index))).collect();
            let weighted: f64 = weights.iter().zip(&values).map(|(w, v)| w * v).sum();
            weighted / weights.iter().sum::<f64>()
        };
        let smooth = all(&|index| smooth_weight(index, 60.0, a, b));
        let exact = all(&|index| exact_weight(index, 60.0, a, b).unwrap());
        assert!((smooth / exact - 1.0).abs() < 1e-12, "{smooth} {exact}");
    }

    #[test]
    fn a_symmetric_sample_has_its_centre_as_median() {
        let values: Vec<f64> = (0..100_001).map(f64::from).collect();
        let median = harrell_davis(&sorted(&values), 0.5).unwrap();
        assert!((median - 50_000.0).abs() < 1e-6, "{median}");
    }
}

#[cfg(test)]
mod locust_tests {
    use super::*;

    #[test]
    fn buckets_as_in_locusts_own_tests() {
        for (time, bucket) in [
            (1.4, 1),
            (1.5, 2),
            (2.5, 2),
            (99.9, 100),
            (147.0, 150),
            (999.0, 1000),
            (3432.0, 3400),
            (58_760.0, 59_000),
        ] {
            assert_eq!(locust_bucket(time), Some(bucket), "{time}");
        }
    }

    #[test]
    fn medians_as_in_locusts_own_tests() {
        let times = [45.0, 135.0, 44.0, 375.0, 601.0, 35.0, 79.0];
        assert_eq!(locust_median(&times), Some(79.0));
        assert_eq!(locust_median(&[1.1, 1.99, 3.1]), Some(2.0));
        assert_eq!(
            locust_median(&[6.6, 6.6]),
            Some(6.6),
            "not above the largest"
        );
    }

    #[test]
    fn undefined_results_are_none() {
        assert_eq!(locust_median(&[]), None);
        assert_eq!(locust_median(&[1.0, f64::NAN]), None);
        assert_eq!(locust_bucket(-1.0), None);
    }
}
