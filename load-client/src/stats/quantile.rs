//! Quantiles of a sample, by linear interpolation of the order statistics.

/// Fewest observations that must lie above a quantile before it is worth printing.
const SUPPORTING_OBSERVATIONS: f64 = 10.0;

/// Quantile `q` (0 to 1) of a sample in any order; `None` when it is empty, `q` is out of range or a
/// value is not finite.
///
/// Definition 7 of Hyndman & Fan, "Sample Quantiles in Statistical Packages" (The American
/// Statistician 50, 1996): the default of R, NumPy, pandas and Excel's `PERCENTILE.INC`.
#[must_use]
pub fn quantile(sample: &[f64], q: f64) -> Option<f64> {
    if sample.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let mut sorted = sample.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    quantile_of_sorted(&sorted, q)
}

/// As [`quantile`], for a sample that is already in ascending order.
#[must_use]
pub fn quantile_of_sorted(sorted: &[f64], q: f64) -> Option<f64> {
    if sorted.is_empty() || !(0.0..=1.0).contains(&q) {
        return None;
    }
    let position = (sorted.len() - 1) as f64 * q;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    let fraction = position - below as f64;
    if fraction == 0.0 {
        return finite(sorted[below]);
    }
    finite(sorted[below] + fraction * (sorted[above] - sorted[below]))
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// Whether `count` observations carry quantile `q`: at least ten of them must lie above it.
///
/// A p99.9 of 1,000 values is one value; it changes by half from one definition of a percentile
/// to the next.
#[must_use]
pub fn quantile_is_supported(count: u64, q: f64) -> bool {
    // The slack absorbs the rounding of 1 - q: 200 observations do carry the 95th percentile.
    count as f64 * (1.0 - q) >= SUPPORTING_OBSERVATIONS - 1e-9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolates_between_order_statistics() {
        assert_eq!(quantile(&[4.0, 1.0, 3.0, 2.0], 0.5), Some(2.5));
        assert_eq!(quantile(&[4.0, 1.0, 3.0, 2.0], 0.0), Some(1.0));
        assert_eq!(quantile(&[4.0, 1.0, 3.0, 2.0], 1.0), Some(4.0));
        assert_eq!(quantile(&[7.0], 0.99), Some(7.0));
    }

    #[test]
    fn undefined_results_are_none() {
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
}
