//! Student's t: its distribution, the intervals and tests of means that use it, and the test of a slope.

use serde::Serialize;
use statrs::distribution::{Continuous, ContinuousCDF, StudentsT};

use crate::stats::sample::is_level;
use crate::stats::{Interval, PValue, mean, variance};

/// Returns P(|T| >= |t|) with `df` degrees of freedom. `None` unless `df` is above zero and `t` is a number.
#[must_use]
pub fn two_sided_p(t: f64, df: f64) -> Option<PValue> {
    let tail = distribution(df).filter(|_| !t.is_nan())?.sf(t.abs());
    Some(PValue::new(2.0 * tail))
}

/// Returns the t with P(|T| >= t) = `alpha`, for example 2.571 for `alpha` 0.05 and 5 degrees of freedom.
#[must_use]
pub fn two_sided_critical_value(alpha: f64, df: f64) -> Option<f64> {
    if !(alpha > 0.0 && alpha < 1.0) {
        return None;
    }
    let distribution = distribution(df)?;
    let start = -distribution.inverse_cdf(alpha / 2.0);
    // With thousands of degrees of freedom the start is good to seven digits. A step of Newton's method gives the rest.
    Some(start + (distribution.sf(start) - alpha / 2.0) / distribution.pdf(start))
}

fn distribution(df: f64) -> Option<StudentsT> {
    let df = Some(df).filter(|df| df.is_finite())?;
    StudentsT::new(0.0, 1.0, df).ok()
}

/// The most blocks that [`blocks_for_half_width`] tries. Beyond it the answer is "far too many".
const MAX_BLOCKS: u64 = 10_000;

/// Returns the interval of the mean of paired differences, by Student's t with K - 1 degrees of freedom.
///
/// "Student", "The probable error of a mean" (Biometrika 6, 1908). `None` for a level outside (0, 1) and below two
/// pairs.
#[must_use]
pub fn paired_interval(differences: &[f64], confidence: f64) -> Option<Interval> {
    if !is_level(confidence) {
        return None;
    }
    let estimate = mean(differences)?;
    let deviation = variance(differences)?.sqrt();
    let half = paired_half_width(deviation, differences.len() as u64, 1.0 - confidence)?;
    Interval::around(estimate, half)
}

/// Returns the relative change over blocks with one baseline and one changed run each: -0.3 is 30 % less.
///
/// Ratios are averaged as logarithms, so that halving and doubling cancel. The interval is Student's t on the K
/// differences (P. J. Fleming & J. J. Wallace, "How not to lie with statistics", CACM 29, 1986, for the geometric
/// mean). `None` below two blocks, for sides of different length, where a figure is not above zero, and for a level
/// outside (0, 1).
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

/// Returns ln(new / old). `None` unless both are above zero and finite, and where their quotient leaves the range of
/// doubles.
#[must_use]
pub fn log_ratio(old: f64, new: f64) -> Option<f64> {
    (old > 0.0 && new > 0.0)
        .then(|| (new / old).ln())
        .filter(|ratio| ratio.is_finite())
}

/// A t-test of the difference between two means.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TTest {
    /// The t statistic. It is positive when the differences, or those of the first sample to the second, lie above
    /// zero.
    pub t: f64,
    /// Degrees of freedom. With Welch's test they need not be whole.
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

/// Applies Student's paired t-test, two-sided, which goes with the interval of [`paired_interval`].
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

/// Returns the fewest blocks whose interval has a half-width below `target`. `half_width` gives the half-width for a
/// number of blocks, and falls with it. `None` when more than 10,000 blocks are needed.
#[must_use]
pub fn blocks_for_half_width(target: f64, half_width: impl Fn(u64) -> Option<f64>) -> Option<u64> {
    if target.is_nan() || target <= 0.0 {
        return None;
    }
    let narrow_enough = |blocks: u64| half_width(blocks).is_some_and(|half| half < target);
    // A bisection finds the first number that fits.
    let (mut too_few, mut enough) = (1, MAX_BLOCKS + 1);
    while enough - too_few > 1 {
        let middle = too_few + (enough - too_few) / 2;
        match narrow_enough(middle) {
            true => enough = middle,
            false => too_few = middle,
        }
    }
    (enough <= MAX_BLOCKS).then_some(enough)
}

/// Returns half of the length of [`paired_interval`] over `count` differences with that standard deviation. Its level
/// is 1 - `alpha`.
#[must_use]
pub fn paired_half_width(deviation: f64, count: u64, alpha: f64) -> Option<f64> {
    let df = count.checked_sub(1).filter(|df| *df > 0)? as f64;
    Some(two_sided_critical_value(alpha, df)? * deviation / (count as f64).sqrt())
}

/// Applies Welch's unequal-variances t-test, two-sided, with Welch–Satterthwaite degrees of freedom.
///
/// B. L. Welch, "The generalization of 'Student's' problem when several different population variances are involved"
/// (Biometrika 34, 1947). `None` when a sample has fewer than two values, neither has any spread, or a value is not
/// finite.
///
/// The article uses it on requests. It treats them as independent, which they are not. See `compare` for the method
/// behind the verdict.
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

/// The slope of the least-squares line, with its test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearTrend {
    /// Change of the value per unit of time.
    pub slope: f64,
    /// Two-sided p-value for a slope of zero.
    pub p: PValue,
}

