//! Welch's t-test: do two samples differ in their means, when their variances may differ?
//!
//! Kept because the seed's article uses it. It takes requests as independent, which they are not:
//! see `compare` for the method that the verdict rests on.

use serde::Serialize;

use super::{PValue, ln_two_sided_tail, mean, variance};

/// The result of Welch's test of the means of two samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Welch {
    /// The t statistic; positive when the first sample has the larger mean.
    pub t: f64,
    /// Welch–Satterthwaite degrees of freedom.
    pub df: f64,
    /// Two-sided p-value.
    pub p: PValue,
}

/// Welch's unequal-variances t-test, two-sided.
///
/// B. L. Welch, "The generalization of 'Student's' problem when several different population
/// variances are involved" (Biometrika 34, 1947). `None` when a sample has fewer than two values,
/// neither has any spread, or a value is not finite.
#[must_use]
pub fn welch(first: &[f64], second: &[f64]) -> Option<Welch> {
    if let Some((first, second)) = rescaled(first, second) {
        // Squares would leave the range of doubles; t does not depend on the unit.
        return welch(&first, &second);
    }
    let (difference, first_error, second_error) = standard_errors(first, second)?;
    welch_from_moments(difference, first_error, second_error)
}

/// A squared standard error and its degrees of freedom.
type SquaredError = (f64, f64);

/// Welch's test of a difference of means with the squared standard errors of the two.
pub(super) fn welch_from_moments(
    difference: f64,
    (first_error, first_df): SquaredError,
    (second_error, second_df): SquaredError,
) -> Option<Welch> {
    let error = first_error + second_error;
    if error <= 0.0 {
        return None;
    }
    let t = difference / error.sqrt();
    // Shares of the error, so that their squares stay within the range of doubles.
    let share = |part: f64, df: f64| (part / error) * (part / error) / df;
    let df = 1.0 / (share(first_error, first_df) + share(second_error, second_df));
    let p = PValue::from_ln(ln_two_sided_tail(t, df)?);
    Some(Welch { t, df, p })
}

fn standard_errors(first: &[f64], second: &[f64]) -> Option<(f64, SquaredError, SquaredError)> {
    let error_of = |sample: &[f64]| {
        let count = sample.len() as f64;
        Some((variance(sample)? / count, count - 1.0))
    };
    let errors = (error_of(first)?, error_of(second)?);
    Some((mean(first)? - mean(second)?, errors.0, errors.1))
}

/// Both samples in a unit near their size, when squares of theirs would overflow or vanish.
fn rescaled(first: &[f64], second: &[f64]) -> Option<(Vec<f64>, Vec<f64>)> {
    let values = || first.iter().chain(second);
    let largest = values().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    if !largest.is_finite() || largest == 0.0 || (1e-100..1e100).contains(&largest) {
        return None;
    }
    // In two steps, since the inverse of a subnormal number is infinite.
    let unit = largest.sqrt();
    let scaled = |sample: &[f64]| sample.iter().map(|value| value / unit / unit).collect();
    Some((scaled(first), scaled(second)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undefined_results_are_none() {
        assert_eq!(welch(&[1.0], &[1.0, 2.0]), None);
        assert_eq!(welch(&[1.0, 1.0], &[1.0, 1.0]), None);
        assert_eq!(welch(&[0.1; 9], &[0.2; 7]), None, "rounding is no spread");
        assert_eq!(welch(&[1.0, f64::NAN], &[1.0, 2.0]), None);
    }

    #[test]
    fn huge_and_tiny_values_give_the_same_t() {
        let (first, second) = ([1.0, 2.0, 4.0], [3.0, 5.0, 9.0]);
        let usual = welch(&first, &second).unwrap();
        for unit in [1e-300, 1e-160, 1e160, 1e307] {
            let found = welch(&first.map(|v| v * unit), &second.map(|v| v * unit)).unwrap();
            assert!(
                (found.t / usual.t - 1.0).abs() < 1e-12,
                "{unit:e}: {found:?}"
            );
            assert!(
                (found.df / usual.df - 1.0).abs() < 1e-12,
                "{unit:e}: {found:?}"
            );
        }
    }

    #[test]
    fn a_p_beyond_the_range_of_doubles_keeps_its_logarithm() {
        let sample = |offset: f64| -> Vec<f64> {
            (0..20_000)
                .map(|index| offset + f64::from(index % 100))
                .collect()
        };
        let p = welch(&sample(0.0), &sample(40.0)).unwrap().p;
        assert_eq!(p.value(), None);
        assert!(p.log10() < -2000.0);
    }
}
