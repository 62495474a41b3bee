//! Tests of means: of paired differences, of two samples, and of several at once.

use serde::Serialize;

use crate::stats::sample::is_level;
use crate::stats::{Interval, PValue, mean, two_sided_critical_value, two_sided_p, variance};

/// Most blocks that [`blocks_for_half_width`] looks at; beyond it the answer is "far too many".
const MAX_BLOCKS: u64 = 10_000;

/// The interval of the mean of paired differences: Student's t with K - 1 degrees of freedom.
///
/// "Student", "The probable error of a mean" (Biometrika 6, 1908). `None` below two pairs and for a level
/// outside (0, 1).
#[must_use]
pub fn paired_interval(differences: &[f64], confidence: f64) -> Option<Interval> {
    if !is_level(confidence) {
        return None;
    }
    let estimate = mean(differences)?;
    let deviation = variance(differences)?.sqrt();
    let half = half_width(deviation, differences.len() as u64, 1.0 - confidence)?;
    Interval::around(estimate, half)
}

/// The relative change over blocks that hold one baseline and one changed run each: -0.3 is 30 % less.
///
/// Ratios are averaged as logarithms, so that halving and doubling cancel; the interval is
/// Student's t on the K differences (P. J. Fleming & J. J. Wallace, "How not to lie with
/// statistics", CACM 29, 1986, for the geometric mean). `None` below two blocks, for sides of
/// different length, where a figure is not above zero, and for a level outside (0, 1).
#[must_use]
pub fn paired_log_ratio(baseline: &[f64], changed: &[f64], confidence: f64) -> Option<Interval> {
    if baseline.len() != changed.len() {
        return None;
    }
    let pairs = baseline.iter().zip(changed);
    let log_ratios: Vec<f64> = pairs
        .map(|(old, new)| log_ratio(*old, *new))
        .collect::<Option<_>>()?;
    Some(paired_interval(&log_ratios, confidence)?.map(f64::exp_m1))
}

/// ln(new / old); `None` unless both are above zero and finite.
#[must_use]
pub fn log_ratio(old: f64, new: f64) -> Option<f64> {
    (old > 0.0 && new > 0.0)
        .then(|| (new / old).ln())
        .filter(|ratio| ratio.is_finite())
}

/// A t-test: do two means differ?
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TTest {
    /// The t statistic; positive when the differences, or those of the first sample to the second, lie above zero.
    pub t: f64,
    /// Degrees of freedom; with Welch's test they need not be whole.
    pub df: f64,
    /// Two-sided p-value.
    pub p: PValue,
}

impl TTest {
    fn new(t: f64, df: f64) -> Option<Self> {
        let p = two_sided_p(t, df)?;
        Some(Self { t, df, p })
    }
}

/// Student's paired t-test, two-sided, beside the interval of [`paired_interval`].
///
/// `None` below two pairs and when all differences are equal.
#[must_use]
pub fn paired_t_test(differences: &[f64]) -> Option<TTest> {
    let count = differences.len() as f64;
    let error = (variance(differences)? / count).sqrt();
    if error <= 0.0 {
        return None;
    }
    TTest::new(mean(differences)? / error, count - 1.0)
}

/// The fewest blocks whose 95 % interval has a half-width below `target`, if the differences
/// keep the standard deviation `deviation`; `None` when that takes more than 10,000.
#[must_use]
pub fn blocks_for_half_width(deviation: f64, target: f64) -> Option<u64> {
    if target.is_nan() || target <= 0.0 {
        return None;
    }
    let narrow_enough =
        |blocks: u64| half_width(deviation, blocks, 0.05).is_some_and(|half| half < target);
    let blocks: Vec<u64> = (2..=MAX_BLOCKS).collect();
    // The half-width falls with the number of blocks, so the first that fits is found by halving.
    let too_few = blocks.partition_point(|blocks| !narrow_enough(*blocks));
    blocks.get(too_few).copied()
}

