//! The shift function: where in the distribution the change happened.

use serde::Serialize;

use super::resample::difference_replicates;
use super::{
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
    let replicates = difference_replicates(baseline, changed, probabilities, bootstrap)?;
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
        let estimate = changed - baseline;
        let shift = Interval {
            estimate,
            low: estimate - factor * deviation,
            high: estimate + factor * deviation,
        };
        Some(QuantileShift {
            probability: *probability,
            baseline,
            changed,
            shift: shift.finite()?,
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
}
