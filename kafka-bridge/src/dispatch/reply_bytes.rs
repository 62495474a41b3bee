//! What the replies hold that wait for their delivery reports: a slow broker must not fill the memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Of how many replies the mean size is told, roughly.
const MEMORY: usize = 8;

/// Counts the replies that wait, and their bytes; clones share the counts.
#[derive(Clone, Debug)]
pub(crate) struct ReplyBytes(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    replies: AtomicUsize,
    bytes: AtomicUsize,
    /// The mean size of the latest replies; what was handled without a reply counts as one of no size.
    mean: AtomicUsize,
}

/// A reply that waits.
#[derive(Debug)]
pub(super) struct Held(ReplyBytes, usize);

impl ReplyBytes {
    /// Expects replies of the largest size until it is known better, which takes some twenty of them.
    pub(super) fn new(max_reply_bytes: usize) -> Self {
        Self(Arc::new(Counts {
            mean: AtomicUsize::new(max_reply_bytes),
            ..Counts::default()
        }))
    }

    /// Counts a reply until the return value is dropped.
    pub(super) fn hold(&self, size: usize) -> Held {
        let Counts { replies, bytes, .. } = &*self.0;
        replies.fetch_add(1, Relaxed);
        bytes.fetch_add(size, Relaxed);
        self.note(size);
        Held(self.clone(), size)
    }

    /// Notes that a record was handled without a reply: else a bridge that never replies would expect
    /// the largest for ever.
    pub(super) fn none(&self) {
        self.note(0);
    }

    fn note(&self, size: usize) {
        let mean = &self.0.mean;
        // A size that another thread's takes the place of is one of many.
        let before = mean.load(Relaxed);
        mean.store(before - before / MEMORY + size / MEMORY, Relaxed);
    }

    /// Returns what the replies of so many jobs hold, those included that are still to be made: what
    /// they are expected to hold by those before them.
    pub(super) fn expected(&self, jobs: usize) -> usize {
        let Counts {
            replies,
            bytes,
            mean,
        } = &*self.0;
        let to_come = jobs.saturating_sub(replies.load(Relaxed));
        bytes.load(Relaxed) + to_come.saturating_mul(mean.load(Relaxed))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Counts { replies, bytes, .. } = &*self.0.0;
        replies.fetch_sub(1, Relaxed);
        bytes.fetch_sub(self.1, Relaxed);
    }
}
