//! The block bootstrap: intervals that respect the correlation within a run.
//!
//! Künsch, "The Jackknife and the Bootstrap for General Stationary Observations" (Annals of Statistics 17, 1989). The
//! circular form is by Politis & Romano, "A Circular Block-Resampling Procedure for Stationary Data" (in *Exploring the
//! Limits of Bootstrap*, 1992). It draws blocks of neighbouring values instead of single values. The series is closed
//! to a ring, so each value has the same probability. Intervals are percentile intervals (Efron, 1979).
//!
//! All random numbers come from [`SplitMix64`], which is also the generator of random schedules.

mod statistics;

use self::statistics::{of_mean, of_quantiles};
use crate::stats::sample::is_level;
use crate::stats::{Interval, SortedSample, log_ratio, mean, quantile_of_sorted};

/// The values of one run in time order, with the block length for resampling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Series<'a> {
    /// The values, in the order in which they were measured.
    pub values: &'a [f64],
    /// Length of a block, in values: see [`super::automatic_block_length`]. 1 treats the values as independent.
    pub block_length: usize,
}

/// The two runs of one block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RunPair<'a> {
    /// The baseline run.
    pub baseline: Series<'a>,
    /// The changed run.
    pub changed: Series<'a>,
}

/// The settings of a bootstrap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// Number of resamples.
    pub replicates: usize,
    /// Seed of [`SplitMix64`]. The same seed gives the same figures.
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

/// Computes the figures of a resample from the number of times it has each place of the ring.
type TakeFigures = Box<dyn Fn(&[i16]) -> Vec<f64>>;

/// Draws resamples of one series, and computes figures from them.
struct Resampler {
    ring: Ring,
    figures: TakeFigures,
}

impl Resampler {
    /// Makes a resampler that draws blocks of `block` places from a ring of `places`.
    fn new(places: usize, block: usize, figures: impl Fn(&[i16]) -> Vec<f64> + 'static) -> Self {
        Self {
            ring: Ring::new(places, block),
            figures: Box::new(figures),
        }
    }

    fn draw(&mut self, random: &mut SplitMix64) -> Vec<f64> {
        self.ring.draw(random);
        (self.figures)(&self.ring.multiplicities)
    }
}

/// How often the last resample has each place of a ring.
struct Ring {
    block: usize,
    /// How often each place was drawn. The sum is the number of places, which an i16 can hold.
    multiplicities: Vec<i16>,
}

impl Ring {
    /// Makes a ring of `places`, from which blocks of `block` places are drawn.
    fn new(places: usize, block: usize) -> Self {
        Self {
            block: block.clamp(1, places),
            multiplicities: vec![0; places],
        }
    }

    /// Draws as many blocks as fill the ring, and cuts the last one. Each block takes one number of the generator, for
    /// the place where it begins.
    fn draw(&mut self, random: &mut SplitMix64) {
        let places = self.multiplicities.len();
        self.multiplicities.fill(0);
        let mut left = places;
        while left > 0 {
            let length = self.block.min(left);
            let start = random.below(places);
            let (front, back) = self.multiplicities.split_at_mut(start);
            // The part beyond the end of the ring continues at its start.
            let wrapped = (start + length).saturating_sub(places);
            let drawn = back.iter_mut().take(length).chain(&mut front[..wrapped]);
            drawn.for_each(|times| *times += 1);
            left -= length;
        }
    }
}

/// Returns the relative change of quantiles over the blocks of an experiment, with bootstrap intervals.
///
/// A change of -0.3 means that the quantile is 30 % lower. Quantiles are of type 7. The method is that of A. C. Davison
/// & D. V. Hinkley, *Bootstrap Methods and their Application* (1997), section 3.8, which Kalibera & Jones (ISMM 2013)
/// use for benchmarks. Each replicate draws as many blocks as there are, with replacement. For each drawn block it
/// resamples the two runs by circular blocks of requests, the baseline first. All random numbers come from one
/// [`SplitMix64`]. The figure of a replicate is the mean of the blocks' log-ratios, so it is comparable with
/// [`crate::stats::paired_log_ratio`]. With few blocks the interval is narrower than Student's by about sqrt((K - 1) /
/// K) and more. If the two disagree, trust Student's. With one block the interval includes only the variation within
/// the two runs, and the variation between runs is larger.
///
/// `None` without a block, for an empty series, values that are not finite, a quantile that is not above zero, a block
/// length of 0, and probabilities that do not ascend within 0 to 1. Values of zero are allowed if the quantiles lie
/// above them. If the quantile of a single resample does not, the result is `None`. This depends on the seed when about
/// that share of the values is zero.
#[must_use]
pub fn quantile_changes(
    blocks: &[RunPair<'_>],
    probabilities: &[f64],
    bootstrap: Bootstrap,
) -> Option<Vec<Interval>> {
    let quantiles = |series: Series<'_>| {
        let sorted = SortedSample::new(series.values)?;
        let quantile = |q: &f64| quantile_of_sorted(sorted.values(), *q);
        probabilities.iter().map(quantile).collect()
    };
    let resampler = |series: Series<'_>| of_quantiles(series, probabilities);
    changes(blocks, bootstrap, quantiles, resampler)
}

