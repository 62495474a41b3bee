//! The hierarchical bootstrap of an experiment: blocks first, then requests inside their runs.

use super::{Bootstrap, BootstrapEstimate, Resampler, Series};
use crate::stats::{SplitMix64, log_ratio, mean, quantile};

/// The two runs of one block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RunPair<'a> {
    /// The baseline run.
    pub baseline: Series<'a>,
    /// The changed run.
    pub changed: Series<'a>,
}

/// The relative change of quantiles over the blocks of an experiment, with bootstrap intervals.
///
/// A. C. Davison & D. V. Hinkley, *Bootstrap Methods and their Application* (1997), section 3.8, as
/// Kalibera & Jones (ISMM 2013) use it for benchmarks: each replicate draws as many blocks as there
/// are, with replacement, and for each drawn block resamples its two runs by circular blocks of
/// requests, the baseline first. The figure of a replicate is the mean of the blocks' log-ratios,
/// so it stands beside [`super::super::paired_log_ratio`]. With few blocks the interval is narrower
/// than Student's by about sqrt((K - 1) / K) and more: if the two disagree, trust that one.
///
/// `None` below two blocks, and as for [`super::quantile_changes`].
#[must_use]
pub fn hierarchical_quantile_changes(
    blocks: &[RunPair<'_>],
    probabilities: &[f64],
    bootstrap: Bootstrap,
) -> Option<Vec<BootstrapEstimate>> {
    let estimates: Vec<f64> = probabilities
        .iter()
        .map(|probability| change_seen(blocks, |values| quantile(values, *probability)))
        .collect::<Option<_>>()?;
    resampled(blocks, &estimates, bootstrap, |series| {
        Resampler::of_quantiles(series, probabilities)
    })
}

/// The relative change of the mean over the blocks of an experiment, with its bootstrap interval.
///
/// As [`hierarchical_quantile_changes`]. With the requests of each second as values it is the
/// change of the throughput. `None` also where the mean of a run is not above zero.
#[must_use]
pub fn hierarchical_mean_change(
    blocks: &[RunPair<'_>],
    bootstrap: Bootstrap,
) -> Option<BootstrapEstimate> {
    let estimate = change_seen(blocks, mean)?;
    let found = resampled(blocks, &[estimate], bootstrap, Resampler::of_mean)?;
    found.first().copied()
}

/// The change in the data themselves: the geometric mean of the blocks' ratios, less one.
fn change_seen(blocks: &[RunPair<'_>], figure: impl Fn(&[f64]) -> Option<f64>) -> Option<f64> {
    let log_ratios: Option<Vec<f64>> = blocks
        .iter()
        .map(|pair| log_ratio(figure(pair.baseline.values)?, figure(pair.changed.values)?))
        .collect();
    Some(mean(&log_ratios?)?.exp_m1())
}

fn resampled(
    blocks: &[RunPair<'_>],
    estimates: &[f64],
    bootstrap: Bootstrap,
    resampler_of: impl Fn(Series<'_>) -> Option<Resampler>,
) -> Option<Vec<BootstrapEstimate>> {
    if blocks.len() < 2 || !bootstrap.is_valid() {
        return None;
    }
    let mut runs: Vec<(Resampler, Resampler)> = blocks
        .iter()
        .map(|pair| Some((resampler_of(pair.baseline)?, resampler_of(pair.changed)?)))
        .collect::<Option<_>>()?;
    let mut random = SplitMix64::new(bootstrap.seed);
    let mut replicates = vec![Vec::with_capacity(bootstrap.replicates); estimates.len()];
    let mut sums = vec![0.0; estimates.len()];
    for _ in 0..bootstrap.replicates {
        sums.fill(0.0);
        for _ in 0..blocks.len() {
            let drawn = random.below(blocks.len());
            add_log_ratios(&mut runs[drawn], &mut random, &mut sums)?;
        }
        for (list, sum) in replicates.iter_mut().zip(&sums) {
            list.push((sum / blocks.len() as f64).exp_m1());
        }
    }
    let each = estimates.iter().zip(&replicates);
    each.map(|(estimate, replicates)| bootstrap.estimate(*estimate, replicates))
        .collect()
}

fn add_log_ratios(
    (baseline, changed): &mut (Resampler, Resampler),
    random: &mut SplitMix64,
    sums: &mut [f64],
) -> Option<()> {
    let mut old = vec![0.0; sums.len()];
    let mut new = old.clone();
    baseline.draw(random, &mut old);
    changed.draw(random, &mut new);
    for ((sum, old), new) in sums.iter_mut().zip(&old).zip(&new) {
        *sum += log_ratio(*old, *new)?;
    }
    Some(())
}
