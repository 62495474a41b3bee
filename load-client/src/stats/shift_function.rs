//! How two distributions differ beyond their means: the shift function, dominance, and their largest distance.

use serde::Serialize;

use crate::stats::resample::replicates;
use crate::stats::{
    Bootstrap, Interval, Series, SortedSample, harrell_davis, mean, quantile_of_sorted, variance,
};

/// The quantiles of a shift function: the deciles, and the tail that users notice.
pub const SHIFT_PROBABILITIES: [f64; 11] =
    [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99];

/// One point of a shift function.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct QuantileShift {
    /// Which quantile, 0 to 1.
    pub probability: f64,
    /// The quantile of the baseline, by Harrell & Davis.
    pub baseline: f64,
    /// The quantile of the changed run.
    pub changed: f64,
    /// Their difference, changed - baseline, with its simultaneous band.
    pub shift: Interval,
}

/// The shift function of two runs with simultaneous bands.
///
/// K. Doksum, "Empirical Probability Plots and Statistical Inference for Nonlinear Models in the
/// Two-Sample Case" (Annals of Statistics 2, 1974), on Harrell-Davis quantiles as R. R. Wilcox,
/// "Comparing Two Independent Groups Via Multiple Quantiles" (The Statistician 44, 1995). The
/// bands hold all quantiles together with the confidence asked for: each reaches c standard
/// deviations of its bootstrap replicates, where c is the quantile of the largest studentised
/// deviation over the probabilities (Davison & Hinkley, *Bootstrap Methods*, section 4.2.4).
/// Replicates are of type-7 quantiles, which vary a little more than those of Harrell & Davis, so
/// the bands err to the wide side.
///
/// `None` for the undefined cases of [`super::quantile_changes`], though values may be negative
/// here, and for a probability of 0 or 1.
#[must_use]
pub fn shift_function(
    baseline: Series<'_>,
    changed: Series<'_>,
    probabilities: &[f64],
    bootstrap: Bootstrap,
) -> Option<Vec<QuantileShift>> {
    let replicates = replicates(baseline, changed, probabilities, bootstrap, |old, new| {
        new - old
    })?;
    let (old, new) = (
        SortedSample::new(baseline.values)?,
        SortedSample::new(changed.values)?,
    );
    let deviations: Vec<f64> = replicates
        .iter()
        .map(|list| Some(variance(list)?.sqrt()))
        .collect::<Option<_>>()?;
    let factor = simultaneous_factor(&replicates, &deviations, bootstrap.confidence)?;
    let each = probabilities.iter().zip(&deviations);
    each.map(|(probability, deviation)| {
        let baseline = harrell_davis(&old, *probability)?;
        let changed = harrell_davis(&new, *probability)?;
        Some(QuantileShift {
            probability: *probability,
            baseline,
            changed,
            shift: Interval::around(changed - baseline, factor * deviation)?,
        })
    })
    .collect()
}

/// The c for which all replicates together stay within c standard deviations of their means.
fn simultaneous_factor(
    replicates: &[Vec<f64>],
    deviations: &[f64],
    confidence: f64,
) -> Option<f64> {
    let mut largest = vec![0.0_f64; replicates.first()?.len()];
    for (list, deviation) in replicates.iter().zip(deviations) {
        let centre = mean(list)?;
        // A quantile that never moves needs no band.
        if *deviation > 0.0 {
            for (largest, value) in largest.iter_mut().zip(list) {
                *largest = largest.max((value - centre).abs() / deviation);
            }
        }
    }
    quantile_of_sorted(SortedSample::new(&largest)?.values(), confidence)
}

/// Visits the distinct values of both samples in ascending order, with how often each sample has them.
fn merge(first: &SortedSample, second: &SortedSample, mut visit: impl FnMut(u64, u64)) {
    let (mut left, mut right) = (first.values(), second.values());
    while let Some(value) = left
        .first()
        .into_iter()
        .chain(right.first())
        .copied()
        .reduce(f64::min)
    {
        visit(take_equal(&mut left, value), take_equal(&mut right, value));
    }
}

fn take_equal(values: &mut &[f64], value: f64) -> u64 {
    let count = values.iter().take_while(|other| **other == value).count();
    *values = &values[count..];
    count as u64
}

/// The pairs of two samples, sorted by which member is larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Dominance {
    /// Pairs in which the first sample's value is smaller.
    pub first_less: u64,
    /// Pairs of equal values.
    pub equal: u64,
    /// Pairs in which the first sample's value is larger.
    pub first_greater: u64,
}

/// Counts the pairs by one walk through both sorted samples: O(m + n).
///
/// `None` when there are more than 2^63 pairs.
#[must_use]
pub fn dominance(first: &SortedSample, second: &SortedSample) -> Option<Dominance> {
    let (m, n) = (first.count() as u64, second.count() as u64);
    let pairs = m.checked_mul(n).filter(|pairs| *pairs <= 1 << 63)?;
    let (mut first_greater, mut equal, mut second_below) = (0, 0, 0_u64);
    merge(first, second, |firsts, seconds| {
        first_greater += firsts * second_below;
        equal += firsts * seconds;
        second_below += seconds;
    });
    Some(Dominance {
        first_less: pairs - equal - first_greater,
        equal,
        first_greater,
    })
}

impl Dominance {
    /// Number of pairs, at least one.
    #[must_use]
    pub fn pairs(self) -> u64 {
        self.first_less + self.equal + self.first_greater
    }