/// Returns the linear trend of a series of points (time, value), with Student's t-test of its slope, n - 2 degrees of
/// freedom.
///
/// Fisher, "The Goodness of Fit of Regression Formulae, and the Distribution of Regression Coefficients" (Journal of
/// the Royal Statistical Society 85, 1922). It is for few points, where the ranks of [`super::trend`] say too little.
/// The deviations should be about normal.
///
/// `None` below three points, when all points have the same time, when all lie on a line, and where a value is not
/// finite.
#[must_use]
pub fn linear_trend(points: &[(f64, f64)]) -> Option<LinearTrend> {
    if points.len() < 3 {
        return None;
    }
    let (times, values): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
    let (time, value) = (mean(&times)?, mean(&values)?);
    let squares: f64 = times.iter().map(|own| (own - time).powi(2)).sum();
    let products: f64 = points
        .iter()
        .map(|own| (own.0 - time) * (own.1 - value))
        .sum();
    let slope = products / squares;
    let residual = |own: &(f64, f64)| own.1 - value - slope * (own.0 - time);
    let rest: f64 = points.iter().map(|own| residual(own).powi(2)).sum();
    let df = points.len() as f64 - 2.0;
    let t = slope / (rest / df / squares).sqrt();
    let p = two_sided_p(t, df)?;
    (slope.is_finite() && t.is_finite()).then_some(LinearTrend { slope, p })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_close(found: f64, expected: f64, relative: f64) {
        assert!(
            ((found - expected) / expected).abs() <= relative,
            "{found} is not {expected}"
        );
    }

    fn blocks(deviation: f64, target: f64) -> Option<u64> {
        blocks_for_half_width(target, |count| paired_half_width(deviation, count, 0.05))
    }

    fn p(t: f64, df: f64) -> f64 {
        two_sided_p(t, df).unwrap().value().unwrap()
    }

    #[test]
    fn closed_forms_hold() {
        // One degree of freedom gives the Cauchy distribution. Two have p = 1 - t / sqrt(2 + t²).
        let cauchy = 1.0 - 2.0 / std::f64::consts::PI * 3.0_f64.atan();
        assert_close(p(3.0, 1.0), cauchy, 1e-14);
        let two = 1.0 - 1.5 / (2.0 + 1.5_f64 * 1.5).sqrt();
        assert_close(p(-1.5, 2.0), two, 1e-14);
    }

    #[test]
    fn undefined_results_are_none() {
        assert_eq!(two_sided_p(f64::NAN, 3.0), None);
        assert_eq!(two_sided_p(1.0, 0.0), None);
        assert_eq!(two_sided_p(1.0, f64::INFINITY), None);
        assert_eq!(two_sided_critical_value(0.0, 3.0), None);
        assert_eq!(two_sided_p(0.0, 3.0), Some(PValue::new(1.0)));
        assert_eq!(two_sided_p(f64::INFINITY, 3.0), Some(PValue::new(0.0)));
    }

    #[test]
    fn critical_values_match_the_printed_tables() {
        for (df, expected) in [
            (1.0, 12.706_204_736),
            (5.0, 2.570_581_836),
            (30.0, 2.042_272_456),
        ] {
            assert_close(two_sided_critical_value(0.05, df).unwrap(), expected, 1e-9);
        }
    }

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
    fn undefined_paired_results_are_none() {
        assert_eq!(paired_interval(&[1.0], 0.95), None);
        assert_eq!(paired_interval(&[1.0, 2.0], 0.0), None);
        assert_eq!(paired_t_test(&[0.1; 4]), None);
        assert_eq!(paired_t_test(&[f64::NAN; 4]), None);
        assert_eq!(blocks(1.0, 0.0), None);
        assert_eq!(blocks(1.0, 1e-6), None);
    }

    #[test]
    fn wider_spread_needs_more_blocks() {
        assert_eq!(blocks(0.0, 0.01), Some(2));
        let few = blocks(0.01, 0.01).unwrap();
        let many = blocks(0.02, 0.01).unwrap();
        assert!(few < many, "{few} {many}");
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
        assert_eq!(log_ratio(1e-300, 1e300), None);
        assert_eq!(log_ratio(1e300, 1e-300), None);
    }

    #[test]
    fn undefined_welch_tests_are_none() {
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

    #[test]
    fn a_line_through_few_points_is_tested_by_student() {
        // The squares of the residuals add up to 1.1: t = 0.9 / sqrt(1.1 / 3 / 10) = 4.7001. The p is by the closed
        // form for 3 degrees of freedom.
        let points = [(1.0, 1.0), (2.0, 2.0), (3.0, 4.0), (4.0, 4.0), (5.0, 4.5)];
        let found = linear_trend(&points).unwrap();
        assert!((found.slope - 0.9).abs() < 1e-12, "{found:?}");
        assert!(
            (found.p.value().unwrap() - 0.018_219_854_743_222).abs() < 1e-12,
            "{found:?}"
        );
        assert_eq!(linear_trend(&points[..2]), None);
        assert_eq!(linear_trend(&[(1.0, 1.0); 5]), None);
        assert_eq!(linear_trend(&[(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]), None);
        assert_eq!(
            linear_trend(&[(0.0, 1.0), (1.0, f64::NAN), (2.0, 3.0)]),
            None
        );
    }
}
