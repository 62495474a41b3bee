//! Quantiles of a sample: interpolated, by Harrell and Davis, and as Locust rounds them.

use statrs::distribution::{Beta, Continuous};

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
    quantile_of_sorted(SortedSample::new(sample)?.values(), q)
}

/// As [`quantile`], for a sample that is already in ascending order.
#[must_use]
pub fn quantile_of_sorted(sorted: &[f64], q: f64) -> Option<f64> {
    if sorted.is_empty() || !(0.0..=1.0).contains(&q) {
        return None;
    }
    let position = (sorted.len() - 1) as f64 * q;
    let (below, above) = (
        sorted[position.floor() as usize],
        sorted[position.ceil() as usize],
    );
    Some(below + position.fract() * (above - below)).filter(|found| found.is_finite())
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
/// smoothly on rounded data. O(sqrt n) after sorting. `None` unless 0 < q < 1, and where both parameters are not
/// at least 8: about as many values must lie on either side of the quantile.
#[must_use]
pub fn harrell_davis(sample: &SortedSample, q: f64) -> Option<f64> {
    let values = sample.values();
    let count = values.len() as f64;
    let (a, b) = ((count + 1.0) * q, (count + 1.0) * (1.0 - q));
    if a.is_nan() || a.min(b) < SMOOTH_FROM {
        return None;
    }
    let density = Beta::new(a, b).ok()?;
    // Up to a factor that all weights share.
    let weight = |index: usize| -> f64 {
        let at = |node: f64| (index as f64 + 0.5 + 0.5 * node) / count;
        let parts = NODES.iter();
        parts
            .map(|(node, weight)| weight * density.pdf(at(*node)))
            .sum()
    };
    let deviation = (q * (1.0 - q) / (count + 2.0)).sqrt();
    let from = ((q - REACH * deviation) * count).floor().max(0.0) as usize;
    let to = (((q + REACH * deviation) * count).ceil() as usize).min(values.len());
    // Taken from the middle value, so that constants stay what they are.
    let origin = values[(q * count) as usize];
    let (mut weighted, mut total) = (0.0, 0.0);
    for (index, value) in values.iter().enumerate().take(to).skip(from) {
        let weight = weight(index);
        total += weight;
        weighted += weight * (value - origin);
    }
    Some(origin + weighted / total).filter(|found| found.is_finite())
}

// Locust's rounded percentiles, for the note on how far they are from the data.
//
// Locust counts response times in buckets (its `stats.py`): whole milliseconds below 100, then
// steps of 10, 100 and 1,000. At the 4 to 7 ms of a round trip over Kafka that is an error of
// ten per cent and more.

/// The bucket of a response time, both in milliseconds; halves go to the even step, as in Python.
fn locust_bucket(milliseconds: f64) -> f64 {
    let step = match milliseconds {
        below if below < 100.0 => 1.0,
        below if below < 1_000.0 => 10.0,
        below if below < 10_000.0 => 100.0,
        _ => 1_000.0,
    };
    (milliseconds / step).round_ties_even() * step
}

/// The median that Locust would print, in milliseconds: that of the buckets, kept between the
/// smallest and the largest time.
///
/// `None` where a time is negative.
#[must_use]
pub fn locust_median(milliseconds: &SortedSample) -> Option<f64> {
    let (smallest, largest) = (milliseconds.min(), milliseconds.max());
    // A longer time has no lower bucket, so the median of the buckets is the bucket of the middle time.
    let middle = milliseconds.values()[(milliseconds.count() - 1) / 2];
    (smallest >= 0.0).then(|| locust_bucket(middle).clamp(smallest, largest))
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
    use statrs::distribution::ContinuousCDF;

    use super::*;

    fn sorted(values: &[f64]) -> SortedSample {
        SortedSample::new(values).unwrap()
    }

    #[test]
    fn undefined_results_are_none() {
        let sample = sorted(&[1.0; 99]);
        for q in [0.0, 1.0, f64::NAN, 0.07, 0.93] {
            assert_eq!(harrell_davis(&sample, q), None, "{q}");
        }
    }

    #[test]
    fn constants_are_themselves() {
        assert_eq!(harrell_davis(&sorted(&[0.1; 700]), 0.3), Some(0.1));
    }

    #[test]
    fn the_weights_are_those_of_the_distribution() {
        let values: Vec<f64> = (0..60).map(|index| f64::from(index).powi(2)).collect();
        let exact = Beta::new(61.0 * 0.4, 61.0 * 0.6).unwrap();
        let up_to = |index: f64| exact.cdf(index / 60.0);
        let weighted = (0..60).map(f64::from).zip(&values);
        let expected: f64 = weighted
            .map(|(index, value)| value * (up_to(index + 1.0) - up_to(index)))
            .sum();
        let found = harrell_davis(&sorted(&values), 0.4).unwrap();
        assert!((found / expected - 1.0).abs() < 1e-12, "{found} {expected}");
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
            assert_eq!(locust_bucket(time), f64::from(bucket), "{time}");
        }
    }

    #[test]
    fn medians_as_in_locusts_own_tests() {
        let median = |times: &[f64]| locust_median(&SortedSample::new(times).unwrap());
        let times = [45.0, 135.0, 44.0, 375.0, 601.0, 35.0, 79.0];
        assert_eq!(median(&times), Some(79.0));
        assert_eq!(median(&[1.1, 1.99, 3.1]), Some(2.0));
        assert_eq!(median(&[6.6, 6.6]), Some(6.6), "not above the largest");
        assert_eq!(median(&[-1.0, 2.0, 3.0]), None);
    }
}
