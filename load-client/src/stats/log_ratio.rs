//! The effect itself: by what share a figure changed, from paired blocks.

use super::{Interval, paired_interval_at};

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
    Some(paired_interval_at(&log_ratios, confidence)?.map(f64::exp_m1))
}

/// ln(new / old); `None` unless both are above zero and finite.
#[must_use]
pub fn log_ratio(old: f64, new: f64) -> Option<f64> {
    let positive = old > 0.0 && new > 0.0 && old.is_finite() && new.is_finite();
    // The difference of the logarithms, where the quotient would overflow or vanish.
    let quotient = new / old;
    let ln = if quotient.is_normal() {
        quotient.ln()
    } else {
        new.ln() - old.ln()
    };
    positive.then_some(ln)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_and_doubling_cancel() {
        let change = paired_log_ratio(&[5.0, 5.0], &[2.5, 10.0], 0.95).unwrap();
        assert!(change.estimate.abs() < 1e-15);
        assert!(change.low < 0.0 && change.high > 0.0);
    }

    #[test]
    fn undefined_results_are_none() {
        assert_eq!(paired_log_ratio(&[1.0], &[1.0], 0.95), None);
        assert_eq!(paired_log_ratio(&[1.0, 0.0], &[1.0, 1.0], 0.95), None);
        assert_eq!(paired_log_ratio(&[1.0, 2.0], &[1.0], 0.95), None);
        assert_eq!(
            log_ratio(1e-300, 1e300),
            Some(1e300_f64.ln() - 1e-300_f64.ln())
        );
    }
}
