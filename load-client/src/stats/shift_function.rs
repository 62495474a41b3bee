//! The differences of two distributions beyond their means: the shift function on smooth quantiles, dominance, and the
//! largest distance.

use serde::Serialize;
use statrs::function::beta::checked_beta_reg;

use crate::stats::resample::quantile_differences;
use crate::stats::{Bootstrap, Interval, RunPair, SortedSample, mean, quantile, variance};

/// The quantiles of a shift function: the deciles, and the tail that users notice.
pub const SHIFT_PROBABILITIES: [f64; 11] =
    [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99];

/// One point of a shift function.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct QuantileShift {
    /// The quantile, 0 to 1.
    pub probability: f64,
    /// The value of the quantile in the baseline, by Harrell & Davis.
    pub baseline: f64,
    /// The value of the quantile in the changed run.
    pub changed: f64,
    /// Their difference, changed - baseline, with its simultaneous band.
    pub shift: Interval,
}

/// Returns the shift function of two runs with simultaneous bands.
///
/// K. Doksum, "Empirical Probability Plots and Statistical Inference for Nonlinear Models in the Two-Sample Case"
/// (Annals of Statistics 2, 1974), on Harrell-Davis quantiles as in R. R. Wilcox, "Comparing Two Independent Groups Via
/// Multiple Quantiles" (The Statistician 44, 1995). The bands hold all quantiles together with the given confidence.
/// Each band reaches c standard deviations of its bootstrap replicates, where c is the quantile of the largest
/// studentised deviation over the probabilities (Davison & Hinkley, *Bootstrap Methods*, section 4.2.4). Replicates are
/// of type-7 quantiles, which vary a little more than those of Harrell & Davis, so the bands are rather too wide than
/// too narrow.
///
/// `None` for the undefined cases of [`super::quantile_changes`], except that values may be negative here, and for the
/// undefined cases of [`harrell_davis`].
#[must_use]
pub fn shift_function(
    pair: RunPair<'_>,
    probabilities: &[f64],
    bootstrap: Bootstrap,
) -> Option<Vec<QuantileShift>> {
    let replicates = quantile_differences(pair, probabilities, bootstrap)?;
    let deviations = replicates.iter().map(|list| Some(variance(list)?.sqrt()));
    let deviations: Vec<f64> = deviations.collect::<Option<_>>()?;
    let factor = simultaneous_factor(&replicates, &deviations, bootstrap.confidence)?;
    let old = SortedSample::new(pair.baseline.values)?;
    let new = SortedSample::new(pair.changed.values)?;
    let shift = |(probability, deviation): (&f64, &f64)| {
        let baseline = harrell_davis(&old, *probability)?;
        let changed = harrell_davis(&new, *probability)?;
        Some(QuantileShift {
            probability: *probability,
            baseline,
            changed,
            shift: Interval::around(changed - baseline, factor * deviation)?,
        })
    };
    probabilities.iter().zip(&deviations).map(shift).collect()
}

/// Returns the c for which all replicates together stay within c standard deviations of their means.
fn simultaneous_factor(
    replicates: &[Vec<f64>],
    deviations: &[f64],
    confidence: f64,
) -> Option<f64> {
    let mut largest = vec![0.0_f64; replicates.first()?.len()];
    for (list, deviation) in replicates.iter().zip(deviations) {
        let centre = mean(list)?;
        // A quantile that is the same in all replicates needs no band.
        if *deviation > 0.0 {
            for (largest, value) in largest.iter_mut().zip(list) {
                *largest = largest.max((value - centre).abs() / deviation);
            }
        }
    }
    quantile(&largest, confidence)
}

/// Visits the distinct values of both samples in ascending order, with the number of times each sample has them.
fn merge(first: &SortedSample, second: &SortedSample, mut visit: impl FnMut(f64, f64)) {
    let (mut left, mut right) = (first.values(), second.values());
    let smallest = |left: &[f64], right: &[f64]| {
        let ends = left.first().into_iter().chain(right.first());
        ends.copied().reduce(f64::min)
    };
    while let Some(value) = smallest(left, right) {
        visit(take_equal(&mut left, value), take_equal(&mut right, value));
    }
}