fn half_width(deviation: f64, count: u64, alpha: f64) -> Option<f64> {
    let df = count.checked_sub(1).filter(|df| *df > 0)? as f64;
    Some(two_sided_critical_value(alpha, df)? * deviation / (count as f64).sqrt())
}

/// Most pairs for which all 2^K sign patterns are visited; above it the test answers `None`.
const MAX_SIGN_FLIP_PAIRS: usize = 24;

/// Two-sided exact p-value that paired differences are centred on zero.
///
/// Under that hypothesis each difference is as likely to have the other sign (R. A. Fisher, *The
/// Design of Experiments*, 1935, section 21), so p is the share of the 2^K sign patterns whose
/// sum is at least as far from zero as the one seen. The smallest possible p is 2 / 2^K.
/// `None` for no pairs, for a difference that is not a number, and above 24 pairs.
#[must_use]
pub fn sign_flip(differences: &[f64]) -> Option<PValue> {
    let count = differences.len();
    if count == 0 || count > MAX_SIGN_FLIP_PAIRS || differences.iter().any(|d| !d.is_finite()) {
        return None;
    }
    // Sums that are equal on paper differ in the last digits; they count as ties.
    let slack = 1e-12 * differences.iter().map(|d| d.abs()).sum::<f64>();
    let seen = differences.iter().sum::<f64>();
    let patterns = 1_u32 << count;
    let sums = (0..patterns).map(|pattern| flipped_sum(differences, pattern));
    let extreme = sums.filter(|sum| sum.abs() >= seen.abs() - slack).count();
    Some(PValue::new(extreme as f64 / f64::from(patterns)))
}

fn flipped_sum(differences: &[f64], pattern: u32) -> f64 {
    let signed = |(index, difference): (usize, &f64)| {
        if pattern >> index & 1 == 1 {
            -difference
        } else {
            *difference
        }
    };
    differences.iter().enumerate().map(signed).sum()
}

/// Welch's unequal-variances t-test, two-sided, with Welch–Satterthwaite degrees of freedom.
///
/// B. L. Welch, "The generalization of 'Student's' problem when several different population
/// variances are involved" (Biometrika 34, 1947). `None` when a sample has fewer than two values,
/// neither has any spread, or a value is not finite.
///
/// The seed's article uses it on requests. It takes them as independent, which they are not: see `compare`
/// for the method that the verdict rests on.
#[must_use]
pub fn welch(first: &[f64], second: &[f64]) -> Option<TTest> {
    // The squared standard error, and its degrees of freedom.
    let error_of = |sample: &[f64]| {
        let count = sample.len() as f64;
        Some((variance(sample)? / count, count - 1.0))
    };
    let ((first_error, first_df), (second_error, second_df)) =
        (error_of(first)?, error_of(second)?);
    let error = first_error + second_error;
    if error <= 0.0 {
        return None;
    }
    let t = (mean(first)? - mean(second)?) / error.sqrt();
    let share = |part: f64, df: f64| (part / error).powi(2) / df;
    TTest::new(
        t,
        1.0 / (share(first_error, first_df) + share(second_error, second_df)),
    )
}

