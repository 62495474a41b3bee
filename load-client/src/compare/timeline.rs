//! How a run went over its time.

use serde::Serialize;

/// A stretch of a run's time, for charts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct TimeBin {
    /// Its middle, in seconds from the first request.
    pub(crate) seconds: f64,
    /// Median of the replies to what was sent in it, in milliseconds.
    pub(crate) median_ms: f64,
    /// Their 95th percentile.
    pub(crate) p95_ms: f64,
    /// Whether it belongs to the warm-up.
    pub(crate) warm_up: bool,
}