fn take_equal(values: &mut &[f64], value: f64) -> f64 {
    let count = values.iter().take_while(|other| **other == value).count();
    *values = &values[count..];
    count as f64
}

/// Returns Cliff's delta, P(first > second) - P(first < second), from -1 to 1. O(m + n).
///
/// N. Cliff, "Dominance statistics: Ordinal analyses to answer ordinal questions" (Psychological Bulletin 114, 1993).
/// If the changed run's latencies come first, a value below zero means that the change is faster.
#[must_use]
pub fn cliffs_delta(first: &SortedSample, second: &SortedSample) -> f64 {
    let (difference, pairs) = dominance(first, second);
    difference / pairs
}

/// Returns the probability that a value of the first sample is smaller than a value of the second. Equal values count
/// half.
///
/// It equals (1 - Cliff's delta) / 2, and is the "common language effect size" of McGraw & Wong (Psychological Bulletin
/// 111, 1992).
#[must_use]
pub fn probability_smaller(first: &SortedSample, second: &SortedSample) -> f64 {
    let (difference, pairs) = dominance(first, second);
    (pairs - difference) / (2.0 * pairs)
}

/// Returns the number of pairs whose first value is larger minus the number whose first value is smaller, and the
/// number of all pairs.
fn dominance(first: &SortedSample, second: &SortedSample) -> (f64, f64) {
    let (m, n) = (first.count() as f64, second.count() as f64);
    let (mut difference, mut seconds_below) = (0.0, 0.0);
    merge(first, second, |firsts, seconds| {
        let seconds_above = n - seconds_below - seconds;
        difference += firsts * (seconds_below - seconds_above);
        seconds_below += seconds;
    });
    (difference, m * n)
}

/// Returns the largest distance between the two empirical distribution functions, 0 to 1. It detects changes that
/// medians miss, such as the same median with a much larger spread.
///
/// N. Smirnov, "Table for Estimating the Goodness of Fit of Empirical Distributions" (Annals of Mathematical
/// Statistics 19, 1948).
#[must_use]
pub fn kolmogorov_smirnov_distance(first: &SortedSample, second: &SortedSample) -> f64 {
    let (m, n) = (first.count() as f64, second.count() as f64);
    let (mut i, mut j, mut largest) = (0.0, 0.0, 0.0_f64);
    merge(first, second, |firsts, seconds| {
        i += firsts;
        j += seconds;
        // Whole numbers give equal functions a distance of exactly 0.
        largest = largest.max((i * n - j * m).abs());
    });
    largest / (m * n)
}

/// From this shape parameter on, the weights are integrals of a smooth hump.
const SMOOTH_FROM: f64 = 8.0;

/// Weights beyond this many standard deviations do not change the last digit.
const REACH: f64 = 12.0;

/// Nodes and weights of five-point Gauss-Legendre quadrature on [-1, 1] (Abramowitz & Stegun 25.4.30).
const NODES: [(f64, f64); 5] = [
    (-0.906_179_845_938_664, 0.236_926_885_056_189_08),
    (-0.538_469_310_105_683_1, 0.478_628_670_499_366_47),
    (0.0, 0.568_888_888_888_888_9),
    (0.538_469_310_105_683_1, 0.478_628_670_499_366_47),
    (0.906_179_845_938_664, 0.236_926_885_056_189_08),
];

