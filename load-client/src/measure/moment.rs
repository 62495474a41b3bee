//! A run as it stands at one moment: what history, live table and live page are made of.

use serde::Serialize;

use crate::measure::summary::{Latency, Rates};

/// One moment of a run, taken once a second. Warm-up requests count in it: history shows them, with
/// [`Moment::warm_up`] set, while no total does.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moment {
    /// Seconds since the start of the run.
    pub seconds: f64,
    /// The same moment on the wall clock, in seconds since 1970.
    pub unix_seconds: u64,
    /// Users that are active, or requests in flight of an open loop.
    pub users: u32,
    /// Whether the warm-up is still on.
    pub warm_up: bool,
    /// One for each request kind, in the plan's order.
    pub kinds: Vec<MomentRow>,
    /// All kinds together.
    pub total: MomentRow,
}

/// What one kind of request, or all of them, did lately.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MomentRow {
    /// The kind's name; `Aggregated` for all.
    pub name: String,
    /// Requests and failures per second over Locust's window: the ten seconds that ended two seconds ago.
    pub rates: Rates,
    /// Response times of the last ten seconds; `None` when no good reply came.
    pub window: Option<Latency>,
    /// Requests that ended since the start.
    pub requests: u64,
    /// Requests that failed since the start.
    pub failures: u64,
}

/// One bin of a histogram: how many response times are at least `low_ms` and below `high_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Bin {
    /// Lower edge.
    pub low_ms: f64,
    /// Upper edge.
    pub high_ms: f64,
    /// Response times between the two.
    pub count: u64,
}
