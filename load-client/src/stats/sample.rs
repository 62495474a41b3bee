//! One sample: its ascending order, mean, variance and quantiles, and the median that Locust would print; and an
//! estimate with its interval.

use serde::Serialize;

/// Finite values in ascending order. There is at least one.
///
/// Sorting a million values costs more than most statistics of them, so it is done once and shared.
#[derive(Debug, Clone, PartialEq)]
pub struct SortedSample(Vec<f64>);

impl SortedSample {
    /// Sorts a copy of `values`. `None` when there are no values or one of them is not finite.
    #[must_use]
    pub fn new(values: &[f64]) -> Option<Self> {
        if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        Some(Self(sorted))
    }

    /// Returns the values, ascending.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// Returns the number of values, at least one.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns the smallest value.
    #[must_use]
    pub fn min(&self) -> f64 {
        self.0[0]
    }

    /// Returns the largest value.
    #[must_use]
    pub fn max(&self) -> f64 {
        self.0[self.0.len() - 1]
    }
}

/// An estimate with its confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// The estimate itself.
    pub estimate: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Interval {
    /// Makes the interval that reaches `half` to either side. `None` unless all three figures are finite.
    pub(super) fn around(estimate: f64, half: f64) -> Option<Self> {
        Self {
            estimate,
            low: estimate - half,
            high: estimate + half,
        }
        .finite()
    }

    /// Applies a rising function to the three figures, for example `exp_m1` from the log scale to relative changes.
    #[must_use]
    pub fn map(self, rising: impl Fn(f64) -> f64) -> Self {
        Self {
            estimate: rising(self.estimate),
            low: rising(self.low),
            high: rising(self.high),
        }
    }

    /// Returns the interval of the negated figure.
    pub(crate) fn negated(self) -> Self {
        Self {
            estimate: -self.estimate,
            low: -self.high,
            high: -self.low,
        }
    }

    /// Returns the interval with both ends moved out by `by`.
    pub(crate) fn widened(self, by: f64) -> Self {
        Self {
            low: self.low - by,
            high: self.high + by,
            ..self
        }
    }

    /// Returns the interval, unless one of its figures is not finite.
    pub(super) fn finite(self) -> Option<Self> {
        let figures = [self.estimate, self.low, self.high];
        figures.into_iter().all(f64::is_finite).then_some(self)
    }
}

/// Returns whether `confidence` is a level such as 0.95.
pub(super) fn is_level(confidence: f64) -> bool {
    confidence > 0.0 && confidence < 1.0
}

/// Returns the arithmetic mean. `None` for an empty sample and where the sum is not finite.
///
/// The sum uses Neumaier's compensation ("Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen", ZAMM
/// 54, 1974). Over a million requests the rounding of a plain sum reaches the tenth digit of a p-value.
#[must_use]
pub fn mean(sample: &[f64]) -> Option<f64> {
    // An empty sample would give 0 / 0.
    Some(compensated_sum(sample) / sample.len() as f64).filter(|mean| mean.is_finite())
}

/// Returns the unbiased sample variance (divisor n - 1). `None` below two values and where it is not finite.
///
/// The computation takes two passes with the correction term of Chan, Golub & LeVeque, "Algorithms for Computing the
/// Sample Variance" (The American Statistician 37, 1983), eq. 1.7. The naive sum of squares loses all digits when the
/// spread is small compared with the mean. Equal values give exactly 0, where the rounding of the mean would leave a
/// remainder.
#[must_use]
pub fn variance(sample: &[f64]) -> Option<f64> {
    if sample.len() < 2 {
        return None;
    }
    let centre = mean(sample)?;
    if is_constant(sample) {
        return Some(0.0);
    }
    let count = sample.len() as f64;
    let (squares, drift) = sample.iter().fold((0.0, 0.0), |(squares, drift), value| {
        let deviation = value - centre;
        (squares + deviation * deviation, drift + deviation)
    });
    let found = (squares - drift * drift / count) / (count - 1.0);
    found.is_finite().then_some(found)
}

/// Returns whether all values are equal.
pub(super) fn is_constant(sample: &[f64]) -> bool {
    sample.windows(2).all(|pair| pair[0] == pair[1])
}

fn compensated_sum(values: &[f64]) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0);
    for value in values {
        let next = sum + value;
        // The smaller of the two loses these digits.
        lost += if sum.abs() >= value.abs() {
            (sum - next) + value
        } else {
            (value - next) + sum
        };
        sum = next;
    }
    sum + lost
}

