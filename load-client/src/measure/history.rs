//! The course of a run over time, in bounded memory.

use serde::Serialize;

use crate::measure::summary::{Latency, Rates};

/// One moment of a run, taken once a second. It includes warm-up requests, with [`Moment::warm_up`] set. Totals do not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moment {
    /// Seconds since the start of the run.
    pub seconds: f64,
    /// The same moment on the wall clock, in seconds since 1970.
    pub unix_seconds: u64,
    /// Active users, or requests in flight of an open loop.
    pub users: u32,
    /// Whether the warm-up is still going on.
    pub warm_up: bool,
    /// One row for each request kind, in the plan's order.
    pub kinds: Vec<MomentRow>,
    pub total: MomentRow,
}

/// The recent figures of one kind of request, or of all of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MomentRow {
    /// The kind's name; `Aggregated` for all.
    pub name: String,
    /// Requests and failures per second over Locust's window: the ten seconds that ended two seconds ago.
    pub rates: Rates,
    /// Response times of the last ten seconds. `None` when there was no good reply.
    pub window: Option<Latency>,
    /// Requests that ended since the start.
    pub requests: u64,
    /// Requests that failed since the start.
    pub failures: u64,
}

/// One bin of a histogram: the number of response times that are at least `low_ms` and below `high_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Bin {
    pub low_ms: f64,
    pub high_ms: f64,
    pub count: u64,
}

/// The most entries that are kept. Moments come once a second, so this is an hour. When there are more, every other
/// entry is dropped and the interval doubles. A run of ten hours has a moment every 16 seconds.
const MAX_ENTRIES: usize = 3600;

/// Takes entries at regular intervals, and keeps them evenly spaced.
#[derive(Debug)]
pub(crate) struct History<T> {
    entries: Vec<T>,
    given: usize,
    /// One in this many entries is kept.
    stride: usize,
}

impl<T> Default for History<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            given: 0,
            stride: 1,
        }
    }
}

impl<T> History<T> {
    pub(crate) fn push(&mut self, entry: T) {
        if self.given.is_multiple_of(self.stride) {
            self.entries.push(entry);
        }
        self.given += 1;
        if self.entries.len() > MAX_ENTRIES {
            let mut index = 0;
            self.entries.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.stride *= 2;
        }
    }

    /// Returns the kept entries, the oldest first.
    pub(crate) fn entries(&self) -> &[T] {
        &self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: u32) -> Vec<u32> {
        let mut history = History::default();
        (0..seconds).for_each(|second| history.push(second));
        history.entries().to_vec()
    }

    #[test]
    fn every_entry_of_the_first_hour_is_kept() {
        assert!(after(3600).into_iter().eq(0..3600));
    }

    #[test]
    fn longer_runs_are_thinned_evenly() {
        let seconds = after(36_000);
        assert!(seconds.len() <= MAX_ENTRIES && seconds.len() > MAX_ENTRIES / 2);
        assert_eq!(seconds[0], 0);
        assert!(seconds.windows(2).all(|two| two[1] - two[0] == 16));
        assert!(36_000 - seconds.last().unwrap() <= 16);
    }
}
