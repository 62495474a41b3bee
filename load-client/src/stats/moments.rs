//! Mean and variance of a sample.

/// Arithmetic mean; `None` for an empty sample.
#[must_use]
pub fn mean(sample: &[f64]) -> Option<f64> {
    if sample.is_empty() {
        return None;
    }
    Some(sample.iter().sum::<f64>() / sample.len() as f64)
}

/// Unbiased sample variance (divisor n - 1); `None` below two values.
///
/// Two passes with the correction term of Chan, Golub & LeVeque, "Algorithms for Computing the
/// Sample Variance" (The American Statistician 37, 1983), eq. 1.7: the naive sum of squares loses
/// all digits when the spread is small beside the mean.
#[must_use]
pub fn variance(sample: &[f64]) -> Option<f64> {
    if sample.len() < 2 {
        return None;
    }
    let centre = mean(sample)?;
    let count = sample.len() as f64;
    let (squares, drift) = sample.iter().fold((0.0, 0.0), |(squares, drift), value| {
        let deviation = value - centre;
        (squares + deviation * deviation, drift + deviation)
    });
    Some((squares - drift * drift / count) / (count - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undefined_results_are_none() {
        assert_eq!(mean(&[]), None);
        assert_eq!(variance(&[1.0]), None);
    }

    #[test]
    fn a_large_offset_costs_no_digits() {
        let sample = [1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0];
        assert_eq!(variance(&sample), Some(30.0));
    }
}
