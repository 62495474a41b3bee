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
/// variances are involved" (Biometrika 34, 1947). `None` when a sample has fewer than two values
/// or neither has any spread.
#[must_use]
pub fn welch(first: &[f64], second: &[f64]) -> Option<Welch> {
    let error_of = |sample: &[f64]| Some(variance(sample)? / sample.len() as f64);
    let (first_error, second_error) = (error_of(first)?, error_of(second)?);
    let error = first_error + second_error;
    if error <= 0.0 {
        return None;
    }
    let t = (mean(first)? - mean(second)?) / error.sqrt();
    let share = |part: f64, count: usize| part * part / (count as f64 - 1.0);
    let df = error * error / (share(first_error, first.len()) + share(second_error, second.len()));
    let p = PValue::from_ln(ln_two_sided_tail(t, df)?);
    Some(Welch { t, df, p })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undefined_results_are_none() {
        assert_eq!(welch(&[1.0], &[1.0, 2.0]), None);
        assert_eq!(welch(&[1.0, 1.0], &[1.0, 1.0]), None);
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
