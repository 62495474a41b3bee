//! Failures by kind of request, outcome and text.

use std::collections::BTreeMap;

use crate::measure::sample::{Outcome, Status};
use crate::measure::summary::ErrorCount;

/// Different errors that are told apart; a broker that puts an id in each text would fill memory.
const MAX_ERROR_TEXTS: usize = 100;

#[derive(Debug, Default)]
pub(super) struct Errors {
    seen: BTreeMap<(u16, Status, String), Occurrences>,
}

#[derive(Debug)]
struct Occurrences {
    count: u64,
    first_seconds: f64,
    last_seconds: f64,
}

impl Errors {
    pub(super) fn count(&mut self, kind: u16, outcome: &Outcome, seconds: f64) {
        let key = (kind, outcome.status(), outcome.error().to_owned());
        let is_known = self.seen.len() < MAX_ERROR_TEXTS || self.seen.contains_key(&key);
        let key = if is_known {
            key
        } else {
            (kind, outcome.status(), "other errors".to_owned())
        };
        let entry = self.seen.entry(key).or_insert(Occurrences {
            count: 0,
            first_seconds: seconds,
            last_seconds: seconds,
        });
        entry.count += 1;
        entry.last_seconds = seconds;
    }

    /// The most frequent first.
    pub(super) fn counts(&self, name: impl Fn(u16) -> String) -> Vec<ErrorCount> {
        let entries = self.seen.iter();
        let mut counts: Vec<_> = entries
            .map(|((kind, status, error), seen)| ErrorCount {
                name: name(*kind),
                status: *status,
                error: error.clone(),
                count: seen.count,
                first_seconds: seen.first_seconds,
                last_seconds: seen.last_seconds,
            })
            .collect();
        counts.sort_by_key(|entry| std::cmp::Reverse(entry.count));
        counts
    }
}
