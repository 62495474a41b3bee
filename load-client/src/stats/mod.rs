//! Pure statistics: numbers in, numbers out. No I/O, no clock, no hidden source of chance: what
//! resamples takes a seed.
//!
//! Every function cites its source and answers `None` where its result is undefined, so that a
//! missing figure is never printed as 0.

mod autocorrelation;
mod batch_means;
mod block_length;
mod dominance;
mod harrell_davis;
mod hodges_lehmann;
mod holm;
mod interval;
mod kolmogorov_smirnov;
mod lattice;
mod locust;
mod log_ratio;
mod moments;
mod normal;
mod p_value;
mod paired;
mod pairwise;
mod quantile;
mod random;
mod rank_sum;
mod resample;
mod shift_function;
mod sign_flip;
mod sorted;
mod student;
mod trend;
mod welch;

pub use autocorrelation::{
    autocorrelation, effective_sample_size, effective_sample_size_of_quantile,
};
pub use batch_means::welch_of_batch_means;
pub use block_length::automatic_block_length;
pub use dominance::{Dominance, dominance};
pub use harrell_davis::harrell_davis;
pub use hodges_lehmann::{
    PairwiseEstimate, PairwiseInterval, hodges_lehmann_shift, pairwise_ratio,
};
pub use holm::holm;
pub use interval::Interval;
pub use kolmogorov_smirnov::kolmogorov_smirnov_distance;
pub use lattice::lattice_step;
pub use locust::locust_median;
pub use log_ratio::{log_ratio, paired_log_ratio};
pub use moments::{mean, variance};
pub use normal::{ln_normal_upper_tail, normal_critical_value};
pub use p_value::PValue;
pub use paired::{
    PairedInterval, PairedTest, blocks_for_half_width, paired_interval, paired_interval_at,
    paired_t_test,
};
pub use quantile::{quantile, quantile_is_supported, quantile_of_sorted};
pub use random::SplitMix64;
pub use resample::{
    Bootstrap, BootstrapEstimate, RunPair, Series, hierarchical_mean_change,
    hierarchical_quantile_changes, quantile_changes,
};
pub use shift_function::{QuantileShift, SHIFT_PROBABILITIES, shift_function};
pub use sign_flip::sign_flip;
pub use sorted::SortedSample;
pub use student::{ln_two_sided_tail, two_sided_critical_value};
pub use trend::{LinearTrend, Trend, linear_trend, trend};
pub use welch::{Welch, welch};

#[cfg(test)]
mod correlated_tests;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod reference;
