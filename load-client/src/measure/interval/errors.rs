//! Failures by kind and text.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::measure::summary::{ErrorCount, Sample, Status};

/// The most different errors. A broker that puts an id into each text would fill the memory.
const MAX_ERROR_TEXTS: usize = 100;

/// How often each error occurred.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Errors {
    pub(super) seen: BTreeMap<(u16, Status, Cow<'static, str>), Occurrences>,
}

/// The occurrences of one error.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Occurrences {
    pub(super) count: u64,
    /// When it was first recorded, in seconds from the start of the run.
    pub(super) first_seconds: f64,
    pub(super) last_seconds: f64,
    /// The beginning of the first body of a failed reply, and when it was recorded, in seconds from the start of the
    /// run.
    pub(super) first_body: Option<(f64, Box<str>)>,
}

impl Errors {
    /// Counts a request that failed.
    pub(super) fn count(&mut self, sample: &Sample, seconds: f64) {
        let own = Occurrences {
            count: 1,
            first_seconds: seconds,
            last_seconds: seconds,
            first_body: sample.refused_body.clone().map(|body| (seconds, body)),
        };
        self.put(sample.kind, sample.status, sample.error.clone(), &own);
    }

    /// Counts occurrences of an error.
    pub(super) fn put(
        &mut self,
        kind: u16,
        status: Status,
        error: Cow<'static, str>,
        own: &Occurrences,
    ) {
        let mut key = (kind, status, error);
        if self.seen.len() >= MAX_ERROR_TEXTS && !self.seen.contains_key(&key) {
            key.2 = Cow::Borrowed("other errors");
        }
        let Some(entry) = self.seen.get_mut(&key) else {
            self.seen.insert(key, own.clone());
            return;
        };
        if let Some((seconds, _)) = &own.first_body
            && entry
                .first_body
                .as_ref()
                .is_none_or(|(first, _)| seconds < first)
        {
            entry.first_body.clone_from(&own.first_body);
        }
        entry.count = entry.count.saturating_add(own.count);
        entry.first_seconds = entry.first_seconds.min(own.first_seconds);
        entry.last_seconds = entry.last_seconds.max(own.last_seconds);
    }

    /// Adds the errors of another interval or another client.
    pub(crate) fn add(&mut self, other: &Self) {
        for ((kind, status, error), own) in &other.seen {
            self.put(*kind, *status, error.clone(), own);
        }
    }

    /// Returns the counts, the most frequent first. `names` are the names of the request kinds.
    pub(crate) fn counts(&self, names: &[String]) -> Vec<ErrorCount> {
        let count = |((kind, status, error), own): (&(u16, Status, Cow<'_, str>), &Occurrences)| {
            ErrorCount {
                name: names.get(usize::from(*kind)).cloned().unwrap_or_default(),
                status: *status,
                error: error.to_string(),
                count: own.count,
                first_seconds: own.first_seconds,
                last_seconds: own.last_seconds,
                first_body: own.first_body.as_ref().map(|(_, body)| body.clone()),
            }
        };
        let mut counts: Vec<_> = self.seen.iter().map(count).collect();
        counts.sort_by_key(|entry| std::cmp::Reverse(entry.count));
        counts
    }
}