/// Adjusts p-values for their number, in the order given.
///
/// S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure" (Scandinavian Journal of
/// Statistics 6, 1979): the smallest of k is multiplied by k, the next by k - 1 and so on, none
/// becoming smaller than one before it or larger than 1.
#[must_use]
pub fn holm(p_values: &[PValue]) -> Vec<PValue> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].0.total_cmp(&p_values[*b].0));
    let mut adjusted = p_values.to_vec();
    let mut largest = 0.0_f64;
    for (place, index) in order.into_iter().enumerate() {
        largest = largest.max(p_values[index].0 * (p_values.len() - place) as f64);
        adjusted[index] = PValue::new(largest);
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_textbook_interval() {
        // Mean 3, standard deviation sqrt(2.5), t(0.975, 4) = 2.7764451051977987.
        let interval = paired_interval(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.95).unwrap();
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
        assert_eq!(paired_interval(&[1.0], 0.95), None);
        assert_eq!(paired_interval(&[1.0, 2.0], 0.0), None);
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

    #[test]
    fn matches_the_steps_by_hand() {
        let p_values = [0.04, 0.01, 0.03, 0.5].map(PValue::new);
        let adjusted: Vec<f64> = holm(&p_values).iter().map(|p| p.value().unwrap()).collect();
        for (found, expected) in adjusted.iter().zip([0.09, 0.04, 0.09, 0.5]) {
            assert!((found - expected).abs() < 1e-12, "{adjusted:?}");
        }
    }

    #[test]
    fn underflow_and_the_ceiling() {
        let p_values = [PValue::new(0.0), PValue::new(0.9)];
        assert_eq!(holm(&p_values)[0].value(), None);
        assert_eq!(holm(&[PValue::new(0.9); 3])[0].value(), Some(1.0));
        assert_eq!(holm(&[]), []);
    }

    #[test]
    fn halving_and_doubling_cancel() {
        let change = paired_log_ratio(&[5.0, 5.0], &[2.5, 10.0], 0.95).unwrap();
        assert!(change.estimate.abs() < 1e-15);
        assert!(change.low < 0.0 && change.high > 0.0);
    }

    #[test]
    fn undefined_ratios_are_none() {
        assert_eq!(paired_log_ratio(&[1.0], &[1.0], 0.95), None);
        assert_eq!(paired_log_ratio(&[1.0, 0.0], &[1.0, 1.0], 0.95), None);
        assert_eq!(paired_log_ratio(&[1.0, 2.0], &[1.0], 0.95), None);
        assert_eq!(log_ratio(1.0, f64::INFINITY), None);
        assert_eq!(log_ratio(f64::INFINITY, 1.0), None);
    }
}

#[cfg(test)]
mod sign_flip_tests {
    use super::*;

    #[track_caller]
    fn assert_p(differences: &[f64], expected: f64) {
        let p = sign_flip(differences).and_then(PValue::value).unwrap();
        assert!((p - expected).abs() < 1e-12, "{p}");
    }

    #[test]
    fn the_smallest_p_is_two_in_two_to_the_k() {
        assert_p(&[-0.31, -0.30, -0.32, -0.33, -0.29], 0.0625);
        assert_p(&[-0.31, -0.30, -0.32, -0.33, -0.29, -0.3], 0.03125);
        assert_p(&[1.0; 8], 2.0 / 256.0);
        assert_p(&[1.0; 10], 2.0 / 1024.0);
    }

    #[test]
    fn ties_count_as_extreme() {
        assert_p(&[1.0, -1.0], 1.0);
        assert_p(&[0.1, 0.2, -0.3], 1.0);
        // Patterns of +-1 +-2 +-3 with |sum| >= 4: 6, 4 and their mirrors.
        assert_p(&[-1.0, 2.0, 3.0], 0.5);
    }

    #[test]
    fn undefined_results_are_none() {
        assert_eq!(sign_flip(&[]), None);
        assert_eq!(sign_flip(&[f64::NAN]), None);
        assert_eq!(sign_flip(&[1.0; 25]), None);
    }
}

#[cfg(test)]
mod welch_tests {
    use super::*;

    #[test]
    fn undefined_results_are_none() {
        assert_eq!(welch(&[1.0], &[1.0, 2.0]), None);
        assert_eq!(welch(&[1.0, 1.0], &[1.0, 1.0]), None);
        assert_eq!(welch(&[0.1; 9], &[0.2; 7]), None, "rounding is no spread");
        assert_eq!(welch(&[1.0, f64::NAN], &[1.0, 2.0]), None);
    }

    #[test]
    fn a_p_beyond_the_range_of_doubles_is_below_what_is_shown() {
        let sample = |offset: f64| -> Vec<f64> {
            (0..20_000)
                .map(|index| offset + f64::from(index % 100))
                .collect()
        };
        let p = welch(&sample(0.0), &sample(40.0)).unwrap().p;
        assert_eq!(p.to_string(), "< 1e-300");
    }
}
