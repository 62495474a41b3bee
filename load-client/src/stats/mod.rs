//! Pure statistics: numbers in, numbers out. No I/O, no clock, no random source.
//!
//! Every function cites its source and answers `None` where its result is undefined, so that a
//! missing figure is never printed as 0.

mod histogram;
mod moments;
mod p_value;
mod paired;
mod quantile;
mod sign_flip;
mod student;
mod trend;
mod welch;

pub use histogram::{SharedHistogram, shared_histogram};
pub use moments::{mean, variance};
pub use p_value::PValue;
pub use paired::{PairedInterval, blocks_for_half_width, paired_interval};
pub use quantile::{quantile, quantile_is_supported, quantile_of_sorted};
pub use sign_flip::{MAX_SIGN_FLIP_PAIRS, sign_flip};
pub use student::{ln_two_sided_tail, two_sided_critical_value};
pub use trend::{Trend, trend};
pub use welch::{Welch, welch};

#[cfg(test)]
mod reference;
