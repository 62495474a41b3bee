//! The distance of Kolmogorov and Smirnov: how far apart two distributions are at most.
//!
//! It notices what medians miss: the same median and a spread that exploded.

use super::SortedSample;
use super::sorted::merge;

/// The largest distance between the two empirical distribution functions, 0 to 1.
///
/// N. Smirnov, "Table for Estimating the Goodness of Fit of Empirical Distributions" (Annals of Mathematical
/// Statistics 19, 1948).
#[must_use]
pub fn kolmogorov_smirnov_distance(first: &SortedSample, second: &SortedSample) -> f64 {
    let (m, n) = (first.count() as u64, second.count() as u64);
    let (mut i, mut j, mut largest) = (0, 0, 0);
    merge(first, second, |group| {
        i += group.first as u64;
        j += group.second as u64;
        largest = (i * n).abs_diff(j * m).max(largest);
    });
    largest as f64 / (m * n) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(values: &[f64]) -> SortedSample {
        SortedSample::new(values).unwrap()
    }

    #[test]
    fn samples_alike_and_apart() {
        let sample = sorted(&[5.0, 5.0, 7.0]);
        assert_eq!(kolmogorov_smirnov_distance(&sample, &sample), 0.0);
        let (low, high) = (sorted(&[1.0, 2.0]), sorted(&[3.0, 4.0]));
        assert_eq!(kolmogorov_smirnov_distance(&low, &high), 1.0);
        let between = sorted(&[1.5, 4.0]);
        assert_eq!(kolmogorov_smirnov_distance(&low, &between), 0.5);
    }
}
