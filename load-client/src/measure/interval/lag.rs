//! How late requests were sent, in the form that clients exchange.

use serde::{Deserialize, Serialize};

use super::Unreadable;
use super::record::TimesRecord;
use crate::measure::summary::Lag;
use crate::measure::tally::Latencies;

/// The lag of one client's requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LagRecord {
    times: TimesRecord,
    held_back: u64,
    unsent: u64,
}

impl LagRecord {
    pub(crate) fn new(times: &Latencies, held_back: u64, unsent: u64) -> Self {
        Self {
            times: TimesRecord::of(&times.times()),
            held_back,
            unsent,
        }
    }

    /// Returns the lag of one client, `None` without requests that have a lag. Fails for a record that cannot be read.
    pub(crate) fn lag(&self) -> Result<Option<Lag>, Unreadable> {
        Self::of_all(&[self])
    }

    /// Returns the lag of all clients together, like [`Self::lag`].
    pub(crate) fn of_all(records: &[&Self]) -> Result<Option<Lag>, Unreadable> {
        let mut all = Latencies::default();
        for record in records {
            all.take(&record.times.times()?);
        }
        let sum = |count: fn(&Self) -> u64| {
            let counts = records.iter().map(|own| count(own));
            counts.fold(0, u64::saturating_add)
        };
        Ok(all.lag(sum(|own| own.held_back), sum(|own| own.unsent)))
    }
}
