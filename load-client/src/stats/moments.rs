//! Mean and variance of a sample.

/// Arithmetic mean; `None` for an empty sample and where it is not finite.
///
/// Summed with Neumaier's compensation ("Rundungsfehleranalyse einiger Verfahren zur Summation
/// endlicher Summen", ZAMM 54, 1974): over a million requests the rounding of a plain sum reaches
/// the tenth digit of a p-value.
#[must_use]
pub fn mean(sample: &[f64]) -> Option<f64> {
    if sample.is_empty() {
        return None;
    }
    let count = sample.len() as f64;
    let plain = compensated_sum(sample.iter().copied()) / count;
    if plain.is_finite() {
        return Some(plain);
    }
    // The sum may overflow where the mean does not.
    let careful = compensated_sum(sample.iter().map(|value| value / count));
    careful.is_finite().then_some(careful)
}

/// Unbiased sample variance (divisor n - 1); `None` below two values and where it is not finite.
///
/// Two passes with the correction term of Chan, Golub & LeVeque, "Algorithms for Computing the
/// Sample Variance" (The American Statistician 37, 1983), eq. 1.7: the naive sum of squares loses
/// all digits when the spread is small beside the mean. Equal values have exactly 0, where the
/// rounding of the mean would leave a remainder.
#[must_use]
pub fn variance(sample: &[f64]) -> Option<f64> {
    if sample.len() < 2 {
        return None;
    }
    let centre = mean(sample)?;
    if is_constant(sample) {
        return Some(0.0);
    }
    let count = sample.len() as f64;
    let (squares, drift) = sample.iter().fold((0.0, 0.0), |(squares, drift), value| {
        let deviation = value - centre;
        (squares + deviation * deviation, drift + deviation)
    });
    let found = (squares - drift * drift / count) / (count - 1.0);
    found.is_finite().then_some(found)
}

/// Whether all values are equal.
pub(super) fn is_constant(sample: &[f64]) -> bool {
    sample.windows(2).all(|pair| pair[0] == pair[1])
}

fn compensated_sum(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, lost) = values.fold((0.0_f64, 0.0), |(sum, lost), value| {
        let next = sum + value;
        let (large, small) = if sum.abs() >= value.abs() {
            (sum, value)
        } else {
            (value, sum)
        };
        (next, lost + ((large - next) + small))
    });
    sum + lost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undefined_results_are_none() {
        assert_eq!(mean(&[]), None);
        assert_eq!(variance(&[1.0]), None);
        assert_eq!(mean(&[1.0, f64::NAN]), None);
        assert_eq!(mean(&[f64::INFINITY]), None);
        assert_eq!(variance(&[1e300, -1e300]), None, "the variance overflows");
    }

    #[test]
    fn huge_values_have_a_mean_and_constants_no_variance() {
        assert_eq!(mean(&[1.5e308; 4]), Some(1.5e308));
        assert_eq!(variance(&[0.1; 9]), Some(0.0));
    }

    #[test]
    fn a_small_value_beside_large_ones_is_not_lost() {
        assert_eq!(mean(&[1e16, 1.0, -1e16, 1.0]), Some(0.5));
    }

    #[test]
    fn a_large_offset_costs_no_digits() {
        let sample = [1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0];
        assert_eq!(variance(&sample), Some(30.0));
    }
}