    /// Cliff's delta, P(first > second) - P(first < second), from -1 to 1.
    ///
    /// N. Cliff, "Dominance statistics: Ordinal analyses to answer ordinal questions"
    /// (Psychological Bulletin 114, 1993). With the changed run's latencies first, below zero
    /// means that the change is faster.
    #[must_use]
    pub fn cliffs_delta(self) -> f64 {
        (self.first_greater as f64 - self.first_less as f64) / self.pairs() as f64
    }

    /// P(first < second), equal values counted half: with the changed run's latencies first, the
    /// probability that a request after the change is faster than one before it.
    ///
    /// The "common language effect size" of McGraw & Wong (Psychological Bulletin 111, 1992).
    #[must_use]
    pub fn probability_less(self) -> f64 {
        (self.first_less as f64 + 0.5 * self.equal as f64) / self.pairs() as f64
    }
}

/// The largest distance between the two empirical distribution functions, 0 to 1: it notices what medians miss,
/// such as the same median and a spread that exploded.
///
/// N. Smirnov, "Table for Estimating the Goodness of Fit of Empirical Distributions" (Annals of Mathematical
/// Statistics 19, 1948).
#[must_use]
pub fn kolmogorov_smirnov_distance(first: &SortedSample, second: &SortedSample) -> f64 {
    let (m, n) = (first.count() as u64, second.count() as u64);
    let (mut i, mut j, mut largest) = (0, 0, 0);
    merge(first, second, |firsts, seconds| {
        i += firsts;
        j += seconds;
        largest = (i * n).abs_diff(j * m).max(largest);
    });
    largest as f64 / (m * n) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::SplitMix64;

    fn uniform(seed: u64, count: usize) -> Vec<f64> {
        let mut random = SplitMix64::new(seed);
        (0..count).map(|_| random.below(1000) as f64).collect()
    }

    fn series(values: &[f64]) -> Series<'_> {
        Series {
            values,
            block_length: 1,
        }
    }

    #[test]
    fn bands_of_equal_systems_hold_zero_and_are_wider_together_than_alone() {
        let (old, new) = (uniform(1, 500), uniform(2, 500));
        let bootstrap = Bootstrap {
            replicates: 400,
            ..Bootstrap::default()
        };
        let all =
            shift_function(series(&old), series(&new), &SHIFT_PROBABILITIES, bootstrap).unwrap();
        assert!(
            all.iter()
                .all(|point| point.shift.low < 0.0 && point.shift.high > 0.0),
            "{all:?}"
        );
        let alone = shift_function(series(&old), series(&new), &[0.5], bootstrap).unwrap();
        let width = |point: &QuantileShift| point.shift.high - point.shift.low;
        assert!(
            width(&all[4]) > 1.15 * width(&alone[0]),
            "{:?} {alone:?}",
            all[4]
        );
    }

    #[test]
    fn a_change_of_the_tail_alone_shows_in_the_tail_alone() {
        let old = uniform(1, 800);
        let new: Vec<f64> = uniform(2, 800)
            .iter()
            .map(|value| {
                if *value > 850.0 {
                    value + 2000.0
                } else {
                    *value
                }
            })
            .collect();
        let bootstrap = Bootstrap {
            replicates: 300,
            ..Bootstrap::default()
        };
        let found =
            shift_function(series(&old), series(&new), &SHIFT_PROBABILITIES, bootstrap).unwrap();
        assert!(found[4].shift.low < 0.0 && found[4].shift.high > 0.0);
        assert!(found[8].shift.low > 1000.0);
    }

    #[test]
    fn constants_and_undefined_cases() {
        let constant = [3.0; 20];
        let bootstrap = Bootstrap::default();
        let found = shift_function(series(&constant), series(&constant), &[0.5], bootstrap);
        let shift = found.unwrap()[0].shift;
        assert_eq!((shift.low, shift.estimate, shift.high), (0.0, 0.0, 0.0));
        assert_eq!(
            shift_function(series(&[]), series(&constant), &[0.5], bootstrap),
            None
        );
        assert_eq!(
            shift_function(series(&constant), series(&constant), &[0.0], bootstrap),
            None
        );
    }

    #[test]
    fn equal_values_of_both_samples_form_one_group() {
        let first = SortedSample::new(&[3.0, 1.0, 1.0, -0.0]).unwrap();
        let second = SortedSample::new(&[1.0, 0.0, 4.0]).unwrap();
        let mut groups = Vec::new();
        merge(&first, &second, |firsts, seconds| {
            groups.push((firsts, seconds));
        });
        assert_eq!(groups, [(1, 1), (2, 1), (1, 0), (0, 1)]);
    }

    #[test]
    fn pairs_are_counted_as_by_hand() {
        let first = SortedSample::new(&[1.0, 2.0, 2.0, 5.0]).unwrap();
        let second = SortedSample::new(&[2.0, 4.0]).unwrap();
        let counts = dominance(&first, &second).unwrap();
        assert_eq!(
            counts,
            Dominance {
                first_less: 4,
                equal: 2,
                first_greater: 2
            }
        );
        assert_eq!(counts.cliffs_delta(), -0.25);
        assert_eq!(counts.probability_less(), 0.625);
    }

    #[test]
    fn samples_apart_and_samples_alike() {
        let low = SortedSample::new(&[1.0, 2.0]).unwrap();
        let high = SortedSample::new(&[3.0]).unwrap();
        assert_eq!(dominance(&low, &high).unwrap().cliffs_delta(), -1.0);
        assert_eq!(dominance(&low, &low).unwrap().cliffs_delta(), 0.0);
    }

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