/// Returns the relative change of the mean over the blocks of an experiment, with its bootstrap interval.
///
/// It works like [`quantile_changes`]. `None` also where the mean of a run is not above zero.
#[must_use]
pub fn mean_change(blocks: &[RunPair<'_>], bootstrap: Bootstrap) -> Option<Interval> {
    let mean = |series: Series<'_>| Some(vec![mean(series.values)?]);
    changes(blocks, bootstrap, mean, of_mean)?.pop()
}

/// Returns the changes of the figures that `figures_of` computes from the data themselves, with the intervals of
/// resamples.
fn changes(
    blocks: &[RunPair<'_>],
    bootstrap: Bootstrap,
    figures_of: impl Fn(Series<'_>) -> Option<Vec<f64>>,
    resampler_of: impl Fn(Series<'_>) -> Option<Resampler>,
) -> Option<Vec<Interval>> {
    let mut log_ratios = Vec::new();
    for pair in blocks {
        let (old, new) = (figures_of(pair.baseline)?, figures_of(pair.changed)?);
        let ratios = old
            .into_iter()
            .zip(new)
            .map(|(old, new)| log_ratio(old, new));
        log_ratios.push(ratios.collect::<Option<Vec<f64>>>()?);
    }
    let replicates = replicates(blocks, bootstrap, resampler_of, log_ratio)?;
    let tail = (1.0 - bootstrap.confidence) / 2.0;
    let interval = |(index, replicates): (usize, Vec<f64>)| {
        let estimates: Vec<f64> = log_ratios.iter().map(|block| block[index]).collect();
        let changes: Vec<f64> = replicates.into_iter().map(f64::exp_m1).collect();
        let sorted = SortedSample::new(&changes)?;
        let interval = Interval {
            estimate: mean(&estimates)?.exp_m1(),
            low: quantile_of_sorted(sorted.values(), tail)?,
            high: quantile_of_sorted(sorted.values(), 1.0 - tail)?,
        };
        interval.finite()
    };
    replicates.into_iter().enumerate().map(interval).collect()
}

/// Returns the replicates of each figure: the mean over the drawn blocks of the difference between their two runs.
fn replicates(
    blocks: &[RunPair<'_>],
    bootstrap: Bootstrap,
    resampler_of: impl Fn(Series<'_>) -> Option<Resampler>,
    difference: impl Fn(f64, f64) -> Option<f64>,
) -> Option<Vec<Vec<f64>>> {
    if blocks.is_empty() || bootstrap.replicates < 2 || !is_level(bootstrap.confidence) {
        return None;
    }
    let runs = blocks
        .iter()
        .map(|pair| Some([resampler_of(pair.baseline)?, resampler_of(pair.changed)?]));
    let mut runs: Vec<[Resampler; 2]> = runs.collect::<Option<_>>()?;
    let mut random = SplitMix64::new(bootstrap.seed);
    let mut replicates = Vec::new();
    for replicate in 0..bootstrap.replicates {
        for _ in 0..blocks.len() {
            // With a single block there is nothing to draw.
            let drawn = if blocks.len() > 1 {
                random.below(blocks.len())
            } else {
                0
            };
            let [old, new] = runs[drawn].each_mut().map(|run| run.draw(&mut random));
            replicates.resize_with(old.len(), || vec![0.0; bootstrap.replicates]);
            for (list, (old, new)) in replicates.iter_mut().zip(old.into_iter().zip(new)) {
                list[replicate] += difference(old, new)? / blocks.len() as f64;
            }
        }
    }
    Some(replicates)
}

/// Returns, for each probability, the replicates of the difference changed - baseline of the quantiles of two runs.
pub(super) fn quantile_differences(
    pair: RunPair<'_>,
    probabilities: &[f64],
    bootstrap: Bootstrap,
) -> Option<Vec<Vec<f64>>> {
    let resampler = |series: Series<'_>| of_quantiles(series, probabilities);
    replicates(&[pair], bootstrap, resampler, |old, new| Some(new - old))
}

/// The random generator behind every resampling and every random schedule. The same seed gives the same report, byte
/// for byte, and the same load.
///
/// SplitMix64: Steele, Lea & Flood, "Fast Splittable Pseudorandom Number Generators" (OOPSLA 2014). The paper fixes its
/// stream, so the figures of a report can be reproduced in any language and after any upgrade.
#[derive(Debug, Clone)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// The number by which the state grows with each draw.
    pub(crate) const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

    /// Makes the generator whose stream `seed` determines.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(Self::STEP);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number of 53 bits from 0, included, to 1, excluded.
    pub fn unit(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Returns a number of the exponential distribution with mean 1: the gap between arrivals of a Poisson process, in
    /// units of its mean gap.
    pub fn exponential(&mut self) -> f64 {
        // 1 - u is never 0, so the logarithm is finite.
        -(1.0 - self.unit()).ln()
    }

    /// Returns an index below `count`, which must not be zero. It takes the remainder of one draw.
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
