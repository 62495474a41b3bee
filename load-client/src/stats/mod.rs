//! Pure statistics: numbers in, numbers out. No I/O, no clock, no hidden source of chance: what
//! resamples takes a seed.
//!
//! Every function cites its source and answers `None` where its result is undefined, so that a
//! missing figure is never printed as 0.

mod autocorrelation;
mod hodges_lehmann;
mod mean_tests;
mod pairwise;
mod quantile;
mod resample;
mod sample;
mod shift_function;
mod tails;
mod trend;

pub use autocorrelation::{
    autocorrelation, automatic_block_length, effective_sample_size,
    effective_sample_size_of_quantile, welch_of_batch_means,
};
pub use hodges_lehmann::{
    Interval, PairwiseEstimate, PairwiseInterval, hodges_lehmann_shift, pairwise_ratio,
};
pub use mean_tests::{
    PairedInterval, PairedTest, Welch, blocks_for_half_width, holm, paired_interval,
    paired_interval_at, paired_t_test, sign_flip, welch,
};
pub use pairwise::{log_ratio, paired_log_ratio};
pub use quantile::{
    harrell_davis, locust_median, quantile, quantile_is_supported, quantile_of_sorted,
};
pub use resample::{
    Bootstrap, BootstrapEstimate, RunPair, Series, hierarchical_mean_change,
    hierarchical_quantile_changes, quantile_changes,
};
pub use sample::{SortedSample, lattice_step, mean, variance};
pub use shift_function::{
    Dominance, QuantileShift, SHIFT_PROBABILITIES, dominance, kolmogorov_smirnov_distance,
    shift_function,
};
pub use tails::{
    PValue, ln_normal_upper_tail, ln_two_sided_tail, normal_critical_value,
    two_sided_critical_value,
};
pub use trend::{LinearTrend, Trend, linear_trend, trend};

// The named generator behind every resampling and every random schedule: the same seed gives the same
// report, byte for byte, and the same load.

/// SplitMix64: Steele, Lea & Flood, "Fast Splittable Pseudorandom Number Generators" (OOPSLA 2014).
///
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
