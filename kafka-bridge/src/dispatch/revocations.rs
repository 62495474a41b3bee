//! Holds revoked partitions until their records in flight are finished.

use std::time::Duration;

use tokio::time::Instant;

use super::timers::after;
use crate::TopicPartition;
use crate::offsets::OffsetTracker;
use crate::ports::Revocation;

/// The pending revocations. Each is released when its records are finished or its time is over.
#[derive(Debug, Default)]
pub(super) struct Revocations {
    waiting: Vec<(Instant, Revocation)>,
}

impl Revocations {
    pub(super) fn add(&mut self, revocation: Revocation, patience: Duration) {
        let deadline = after(Instant::now(), patience);
        self.waiting.push((deadline, revocation));
    }

    /// Returns the earliest deadline of a revocation.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.iter().map(|(deadline, _)| *deadline).min()
    }

    /// Releases all revocations with their positions. Returns the partitions that have gone.
    pub(super) fn release_all(&mut self, offsets: &mut OffsetTracker) -> Vec<TopicPartition> {
        release(self.waiting.drain(..), offsets)
    }

    /// Releases the revocations that have nothing unfinished or are out of time, with their positions. Returns the
    /// partitions that have gone.
    pub(super) fn release_ready(&mut self, offsets: &mut OffsetTracker) -> Vec<TopicPartition> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let now = Instant::now();
        let is_ready = |(deadline, revocation): &mut (Instant, Revocation)| {
            let mut partitions = revocation.partitions.iter();
            *deadline <= now || !partitions.any(|partition| offsets.has_unfinished(partition))
        };
        let ready: Vec<_> = self.waiting.extract_if(.., is_ready).collect();
        release(ready, offsets)
    }
}

fn release(
    revocations: impl IntoIterator<Item = (Instant, Revocation)>,
    offsets: &mut OffsetTracker,
) -> Vec<TopicPartition> {
    let mut gone = Vec::new();
    for (_, revocation) in revocations {
        let partitions = revocation.partitions.iter();
        let positions = partitions.filter_map(|partition| offsets.revoke(partition));
        let positions = positions.collect();
        gone.extend(revocation.partitions.iter().cloned());
        revocation.release(positions);
    }
    gone
}
