//! The block bootstrap: intervals that respect the correlation within a run.
//!
//! Künsch, "The Jackknife and the Bootstrap for General Stationary Observations" (Annals of
//! Statistics 17, 1989); in its circular form Politis & Romano, "A Circular Block-Resampling
//! Procedure for Stationary Data" (in *Exploring the Limits of Bootstrap*, 1992): blocks of
//! neighbouring values are drawn instead of single ones, and the series is closed to a ring, so
//! that each value is as likely as any other. Intervals are percentile intervals (Efron, 1979).
//!
//! [`SplitMix64`], from which all is drawn, is the generator of random schedules too.

mod statistics;

use serde::Serialize;

use self::statistics::{Coarse, Exact, Means};
use crate::stats::sample::is_level;
use crate::stats::{Interval, SortedSample, log_ratio, mean, quantile, quantile_of_sorted};

/// Longest series whose resamples are counted value by value.
const EXACT_UP_TO: usize = 16_384;

/// The values of one run in the order of time, with the block length to resample them by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Series<'a> {
    /// The values, in the order in which they were measured.
    pub values: &'a [f64],
    /// Length of a block, in values: see [`super::automatic_block_length`]. 1 takes the values as
    /// independent.
    pub block_length: usize,
}

/// How a bootstrap is done.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bootstrap {
    /// How many resamples are drawn.
    pub replicates: usize,
    /// Seed of [`SplitMix64`]: the same seed gives the same figures.
    pub seed: u64,
    /// Confidence of the interval, such as 0.95.
    pub confidence: f64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            replicates: 2_000,
            seed: 42,
            confidence: 0.95,
        }
    }
}

impl Bootstrap {
    fn is_valid(&self) -> bool {
        self.replicates >= 2 && is_level(self.confidence)
    }

    /// An estimate with the percentile interval of its replicates.
    fn estimate(&self, estimate: f64, replicates: &[f64]) -> Option<Interval> {
        let sorted = SortedSample::new(replicates)?;
        let tail = (1.0 - self.confidence) / 2.0;
        let interval = Interval {
            estimate,
            low: quantile_of_sorted(sorted.values(), tail)?,
            high: quantile_of_sorted(sorted.values(), 1.0 - tail)?,
        };
        interval.finite()
    }
}

/// Draws resamples of one series and reads their quantiles, or their mean.
///
/// Up to 16,384 values the quantiles are exact. Longer series are cut into 1,024 segments, blocks
/// begin and end between segments, and quantiles are read off a grid of thresholds that is dense
/// where the quantiles of the resamples fall: 2,000 resamples of a million values take a fraction
/// of a second instead of minutes. What the grid blurs is below a hundredth of the interval.
enum Resampler {
    Exact(Exact),
    Coarse(Coarse),
    Means(Means),
}

impl Resampler {
    /// `None` for an empty series, a block length of 0, values that are not finite, and
    /// probabilities that do not ascend within 0 to 1.
    fn of_quantiles(series: Series<'_>, probabilities: &[f64]) -> Option<Self> {
        let ascending = probabilities.is_sorted_by(|a, b| a < b);
        let within = probabilities.iter().all(|q| (0.0..=1.0).contains(q));
        let sorted = SortedSample::new(series.values)?;
        if series.block_length == 0 || !ascending || !within {
            return None;
        }
        Some(if sorted.count() <= EXACT_UP_TO {
            Self::Exact(Exact::new(series, probabilities))
        } else {
            Self::Coarse(Coarse::new(series, &sorted, probabilities))
        })
    }

    /// `None` for an empty series, a block length of 0, and values that are not finite.
    fn of_mean(series: Series<'_>) -> Option<Self> {
        let finite = series.values.iter().all(|value| value.is_finite());
        let drawable = finite && !series.values.is_empty() && series.block_length > 0;
        drawable.then(|| Self::Means(Means::new(series)))
    }

    /// The figures of one resample: the quantiles in the order of the probabilities, or the mean.
    fn draw(&mut self, random: &mut SplitMix64) -> Vec<f64> {
        match self {
            Self::Exact(exact) => exact.draw(random),
            Self::Coarse(coarse) => coarse.draw(random),
            Self::Means(means) => vec![means.draw(random)],
        }
    }
}

/// The multiplicities of the places of a ring in the last resample.
struct Ring {
    block: usize,
    /// How often each place was drawn; they add up to the number of places.
    multiplicities: Vec<i16>,
    steps: Vec<i32>,
}

impl Ring {
    /// A ring of `places`, from which blocks of `block` places are drawn.
    fn new(places: usize, block: usize) -> Self {
        Self {
            block: block.clamp(1, places),
            multiplicities: vec![0; places],
            steps: vec![0; places + 1],
        }
    }

    /// Draws as many blocks as fill the ring, cutting the last one: one draw of the generator for
    /// each block, for the place where it begins.
    fn draw(&mut self, random: &mut SplitMix64) {
        let places = self.multiplicities.len();
        self.steps.fill(0);
        let mut left = places;
        while left > 0 {
            let length = self.block.min(left);
            let start = random.below(places);
            let end = start + length;
            self.steps[start] += 1;
            self.steps[end.min(places)] -= 1;
            if end > places {
                self.steps[0] += 1;
                self.steps[end - places] -= 1;
            }
            left -= length;
        }
        let mut covering = 0;
        for (multiplicity, step) in self.multiplicities.iter_mut().zip(&self.steps) {
            covering += step;
            // At most one for each block, and a series has fewer places than an i16 can count.
            *multiplicity = covering as i16;
        }
    }
}

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
) -> Option<Vec<Interval>> {
    let mut values = baseline.values.iter().chain(changed.values);
    if values.any(|value| *value <= 0.0) {
        return None;
    }
    let change = |old: f64, new: f64| new / old - 1.0;
    let replicates = replicates(baseline, changed, probabilities, bootstrap, change)?;
    let each = probabilities.iter().zip(&replicates);
    each.map(|(probability, replicates)| {
        let old = quantile(baseline.values, *probability)?;
        let new = quantile(changed.values, *probability)?;
        bootstrap.estimate(change(old, new), replicates)
    })
    .collect()
}