/// Returns quantile `q` of a sample by Harrell & Davis, "A new distribution-free quantile estimator" (Biometrika 69,
/// 1982).
///
/// The weight of value i of n is the probability of the Beta((n+1) q, (n+1)(1-q)) distribution between (i-1)/n and i/n.
/// This quantile varies less from sample to sample than an interpolated order statistic, and changes smoothly on
/// rounded data. O(sqrt n) after sorting. `None` unless 0 < q < 1.
#[must_use]
pub fn harrell_davis(sample: &SortedSample, q: f64) -> Option<f64> {
    if !(q > 0.0 && q < 1.0) {
        return None;
    }
    let values = sample.values();
    let count = values.len() as f64;
    let (a, b) = ((count + 1.0) * q, (count + 1.0) * (1.0 - q));
    let centre = a / (a + b);
    let deviation = (centre * (1.0 - centre) / (a + b + 1.0)).sqrt();
    let smooth = a.min(b) >= SMOOTH_FROM;
    // On the side with few values the tails are longer than normal, so nothing is cut off there.
    let reach = if smooth {
        REACH * deviation * count
    } else {
        count
    };
    let from = (centre * count - reach).floor().max(0.0) as usize;
    let to = ((centre * count + reach).ceil() as usize).min(values.len());
    // Measured from the middle value, so that constants stay unchanged and nothing overflows.
    let origin = values[(centre * count) as usize];
    let (mut weighted, mut total) = (0.0, 0.0);
    for (index, value) in values.iter().enumerate().take(to).skip(from) {
        let weight = if smooth {
            smooth_weight(index as f64, count, a, b)
        } else {
            exact_weight(index as f64, count, a, b)?
        };
        total += weight;
        weighted += weight * (value - origin);
    }
    Some(origin + weighted / total).filter(|found| found.is_finite())
}

/// Computes the weight by quadrature, up to a factor that all weights share.
fn smooth_weight(index: f64, count: f64, a: f64, b: f64) -> f64 {
    // Relative to the top of the hump, where neither factor overflows.
    let top = (a - 1.0) / (a + b - 2.0);
    NODES
        .iter()
        .map(|(node, weight)| {
            let x = (index + 0.5 + 0.5 * node) / count;
            let rise = (a - 1.0) * ((x - top) / top).ln_1p();
            let fall = (b - 1.0) * ((top - x) / (1.0 - top)).ln_1p();
            weight * (rise + fall).exp()
        })
        .sum()
}

