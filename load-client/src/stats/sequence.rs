//! A confidence sequence: the interval of a mean that holds for looks after each value.

use crate::stats::sample::is_level;
use crate::stats::{Interval, mean, variance};

/// Returns the interval of the mean of independent, normally distributed values that holds for all numbers of values at
/// once, with probability 1 - `alpha`. If you look at it after each value, and stop because of the result, you are
/// still not wrong more often (Ville's inequality). Student's interval holds for one look only.
///
/// The variance is not known. The effect size, in standard deviations, has a normal prior around zero with standard
/// deviation `tau`. Wang and Ramdas, "Anytime-valid t-tests and confidence sequences for Gaussian means with unknown
/// variance" (arXiv 2310.03722).
///
/// `None` while the interval is infinite, which happens with few values and a small `tau`, without a measurable spread,
/// for a level outside (0, 1), and for a `tau` that is not above zero.
#[must_use]
pub fn anytime_interval(values: &[f64], alpha: f64, tau: f64) -> Option<Interval> {
    let deviation = variance(values)?.sqrt();
    let half = anytime_half_width(deviation, values.len() as u64, alpha, tau)?;
    Interval::around(mean(values)?, half)
}

/// Returns half of the length of [`anytime_interval`] over `count` values with that standard deviation.
#[must_use]
pub fn anytime_half_width(deviation: f64, count: u64, alpha: f64, tau: f64) -> Option<f64> {
    if count < 2 || !is_level(alpha) || !(tau > 0.0 && tau.is_finite()) {
        return None;
    }
    let (n, df) = (count as f64, (count - 1) as f64);
    // The interval contains the mean while the evidence E against the mean is below 1 / alpha:
    // ln E = -1/2 ln k + n/2 (ln(1 + t²/df) - ln(1 + t²/(df k))).
    let k = 1.0 + n * tau * tau;
    let most = (2.0 / n * (0.5 * k.ln() - alpha.ln())).exp();
    if most >= k {
        return None;
    }
    let t = (df * k * (most - 1.0) / (k - most)).sqrt();
    Some(t * deviation / n.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::paired_interval;

    /// Returns ln E of the mean, by the formula as it is printed.
    fn evidence(values: &[f64], mean_held: f64, tau: f64) -> f64 {
        let (n, df) = (values.len() as f64, values.len() as f64 - 1.0);
        let error = (variance(values).unwrap() / n).sqrt();
        let t = (mean(values).unwrap() - mean_held) / error;
        let k = 1.0 + n * tau * tau;
        -0.5 * k.ln() + n / 2.0 * ((1.0 + t * t / df).ln() - (1.0 + t * t / (df * k)).ln())
    }

    #[test]
    fn at_its_ends_the_evidence_is_one_over_alpha() {
        let values = [0.1, 0.12, 0.07, 0.11, 0.13, 0.06];
        for (count, alpha, tau) in [(3, 0.05, 3.0), (6, 0.05, 3.0), (6, 0.01, 1.0)] {
            let values = &values[..count];
            let interval = anytime_interval(values, alpha, tau).unwrap();
            for end in [interval.low, interval.high] {
                let found = evidence(values, end, tau);
                assert!((found + f64::ln(alpha)).abs() < 1e-9, "{found} at {count}");
            }
            let once = paired_interval(values, 1.0 - alpha).unwrap();
            assert!(interval.low < once.low && once.high < interval.high);
        }
    }

    #[test]
    fn it_has_a_bound_from_three_values_on_where_tau_is_large_enough() {
        let values = [0.1, 0.2, 0.15];
        assert!(anytime_interval(&values, 0.05, 3.0).is_some());
        assert_eq!(anytime_interval(&values, 0.05, 2.0), None);
        assert_eq!(anytime_interval(&values[..2], 0.05, 3.0), None);
    }

    #[test]
    fn undefined_intervals_are_none() {
        let values = [0.1, 0.2, 0.15, 0.12];
        for (alpha, tau) in [(0.0, 3.0), (1.0, 3.0), (0.05, 0.0), (0.05, f64::NAN)] {
            assert_eq!(anytime_interval(&values, alpha, tau), None, "{alpha} {tau}");
        }
        assert_eq!(anytime_interval(&[0.1], 0.05, 3.0), None);
        assert_eq!(anytime_interval(&[f64::NAN; 4], 0.05, 3.0), None);
    }
}
