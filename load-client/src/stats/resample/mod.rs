//! The block bootstrap: intervals that respect the correlation within a run.
//!
//! Künsch, "The Jackknife and the Bootstrap for General Stationary Observations" (Annals of
//! Statistics 17, 1989); in its circular form Politis & Romano, "A Circular Block-Resampling
//! Procedure for Stationary Data" (in *Exploring the Limits of Bootstrap*, 1992): blocks of
//! neighbouring values are drawn instead of single ones, and the series is closed to a ring, so
//! that each value is as likely as any other. Intervals are percentile intervals (Efron, 1979).

mod coarse;
mod exact;
mod hierarchical;
mod means;
mod ring;
mod sides;

use serde::Serialize;

use coarse::Coarse;
use exact::Exact;
pub use hierarchical::{RunPair, hierarchical_mean_change, hierarchical_quantile_changes};
use means::Means;
pub(super) use sides::difference_replicates;
pub use sides::quantile_changes;

use super::interval::is_level;
use super::{Interval, SortedSample, SplitMix64, quantile_of_sorted, variance};

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

/// An estimate with the interval that resampling gives it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BootstrapEstimate {
    /// The estimate from the data themselves, and the percentile interval of the replicates.
    pub interval: Interval,
    /// Standard deviation of the replicates.
    pub deviation: f64,
}

impl Bootstrap {
    fn is_valid(&self) -> bool {
        self.replicates >= 2 && is_level(self.confidence)
    }

    /// The percentile interval of replicates round an estimate.
    fn estimate(&self, estimate: f64, replicates: &[f64]) -> Option<BootstrapEstimate> {
        let sorted = SortedSample::new(replicates)?;
        let tail = (1.0 - self.confidence) / 2.0;
        let interval = Interval {
            estimate,
            low: quantile_of_sorted(sorted.values(), tail)?,
            high: quantile_of_sorted(sorted.values(), 1.0 - tail)?,
        };
        Some(BootstrapEstimate {
            interval: interval.finite()?,
            deviation: variance(replicates)?.sqrt(),
        })
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
    fn draw(&mut self, random: &mut SplitMix64, figures: &mut [f64]) {
        match self {
            Self::Exact(exact) => exact.draw(random, figures),
            Self::Coarse(coarse) => coarse.draw(random, figures),
            Self::Means(means) => figures.fill(means.draw(random)),
        }
    }
}

#[cfg(test)]
mod tests;