fn exact_weight(index: f64, count: f64, a: f64, b: f64) -> Option<f64> {
    let up_to = |edge: f64| checked_beta_reg(a, b, (edge / count).min(1.0)).ok();
    Some(up_to(index + 1.0)? - up_to(index)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{Series, SplitMix64};

    fn uniform(seed: u64, count: usize) -> Vec<f64> {
        let mut random = SplitMix64::new(seed);
        (0..count).map(|_| random.below(1000) as f64).collect()
    }

    fn pair<'a>(baseline: &'a [f64], changed: &'a [f64]) -> RunPair<'a> {
        let [baseline, changed] = [baseline, changed].map(|values| Series {
            values,
            block_length: 1,
        });
        RunPair { baseline, changed }
    }

    fn bootstrap(replicates: usize) -> Bootstrap {
        Bootstrap {
            replicates,
            ..Bootstrap::default()
        }
    }

    #[test]
    fn bands_of_equal_systems_hold_zero_and_are_wider_together_than_alone() {
        let (old, new) = (uniform(1, 500), uniform(2, 500));
        let bands = |probabilities: &[f64]| {
            shift_function(pair(&old, &new), probabilities, bootstrap(400)).unwrap()
        };
        let (all, alone) = (bands(&SHIFT_PROBABILITIES), bands(&[0.5]));
        let holds_zero = |point: &QuantileShift| point.shift.low < 0.0 && point.shift.high > 0.0;
        assert!(all.iter().all(holds_zero), "{all:?}");
        let width = |point: &QuantileShift| point.shift.high - point.shift.low;
        assert!(
            width(&all[4]) > 1.15 * width(&alone[0]),
            "{:?} {alone:?}",
            all[4]
        );
    }

    #[test]
    fn a_change_of_the_tail_alone_shows_in_the_tail_alone() {
        let slower = |value: f64| if value > 850.0 { value + 2000.0 } else { value };
        let new: Vec<f64> = uniform(2, 800).into_iter().map(slower).collect();
        let old = uniform(1, 800);
        let found = shift_function(pair(&old, &new), &SHIFT_PROBABILITIES, bootstrap(300));
        let found = found.unwrap();
        assert!(found[4].shift.low < 0.0 && found[4].shift.high > 0.0);
        assert!(found[8].shift.low > 1000.0);
    }

    #[test]
    fn constants_and_undefined_cases() {
        let constant = [3.0; 20];
        let found = |old: &[f64], probability| {
            shift_function(pair(old, &constant), &[probability], bootstrap(50))
        };
        let shift = found(&constant, 0.5).unwrap()[0].shift;
        assert_eq!((shift.low, shift.estimate, shift.high), (0.0, 0.0, 0.0));
        assert_eq!(found(&[], 0.5), None);
        assert_eq!(found(&constant, 0.0), None);
    }

    fn sorted(values: &[f64]) -> SortedSample {
        SortedSample::new(values).unwrap()
    }

    #[test]
    fn equal_values_of_both_samples_form_one_group() {
        let (first, second) = (sorted(&[3.0, 1.0, 1.0, -0.0]), sorted(&[1.0, 0.0, 4.0]));
        let mut groups = Vec::new();
        merge(&first, &second, |firsts, seconds| {
            groups.push((firsts, seconds));
        });
        assert_eq!(groups, [(1.0, 1.0), (2.0, 1.0), (1.0, 0.0), (0.0, 1.0)]);
    }

    #[test]
    fn pairs_are_counted_as_by_hand() {
        // The first value is smaller in four of eight pairs, and larger in two.
        let (first, second) = (sorted(&[1.0, 2.0, 2.0, 5.0]), sorted(&[2.0, 4.0]));
        assert_eq!(cliffs_delta(&first, &second), -0.25);
        assert_eq!(probability_smaller(&first, &second), 0.625);
        // Computed from Cliff's delta, -0.57, it would be 0.7849999999999999.
        let thousand: Vec<f64> = (1..=1000).map(f64::from).collect();
        let smaller = probability_smaller(&sorted(&thousand), &sorted(&[785.5]));
        assert_eq!(smaller, 0.785);
    }

    #[test]
    fn samples_alike_and_apart() {
        let alike = sorted(&[5.0, 5.0, 7.0]);
        let (low, high) = (sorted(&[1.0, 2.0]), sorted(&[3.0, 4.0]));
        for (first, second, delta, distance) in [
            (&alike, &alike, 0.0, 0.0),
            (&low, &high, -1.0, 1.0),
            (&low, &sorted(&[1.5, 4.0]), -0.5, 0.5),
        ] {
            assert_eq!(cliffs_delta(first, second), delta);
            assert_eq!(kolmogorov_smirnov_distance(first, second), distance);
        }
    }

    #[test]
    fn quantiles_outside_of_0_to_1_are_none() {
        assert_eq!(harrell_davis(&sorted(&[1.0]), 0.0), None);
        assert_eq!(harrell_davis(&sorted(&[1.0]), 1.0), None);
        assert_eq!(harrell_davis(&sorted(&[1.0]), f64::NAN), None);
    }

    #[test]
    fn one_value_and_constants_are_themselves() {
        assert_eq!(harrell_davis(&sorted(&[0.1]), 0.99), Some(0.1));
        assert_eq!(harrell_davis(&sorted(&[0.1; 700]), 0.3), Some(0.1));
        assert_eq!(harrell_davis(&sorted(&[1.7e308; 30]), 0.5), Some(1.7e308));
    }

    #[test]
    fn both_ways_to_the_weights_agree() {
        let values: Vec<f64> = (0..60).map(|index| f64::from(index).powi(2)).collect();
        let (a, b) = (61.0 * 0.4, 61.0 * 0.6);
        let all = |weight: &dyn Fn(f64) -> f64| {
            let weights: Vec<f64> = (0..60).map(|index| weight(f64::from(index))).collect();
            let weighted: f64 = weights.iter().zip(&values).map(|(w, v)| w * v).sum();
            weighted / weights.iter().sum::<f64>()
        };
        let smooth = all(&|index| smooth_weight(index, 60.0, a, b));
        let exact = all(&|index| exact_weight(index, 60.0, a, b).unwrap());
        assert!((smooth / exact - 1.0).abs() < 1e-12, "{smooth} {exact}");
    }

    #[test]
    fn a_symmetric_sample_has_its_centre_as_median() {
        let values: Vec<f64> = (0..100_001).map(f64::from).collect();
        let median = harrell_davis(&sorted(&values), 0.5).unwrap();
        assert!((median - 50_000.0).abs() < 1e-6, "{median}");
    }
}
