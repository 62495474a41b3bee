//! The ratio of two means with its interval: for throughput and mean response time.

use super::interval::is_level;
use super::{Interval, mean, two_sided_critical_value, variance};

/// The ratio mean(changed) / mean(baseline) of independent runs, with its confidence interval.
///
/// T. Kalibera & R. Jones, "Quantifying Performance Changes with Effect Size Confidence Intervals"
/// (University of Kent, 2012; arXiv 2007.10899), after E. C. Fieller, "Some Problems in Interval
/// Estimation" (JRSS B 16, 1954): with h the half-width of each mean's own t interval the ends are
/// (x y ± sqrt((x y)² - (x² - h_x²)(y² - h_y²))) / (x² - h_x²), for x the baseline. Give it one
/// figure for each run.
///
/// `None` below two runs a side, for a level outside (0, 1), and when the interval of a mean
/// reaches zero, where the ratio is unbounded or has no sign.
#[must_use]
pub fn ratio_of_means(baseline: &[f64], changed: &[f64], confidence: f64) -> Option<Interval> {
    if !is_level(confidence) {
        return None;
    }
    let part = |runs: &[f64]| {
        let count = runs.len() as f64;
        let critical = two_sided_critical_value(1.0 - confidence, count - 1.0)?;
        let half = critical * (variance(runs)? / count).sqrt();
        let centre = mean(runs)?;
        // In units of the mean, where no square overflows.
        (centre > half).then_some((centre, half / centre))
    };
    let (old, old_half) = part(baseline)?;
    let (new, new_half) = part(changed)?;
    let (old_rest, new_rest) = (1.0 - old_half * old_half, 1.0 - new_half * new_half);
    let root = (1.0 - old_rest * new_rest).max(0.0).sqrt();
    let ratio = new / old;
    let interval = Interval {
        estimate: ratio,
        low: ratio * (1.0 - root) / old_rest,
        high: ratio * (1.0 + root) / old_rest,
    };
    interval.finite()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_solve_fiellers_equation() {
        let (old, new) = ([10.0, 10.5, 9.7, 10.1], [7.0, 7.4, 6.9]);
        let found = ratio_of_means(&old, &new, 0.95).unwrap();
        let half = |runs: &[f64]| {
            let count = runs.len() as f64;
            let t = two_sided_critical_value(0.05, count - 1.0).unwrap();
            t * (variance(runs).unwrap() / count).sqrt()
        };
        for end in [found.low, found.high] {
            // (y - r x)² = h_y² + r² h_x² at both ends.
            let gap = (mean(&new).unwrap() - end * mean(&old).unwrap()).powi(2);
            let allowed = half(&new).powi(2) + (end * half(&old)).powi(2);
            assert!((gap / allowed - 1.0).abs() < 1e-9, "{found:?}");
        }
        assert!(found.low < found.estimate && found.estimate < found.high);
    }

    #[test]
    fn constants_have_an_interval_of_no_width() {
        let found = ratio_of_means(&[4.0; 3], &[2.0; 5], 0.95).unwrap();
        assert_eq!((found.low, found.estimate, found.high), (0.5, 0.5, 0.5));
    }

    #[test]
    fn undefined_results_are_none() {
        assert_eq!(ratio_of_means(&[1.0], &[1.0, 2.0], 0.95), None);
        assert_eq!(
            ratio_of_means(&[1.0, 100.0], &[1.0, 2.0], 0.95),
            None,
            "reaches zero"
        );
        assert_eq!(ratio_of_means(&[-1.0, -1.1], &[1.0, 1.1], 0.95), None);
        assert_eq!(ratio_of_means(&[1.0, 1.1], &[1.0, 1.1], 1.0), None);
    }
}
