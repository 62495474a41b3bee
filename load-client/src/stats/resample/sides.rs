//! The bootstrap of two single runs: both sides resampled on their own.

use super::{Bootstrap, BootstrapEstimate, Resampler, Series};
use crate::stats::{SplitMix64, quantile};

/// The relative change of quantiles from one run to another, each with its bootstrap interval.
///
/// A change of -0.3 means that the quantile is 30 % lower. Quantiles are of type 7. Each replicate
/// draws the blocks of the baseline first, then those of the changed run, from one
/// [`SplitMix64`]. The interval knows only the variation within the two runs: between runs there
/// is more. `None` for an empty series, values that are not finite and above zero, a block length
/// of 0, and probabilities that do not ascend within 0 to 1.
#[must_use]
pub fn quantile_changes(
    baseline: Series<'_>,
    changed: Series<'_>,
    probabilities: &[f64],
    bootstrap: Bootstrap,
) -> Option<Vec<BootstrapEstimate>> {
    let values = || baseline.values.iter().chain(changed.values);
    if values().any(|value| *value <= 0.0) {
        return None;
    }
    let sides = (
        Resampler::of_quantiles(baseline, probabilities)?,
        Resampler::of_quantiles(changed, probabilities)?,
    );
    let replicates = replicates(sides, probabilities.len(), bootstrap, change)?;
    let each = probabilities.iter().zip(&replicates);
    each.map(|(probability, replicates)| {
        let old = quantile(baseline.values, *probability)?;
        let new = quantile(changed.values, *probability)?;
        bootstrap.estimate(change(old, new), replicates)
    })
    .collect()
}

fn change(old: f64, new: f64) -> f64 {
    new / old - 1.0
}

/// For each probability, the replicates of the difference changed - baseline.
pub(in crate::stats) fn difference_replicates(
    baseline: Series<'_>,
    changed: Series<'_>,
    probabilities: &[f64],
    bootstrap: Bootstrap,
) -> Option<Vec<Vec<f64>>> {
    let sides = (
        Resampler::of_quantiles(baseline, probabilities)?,
        Resampler::of_quantiles(changed, probabilities)?,
    );
    replicates(sides, probabilities.len(), bootstrap, |old, new| new - old)
}

/// For each figure of the resamples, its replicates.
fn replicates(
    (mut baseline, mut changed): (Resampler, Resampler),
    figures: usize,
    bootstrap: Bootstrap,
    combine: impl Fn(f64, f64) -> f64,
) -> Option<Vec<Vec<f64>>> {
    if !bootstrap.is_valid() {
        return None;
    }
    let mut random = SplitMix64::new(bootstrap.seed);
    let (mut old, mut new) = (vec![0.0; figures], vec![0.0; figures]);
    let mut replicates = vec![Vec::with_capacity(bootstrap.replicates); figures];
    for _ in 0..bootstrap.replicates {
        baseline.draw(&mut random, &mut old);
        changed.draw(&mut random, &mut new);
        for ((list, old), new) in replicates.iter_mut().zip(&old).zip(&new) {
            list.push(combine(*old, *new));
        }
    }
    Some(replicates)
}
