//! How two sets of runs are to be compared.

use crate::stats::Bootstrap;

/// How to compare.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// The relative change that matters in practice; 0.02 is 2 %.
    pub threshold: f64,
    /// How much to work out beside the verdict.
    pub detail: Detail,
}

/// How much to work out beside the verdict.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Detail {
    /// All there is, with intervals by this bootstrap.
    Full(Bootstrap),
    /// The effects over the blocks and the verdict on them: no resampling, no statistics of whole
    /// distributions, no curves. For those who compare thousands of times.
    Verdict,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threshold: 0.02,
            detail: Detail::Full(Bootstrap::default()),
        }
    }
}

impl Options {
    /// The bootstrap, if intervals are to be had by one.
    pub(super) fn bootstrap(&self) -> Option<Bootstrap> {
        match self.detail {
            Detail::Full(bootstrap) => Some(bootstrap),
            Detail::Verdict => None,
        }
    }
}
