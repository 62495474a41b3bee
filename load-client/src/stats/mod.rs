//! Pure statistics: numbers in, numbers out. No I/O, no clock, no hidden source of chance: what
//! resamples takes a seed.
//!
//! Every function cites its source and answers `None` where its result is undefined, so that a
//! missing figure is never printed as 0.

mod autocorrelation;
mod batch_means;
mod block_length;
mod coordinated_omission;
mod dominance;
mod equivalence;
mod harrell_davis;
mod histogram;
mod hodges_lehmann;
mod holm;
mod interval;
mod kolmogorov;
mod kolmogorov_smirnov;
mod lattice;
mod locust;
mod log_ratio;
mod mann_whitney;
mod moments;
mod normal;
mod p_value;
mod paired;
mod pairwise;
mod permutation;
mod quantile;
mod random;
mod rank_sum;
mod ratio_of_means;
mod resample;
mod shift_function;
mod sign_flip;
mod sorted;
mod student;
mod trend;
mod welch;

pub use autocorrelation::{
    EffectiveSize, autocorrelation, effective_sample_size, effective_sample_size_of_quantile,
    welch_of_effective_sizes,
};
pub use batch_means::{BATCHES, batch_means, welch_of_batch_means};
pub use block_length::automatic_block_length;
pub use coordinated_omission::corrected_for_omission;
pub use dominance::{Dominance, dominance};
pub use equivalence::{Equivalence, equivalence};
pub use harrell_davis::harrell_davis;
pub use histogram::{SharedHistogram, shared_histogram};
pub use hodges_lehmann::{
    PairwiseEstimate, PairwiseInterval, hodges_lehmann_shift, pairwise_ratio,
};
pub use holm::holm;
pub use interval::{Alternative, Interval};
pub use kolmogorov_smirnov::{
    KolmogorovSmirnov, kolmogorov_smirnov, kolmogorov_smirnov_asymptotic, kolmogorov_smirnov_exact,
};
pub use lattice::lattice_step;
pub use locust::{locust_bucket, locust_median};
pub use log_ratio::{
    Decision, LogRatioEffect, coefficient_of_variation, decide, equivalence_of, log_margins,
    log_ratio, paired_log_ratio, runs_for_power,
};
pub use mann_whitney::{MannWhitney, mann_whitney_asymptotic, mann_whitney_exact};
pub use moments::{mean, variance};
pub use normal::{ln_normal_upper_tail, normal_critical_value};
pub use p_value::PValue;
pub use paired::{
    PairedInterval, PairedTest, blocks_for_half_width, paired_interval, paired_interval_at,
    paired_t_test,
};
pub use permutation::{MAX_PERMUTATIONS, permutation_test};
pub use quantile::{quantile, quantile_is_supported, quantile_nearest_rank, quantile_of_sorted};
pub use random::SplitMix64;
pub use ratio_of_means::ratio_of_means;
pub use resample::{
    Bootstrap, BootstrapEstimate, RunPair, Series, hierarchical_mean_change,
    hierarchical_quantile_changes, mean_change, quantile_changes,
};
pub use shift_function::{QuantileShift, SHIFT_PROBABILITIES, quantile_shifts, shift_function};
pub use sign_flip::{MAX_SIGN_FLIP_PAIRS, sign_flip, sign_flip_towards};
pub use sorted::SortedSample;
pub use student::{ln_two_sided_tail, ln_upper_tail, two_sided_critical_value};
pub use trend::{LinearTrend, Trend, linear_trend, trend};
pub use welch::{Welch, welch, welch_interval};

#[cfg(test)]
mod correlated_tests;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod reference;
