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

use self::statistics::{of_mean, of_quantiles};
use crate::stats::sample::is_level;
use crate::stats::{Interval, SortedSample, log_ratio, mean, quantile_of_sorted};

/// The values of one run in the order of time, with the block length to resample them by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Series<'a> {
    /// The values, in the order in which they were measured.
    pub values: &'a [f64],
    /// Length of a block, in values: see [`super::automatic_block_length`]. 1 takes the values as
    /// independent.
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

/// How a bootstrap is done.
#[derive(Debug, Clone, Copy, PartialEq)]
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

/// Takes figures of a resample, given how often it holds each place of the ring.
type TakeFigures = Box<dyn Fn(&[i16]) -> Vec<f64>>;

/// Draws resamples of one series, and takes figures of them.
struct Resampler {
    ring: Ring,
    figures: TakeFigures,
}

impl Resampler {
    /// Draws blocks of `block` places from a ring of `places`.
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

/// The multiplicities of the places of a ring in the last resample.
struct Ring {
    block: usize,
    /// How often each place was drawn; they add up to the number of places, which an i16 can count.
    multiplicities: Vec<i16>,
}

impl Ring {
    /// A ring of `places`, from which blocks of `block` places are drawn.
    fn new(places: usize, block: usize) -> Self {
        Self {
            block: block.clamp(1, places),
            multiplicities: vec![0; places],
        }
    }

    /// Draws as many blocks as fill the ring, cutting the last one: one draw of the generator for
    /// each block, for the place where it begins.
    fn draw(&mut self, random: &mut SplitMix64) {
        let places = self.multiplicities.len();
        self.multiplicities.fill(0);
        let mut left = places;
        while left > 0 {
            let length = self.block.min(left);
            let start = random.below(places);
            let (front, back) = self.multiplicities.split_at_mut(start);
            // What does not fit behind the start goes on at the front.
            let wrapped = (start + length).saturating_sub(places);
            let drawn = back.iter_mut().take(length).chain(&mut front[..wrapped]);
            drawn.for_each(|times| *times += 1);
            left -= length;
        }
    }
}

/// The relative change of quantiles over the blocks of an experiment, with bootstrap intervals.
///
/// A change of -0.3 means that the quantile is 30 % lower; quantiles are of type 7. A. C. Davison & D. V.
/// Hinkley, *Bootstrap Methods and their Application* (1997), section 3.8, as Kalibera & Jones (ISMM 2013) use it
/// for benchmarks: each replicate draws as many blocks as there are, with replacement, and for each drawn block
/// resamples its two runs by circular blocks of requests, the baseline first, all from one [`SplitMix64`]. The
/// figure of a replicate is the mean of the blocks' log-ratios, so it stands beside
/// [`crate::stats::paired_log_ratio`]. With few blocks the interval is narrower than Student's by about
/// sqrt((K - 1) / K) and more: if the two disagree, trust that one. With one block it knows only the variation
/// within the two runs: between runs there is more.
///
/// `None` without a block, for an empty series, values that are not finite, a quantile that is not above zero, a
/// block length of 0, and probabilities that do not ascend within 0 to 1. Values of zero are no hindrance as long as
/// the quantiles lie above them: `None` also where the quantile of a single resample does not, which depends on the
/// seed when about that share of the values is zero.
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

/// The relative change of the mean over the blocks of an experiment, with its bootstrap interval.
///
/// As [`quantile_changes`]. `None` also where the mean of a run is not above zero.
#[must_use]
pub fn mean_change(blocks: &[RunPair<'_>], bootstrap: Bootstrap) -> Option<Interval> {
    let mean = |series: Series<'_>| Some(vec![mean(series.values)?]);
    changes(blocks, bootstrap, mean, of_mean)?.pop()
}

/// The changes of the figures that `figures_of` finds in the data themselves, with the intervals of resamples.
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

/// For each figure its replicates: the mean, over the drawn blocks, of how it differs between their two runs.
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
            // A single block is no choice.
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

/// For each probability, the replicates of the difference changed - baseline of the quantiles of two runs.
pub(super) fn quantile_differences(
    pair: RunPair<'_>,
    probabilities: &[f64],
    bootstrap: Bootstrap,
) -> Option<Vec<Vec<f64>>> {
    let resampler = |series: Series<'_>| of_quantiles(series, probabilities);
    replicates(&[pair], bootstrap, resampler, |old, new| Some(new - old))
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
    /// By which the state grows with each number.
    pub(crate) const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

    /// A generator whose stream is given by `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(Self::STEP);
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
