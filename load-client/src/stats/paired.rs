//! The interval of a mean of paired differences, and how many pairs a decision would take.

use serde::Serialize;

use super::interval::is_level;
use super::{Interval, PValue, ln_two_sided_tail, mean, two_sided_critical_value, variance};

/// Most blocks that [`blocks_for_half_width`] looks at; beyond it the answer is "far too many".
const MAX_BLOCKS: u64 = 10_000;

/// A mean with its 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PairedInterval {
    /// Mean of the differences.
    pub mean: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// The 95 % interval of the mean of paired differences: Student's t with K - 1 degrees of freedom.
///
/// "Student", "The probable error of a mean" (Biometrika 6, 1908). `None` below two pairs.
#[must_use]
pub fn paired_interval(differences: &[f64]) -> Option<PairedInterval> {
    let interval = paired_interval_at(differences, 0.95)?;
    Some(PairedInterval {
        mean: interval.estimate,
        low: interval.low,
        high: interval.high,
    })
}

/// As [`paired_interval`], at any confidence level: 0.9 for the interval that belongs to TOST at
/// 5 %.
///
/// `None` below two pairs and for a level outside (0, 1).
#[must_use]
pub fn paired_interval_at(differences: &[f64], confidence: f64) -> Option<Interval> {
    if !is_level(confidence) {
        return None;
    }
    let estimate = mean(differences)?;
    let deviation = variance(differences)?.sqrt();
    let half = half_width_at(deviation, differences.len() as u64, 1.0 - confidence)?;
    let interval = Interval {
        estimate,
        low: estimate - half,
        high: estimate + half,
    };
    interval.finite()
}

/// A paired t-test: is the mean of the differences zero?
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PairedTest {
    /// The t statistic; positive when the differences lie above zero.
    pub t: f64,
    /// Degrees of freedom: the pairs less one.
    pub df: f64,
    /// Two-sided p-value.
    pub p: PValue,
}

/// Student's paired t-test, two-sided, beside the interval of [`paired_interval`].
///
/// `None` below two pairs and when all differences are equal.
#[must_use]
pub fn paired_t_test(differences: &[f64]) -> Option<PairedTest> {
    let count = differences.len() as f64;
    let error = (variance(differences)? / count).sqrt();
    if error <= 0.0 {
        return None;
    }
    let (t, df) = (mean(differences)? / error, count - 1.0);
    let p = PValue::from_ln(ln_two_sided_tail(t, df)?);
    Some(PairedTest { t, df, p })
}

/// The fewest blocks whose 95 % interval has a half-width below `target`, if the differences
/// keep the standard deviation `deviation`; `None` when that takes more than 10,000.
#[must_use]
pub fn blocks_for_half_width(deviation: f64, target: f64) -> Option<u64> {
    if target.is_nan() || target <= 0.0 {
        return None;
    }
    let narrow_enough =
        |blocks: u64| half_width(deviation, blocks).is_some_and(|half| half < target);
    if !narrow_enough(MAX_BLOCKS) {
        return None;
    }
    // The half-width falls with the number of blocks, so the first that fits is found by halving.
    let (mut too_few, mut enough) = (1, MAX_BLOCKS);
    while enough - too_few > 1 {
        let middle = too_few.midpoint(enough);
        if narrow_enough(middle) {
            enough = middle;
        } else {
            too_few = middle;
        }
    }
    Some(enough)
}

fn half_width(deviation: f64, count: u64) -> Option<f64> {
    half_width_at(deviation, count, 0.05)
}

fn half_width_at(deviation: f64, count: u64, alpha: f64) -> Option<f64> {
    let df = count.checked_sub(1).filter(|df| *df > 0)? as f64;
    Some(two_sided_critical_value(alpha, df)? * deviation / (count as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_textbook_interval() {
        // Mean 3, standard deviation sqrt(2.5), t(0.975, 4) = 2.7764451051977987.
        let interval = paired_interval(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert!(
            (interval.low - 1.036_756_838_522_439).abs() < 1e-12,
            "{interval:?}"
        );
        assert!(
            (interval.high - 4.963_243_161_477_561).abs() < 1e-12,
            "{interval:?}"
        );
    }

    #[test]
    fn undefined_results_are_none() {
        assert_eq!(paired_interval(&[1.0]), None);
        assert_eq!(paired_interval_at(&[1.0, 2.0], 0.0), None);
        assert_eq!(paired_t_test(&[0.1; 4]), None);
        assert_eq!(paired_t_test(&[f64::NAN; 4]), None);
        assert_eq!(blocks_for_half_width(1.0, 0.0), None);
        assert_eq!(blocks_for_half_width(1.0, 1e-6), None);
    }

    #[test]
    fn wider_spread_needs_more_blocks() {
        assert_eq!(blocks_for_half_width(0.0, 0.01), Some(2));
        let few = blocks_for_half_width(0.01, 0.01).unwrap();
        let many = blocks_for_half_width(0.02, 0.01).unwrap();
        assert!(few < many, "{few} {many}");
    }
}
