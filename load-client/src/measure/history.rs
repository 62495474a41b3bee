//! A run over time: its moments in bounded memory.

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
    pub low_ms: f64,
    pub high_ms: f64,
    pub count: u64,
}

/// Entries that are kept at most; of moments, which come each second, an hour. Beyond that every other
/// one is dropped, and from then on every other one is taken: a run of ten hours has a moment each 16 seconds.
const MAX_ENTRIES: usize = 3600;

/// Takes entries at a steady beat; keeps them evenly spaced.
#[derive(Debug)]
pub(crate) struct History<T> {
    entries: Vec<T>,
    given: usize,
    /// One in so many is kept.
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

    /// The entries that were kept, the oldest first.
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
