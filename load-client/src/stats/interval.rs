//! An estimate with its interval.

use serde::Serialize;

/// An estimate with its confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// The estimate itself.
    pub estimate: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Interval {
    /// Carries the three figures through a rising function, for example `exp_m1` from the log
    /// scale to relative changes.
    #[must_use]
    pub fn map(self, rising: impl Fn(f64) -> f64) -> Self {
        Self {
            estimate: rising(self.estimate),
            low: rising(self.low),
            high: rising(self.high),
        }
    }

    /// The interval, unless one of its figures is not a finite number.
    #[must_use]
    pub(super) fn finite(self) -> Option<Self> {
        let Self {
            estimate,
            low,
            high,
        } = self;
        (estimate.is_finite() && low.is_finite() && high.is_finite()).then_some(self)
    }
}

/// Whether `confidence` is a level such as 0.95.
pub(super) fn is_level(confidence: f64) -> bool {
    confidence > 0.0 && confidence < 1.0
}