/// The fewest observations that must lie above a quantile before it is printed.
const SUPPORTING_OBSERVATIONS: f64 = 10.0;

/// Returns quantile `q` (0 to 1) of a sample in any order. `None` when the sample is empty, `q` is out of range or a
/// value is not finite.
///
/// Definition 7 of Hyndman & Fan, "Sample Quantiles in Statistical Packages" (The American Statistician 50, 1996). It
/// is the default of R, NumPy, pandas and Excel's `PERCENTILE.INC`.
#[must_use]
pub fn quantile(sample: &[f64], q: f64) -> Option<f64> {
    quantile_of_sorted(SortedSample::new(sample)?.values(), q)
}

/// Returns a quantile like [`quantile`], for a sample that is already in ascending order.
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

/// Returns whether `count` observations support quantile `q`: at least ten of them must lie above it.
///
/// A p99.9 of 1,000 values is one value. It changes by half between two definitions of a percentile.
#[must_use]
pub fn quantile_is_supported(count: u64, q: f64) -> bool {
    // The slack absorbs the rounding of 1 - q, because 200 observations do support the 95th percentile.
    count as f64 * (1.0 - q) >= SUPPORTING_OBSERVATIONS - 1e-9
}

// Locust's rounded percentiles, which show how far they are from the data.
//
// Locust counts response times in buckets (its `stats.py`): whole milliseconds below 100, then steps of 10, 100 and
// 1,000. At the 4 to 7 ms of a round trip over Kafka that is an error of ten per cent and more.

/// Returns the bucket of a response time, both in milliseconds. Halves go to the even step, as in Python.
fn locust_bucket(milliseconds: f64) -> f64 {
    let step = match milliseconds {
        below if below < 100.0 => 1.0,
        below if below < 1_000.0 => 10.0,
        below if below < 10_000.0 => 100.0,
        _ => 1_000.0,
    };
    (milliseconds / step).round_ties_even() * step
}

/// Returns the median that Locust would print, in milliseconds: that of the buckets, limited to the range from the
/// smallest to the largest time.
///
/// `None` if a time is negative.
#[must_use]
pub fn locust_median(milliseconds: &SortedSample) -> Option<f64> {
    let (smallest, largest) = (milliseconds.min(), milliseconds.max());
    // Buckets rise with the time, so the median of the buckets is the bucket of the median time.
    let middle = milliseconds.values()[(milliseconds.count() - 1) / 2];
    (smallest >= 0.0).then(|| locust_bucket(middle).clamp(smallest, largest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undefined_samples_are_none() {
        assert_eq!(SortedSample::new(&[]), None);
        assert_eq!(SortedSample::new(&[1.0, f64::NAN]), None);
        assert_eq!(SortedSample::new(&[1.0, f64::INFINITY]), None);
    }

    #[test]
    fn undefined_results_are_none() {
        assert_eq!(mean(&[]), None);
        assert_eq!(variance(&[1.0]), None);
        assert_eq!(mean(&[1.0, f64::NAN]), None);
        assert_eq!(mean(&[f64::INFINITY]), None);
        assert_eq!(mean(&[1e308; 2]), None, "the sum overflows");
        assert_eq!(variance(&[1e300, -1e300]), None, "the variance overflows");
    }

    #[test]
    fn constants_have_no_variance() {
        assert_eq!(variance(&[0.1; 9]), Some(0.0));
    }

    #[test]
    fn a_small_value_beside_large_ones_is_not_lost() {
        assert_eq!(mean(&[1e16, 1.0, -1e16, 1.0]), Some(0.5));
    }

    #[test]
    fn a_large_offset_costs_no_digits() {
        let sample = [1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0];
        assert_eq!(variance(&sample), Some(30.0));
    }

    #[test]
    fn interpolates_between_order_statistics() {
        assert_eq!(quantile(&[4.0, 1.0, 3.0, 2.0], 0.5), Some(2.5));
        assert_eq!(quantile(&[4.0, 1.0, 3.0, 2.0], 0.0), Some(1.0));
        assert_eq!(quantile(&[4.0, 1.0, 3.0, 2.0], 1.0), Some(4.0));
        assert_eq!(quantile(&[7.0], 0.99), Some(7.0));
    }

    #[test]
    fn undefined_quantiles_are_none() {
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
