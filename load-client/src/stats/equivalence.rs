//! Equivalence: the evidence that a difference is too small to matter.

use serde::Serialize;

use super::student::ln_upper_tail;
use super::{PValue, mean, variance};

/// The result of two one-sided tests.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Equivalence {
    /// P-value against "the mean lies at the lower margin or below".
    pub above_low: PValue,
    /// P-value against "the mean lies at the upper margin or above".
    pub below_high: PValue,
    /// The larger of the two: at most 0.05 means equivalent at the 5 % level.
    pub p: PValue,
}

/// Two one-sided t-tests (TOST) that the mean of paired differences lies between two margins.
///
/// D. J. Schuirmann, "A comparison of the Two One-Sided Tests Procedure and the Power Approach for
/// assessing the equivalence of average bioavailability" (Journal of Pharmacokinetics and
/// Biopharmaceutics 15, 1987). p is at most alpha exactly when the interval of
/// [`super::paired_interval_at`] at 1 - 2 alpha lies within the margins. For log-ratios and a
/// threshold of 2 % take the margins of [`super::log_margins`]. `None` below two differences, when
/// they are all equal, and unless `low` < `high`.
#[must_use]
pub fn equivalence(differences: &[f64], low: f64, high: f64) -> Option<Equivalence> {
    if low.is_nan() || high.is_nan() || low >= high {
        return None;
    }
    let count = differences.len() as f64;
    let error = (variance(differences)? / count).sqrt();
    if error <= 0.0 {
        return None;
    }
    let (centre, df) = (mean(differences)?, count - 1.0);
    let above_low = PValue::from_ln(ln_upper_tail((centre - low) / error, df)?);
    let below_high = PValue::from_ln(ln_upper_tail((high - centre) / error, df)?);
    let p = PValue::from_ln(above_low.ln().max(below_high.ln()));
    Some(Equivalence {
        above_low,
        below_high,
        p,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::paired_interval_at;

    #[test]
    fn it_agrees_with_the_interval_at_twice_the_level() {
        let differences = [0.004, -0.002, 0.001, 0.006, -0.003, 0.002];
        let interval = paired_interval_at(&differences, 0.90).unwrap();
        let at = |slack: f64| {
            let (low, high) = (interval.low - slack, interval.high + slack);
            equivalence(&differences, low, high)
                .unwrap()
                .p
                .value()
                .unwrap()
        };
        assert!((at(0.0) - 0.05).abs() < 1e-9);
        assert!(at(1e-4) < 0.05 && at(-1e-4) > 0.05);
    }

    #[test]
    fn undefined_results_are_none() {
        assert_eq!(equivalence(&[0.1], -1.0, 1.0), None);
        assert_eq!(equivalence(&[0.1, 0.1], -1.0, 1.0), None);
        assert_eq!(equivalence(&[0.1, 0.2], 1.0, -1.0), None);
        assert_eq!(equivalence(&[0.1, 0.2], f64::NAN, 1.0), None);
    }
}