/// For each probability, the replicates of what `combine` makes of the quantiles of the two runs.
pub(super) fn replicates(
    baseline: Series<'_>,
    changed: Series<'_>,
    probabilities: &[f64],
    bootstrap: Bootstrap,
    combine: impl Fn(f64, f64) -> f64,
) -> Option<Vec<Vec<f64>>> {
    let mut baseline = Resampler::of_quantiles(baseline, probabilities)?;
    let mut changed = Resampler::of_quantiles(changed, probabilities)?;
    if !bootstrap.is_valid() {
        return None;
    }
    let mut random = SplitMix64::new(bootstrap.seed);
    let mut replicates = vec![Vec::with_capacity(bootstrap.replicates); probabilities.len()];
    for _ in 0..bootstrap.replicates {
        let old = baseline.draw(&mut random);
        let new = changed.draw(&mut random);
        for ((list, old), new) in replicates.iter_mut().zip(old).zip(new) {
            list.push(combine(old, new));
        }
    }
    Some(replicates)
}

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
/// so it stands beside [`crate::stats::paired_log_ratio`]. With few blocks the interval is narrower
/// than Student's by about sqrt((K - 1) / K) and more: if the two disagree, trust that one.
///
/// `None` below two blocks, and as for [`quantile_changes`].
#[must_use]
pub fn hierarchical_quantile_changes(
    blocks: &[RunPair<'_>],
    probabilities: &[f64],
    bootstrap: Bootstrap,
) -> Option<Vec<Interval>> {
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
pub fn hierarchical_mean_change(blocks: &[RunPair<'_>], bootstrap: Bootstrap) -> Option<Interval> {
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
) -> Option<Vec<Interval>> {
    if blocks.len() < 2 || !bootstrap.is_valid() {
        return None;
    }
    let mut runs: Vec<(Resampler, Resampler)> = blocks
        .iter()
        .map(|pair| Some((resampler_of(pair.baseline)?, resampler_of(pair.changed)?)))
        .collect::<Option<_>>()?;
    let mut random = SplitMix64::new(bootstrap.seed);
    let mut replicates = vec![Vec::with_capacity(bootstrap.replicates); estimates.len()];
    for _ in 0..bootstrap.replicates {
        let mut sums = vec![0.0; estimates.len()];
        for _ in 0..blocks.len() {
            let (baseline, changed) = &mut runs[random.below(blocks.len())];
            let old = baseline.draw(&mut random);
            let new = changed.draw(&mut random);
            for ((sum, old), new) in sums.iter_mut().zip(old).zip(new) {
                *sum += log_ratio(old, new)?;
            }
        }
        for (list, sum) in replicates.iter_mut().zip(sums) {
            list.push((sum / blocks.len() as f64).exp_m1());
        }
    }
    let each = estimates.iter().zip(&replicates);
    each.map(|(estimate, replicates)| bootstrap.estimate(*estimate, replicates))
        .collect()
}

/// The named generator behind every resampling and every random schedule: the same seed gives the same report,
/// byte for byte, and the same load.
///
/// SplitMix64: Steele, Lea & Flood, "Fast Splittable Pseudorandom Number Generators" (OOPSLA 2014).
/// Its stream is fixed by the paper, so that a figure of a report can be had again in any language
/// and after any upgrade.
#[derive(Debug, Clone)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// A generator whose stream is given by `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0, included, to 1, excluded; of 53 bits.
    pub fn unit(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number of the exponential distribution with mean 1: the gap between arrivals of a Poisson
    /// process, in units of its mean gap.
    pub fn exponential(&mut self) -> f64 {
        // 1 - u is never 0, so the logarithm is finite.
        -(1.0 - self.unit()).ln()
    }

    /// An index below `count`, which must not be zero: one draw, by remainder.
    ///
    /// The remainder favours low indices by `count` / 2^64, less than 1e-13 for a million values.
    pub fn below(&mut self, count: usize) -> usize {
        (self.draw() % count as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_that_of_the_paper() {
        let mut random = SplitMix64::new(0);
        assert_eq!(random.draw(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(random.draw(), 0x6e78_9e6a_a1b9_65f4);
        assert_eq!(random.draw(), 0x06c4_5d18_8009_454f);
        assert_eq!(
            SplitMix64::new(0).below(10),
            0xe220_a839_7b1d_cdaf_u64 as usize % 10
        );
    }

    #[test]
    fn exponential_gaps_have_mean_and_spread_1() {
        let mut random = SplitMix64::new(7);
        let gaps: Vec<f64> = (0..100_000).map(|_| random.exponential()).collect();
        let mean = gaps.iter().sum::<f64>() / 1e5;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / 1e5;
        // Ten standard errors.
        assert!((mean - 1.0).abs() < 0.032, "{mean}");
        assert!((variance - 1.0).abs() < 0.09, "{variance}");
    }
}
