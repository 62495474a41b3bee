//! Counts the bytes of replies that wait for their delivery reports: a slow broker must not fill the memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The mean size is that of about this many replies.
const MEMORY: usize = 8;

/// Counts the waiting replies and their bytes. Clones share the counts.
#[derive(Clone, Debug)]
pub(crate) struct ReplyBytes(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    replies: AtomicUsize,
    bytes: AtomicUsize,
    /// The mean size of the latest replies, in bytes. A record without a reply counts as a reply of size zero.
    mean: AtomicUsize,
}

/// A waiting reply.
#[derive(Debug)]
pub(super) struct Held(ReplyBytes, usize);

impl ReplyBytes {
    /// Expects replies of the maximum size until about twenty replies have shown the true mean.
    pub(super) fn new(max_reply_bytes: usize) -> Self {
        Self(Arc::new(Counts {
            mean: AtomicUsize::new(max_reply_bytes),
            ..Counts::default()
        }))
    }

    /// Counts a reply until the returned value is dropped.
    pub(super) fn hold(&self, size: usize) -> Held {
        let Counts { replies, bytes, .. } = &*self.0;
        replies.fetch_add(1, Relaxed);
        bytes.fetch_add(size, Relaxed);
        self.note(size);
        Held(self.clone(), size)
    }

    /// Notes that a record was handled without a reply. Otherwise a bridge that never replies would expect the maximum
    /// size forever.
    pub(super) fn none(&self) {
        self.note(0);
    }

    fn note(&self, size: usize) {
        let mean = &self.0.mean;
        // Racy on purpose: a lost update is one of many.
        let before = mean.load(Relaxed);
        mean.store(before - before / MEMORY + size / MEMORY, Relaxed);
    }

    /// Returns the bytes of the replies of so many jobs. Replies that are still to be made count with the mean size.
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
