//! The exact sign-flip test of paired differences.

use super::PValue;

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
    PValue::from_probability(extreme as f64 / f64::from(patterns))
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

#[cfg(test)]
mod tests {
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
