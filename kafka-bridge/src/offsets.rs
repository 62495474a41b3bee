//! Which offset may be committed: the lowest unfinished delivered one of each partition.
//!
//! Pure bookkeeping. Offsets are tracked as they are delivered, so that gaps (compaction,
//! transaction markers) count as done; a partition is tracked per assignment, so that work of an
//! earlier assignment that finishes late changes nothing. What is finished above the committed offset goes with it, so
//! that the next assignment handles it no more.

mod finished;
mod partition;
mod table;

use std::time::Instant;

pub use self::finished::Finished;
use self::partition::Partition;
use self::table::Table;
use crate::{Coordinates, TopicPartition};

/// What is to be committed for a partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The partition.
    pub topic_partition: TopicPartition,
    /// The offset to resume from, so one more than that of the last finished record.
    pub next_offset: i64,
    /// The assignment under which it was reached.
    pub generation: u64,
    /// What is finished above it already.
    pub finished: Finished,
}

/// The delivered record of a partition that is unfinished and has the lowest offset: what the
/// partition's position waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oldest {
    /// The partition.
    pub topic_partition: TopicPartition,
    /// The record's own offset.
    pub offset: i64,
    /// Since when it is waited for: its delivery, or when it became the lowest one.
    pub since: Instant,
    /// Whether its handler has ended, and it waits for its reply or dead letter to be acknowledged. Told of records
    /// that are about to count as stuck.
    pub replying: bool,
}

/// What a delivered record is to its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The next record: to be handled.
    Next,
    /// A record below one that was delivered before: to be handled, and worth a warning.
    Rewound,
    /// A record that was finished under an earlier assignment: not to be handled again.
    Finished,
    /// A record that is not to be handled: its partition is not assigned, is being let go, or was
    /// assigned anew since.
    Stale,
}

/// Follows the records of all assigned partitions from delivery to their end.
///
/// # Examples
///
/// ```
/// use std::time::Instant;
/// use kafka_bridge::{Coordinates, TopicPartition, offsets::{Delivery, OffsetTracker}};
///
/// let mut tracker = OffsetTracker::default();
/// let topic_partition = TopicPartition::new("createOrder", 0);
/// tracker.assign(&topic_partition, 1);
/// let at = |offset| Coordinates { topic_partition: topic_partition.clone(), offset, generation: 1 };
///
/// let now = Instant::now();
/// assert_eq!(tracker.deliver(&at(10), now), Delivery::Next);
/// assert_eq!(tracker.deliver(&at(11), now), Delivery::Next);
/// tracker.finish(&at(11));
/// assert_eq!(tracker.take_changed()[0].next_offset, 10); // 10 is unfinished
/// tracker.finish(&at(10));
/// assert_eq!(tracker.take_changed()[0].next_offset, 12);
/// ```
#[derive(Debug, Default)]
pub struct OffsetTracker {
    partitions: Table,
    /// How many offsets all partitions hold.
    tracked: usize,
    changed: bool,
}

impl OffsetTracker {
    /// Begins to follow a partition, forgetting what an earlier assignment left.
    pub fn assign(&mut self, topic_partition: &TopicPartition, generation: u64) {
        self.revoke(topic_partition);
        let fresh = Partition::new(generation);
        self.partitions.insert(topic_partition.clone(), fresh);
    }

    /// Notes a delivered record and tells whether it is to be handled.
    ///
    /// Offsets of a partition rise. When one does not, the partition was set back: its topic was
    /// made anew, or its log truncated. It is then followed from there.
    #[must_use]
    pub fn deliver(&mut self, at: &Coordinates, now: Instant) -> Delivery {
        let Some(partition) = self.current(at).filter(|partition| !partition.closed) else {
            return Delivery::Stale;
        };
        let rewound = partition.is_rewound_by(at.offset);
        let forgotten = if rewound { partition.forget() } else { 0 };
        let was_finished = partition.was_finished(at.offset);
        let held = partition.push(at.offset, now, was_finished);
        self.tracked = self.tracked + held - forgotten;
        self.changed = true;
        match (was_finished, rewound) {
            (true, _) => Delivery::Finished,
            (false, true) => Delivery::Rewound,
            (false, false) => Delivery::Next,
        }
    }

    /// Takes in what was finished under an earlier assignment above what is committed: where its records have not been
    /// delivered yet, they are finished when they are. Of an assignment that is over it counts for nothing.
    pub fn restore(&mut self, committed: &Position) {
        let partition = self.partitions.get_mut(&committed.topic_partition);
        if let Some(own) = partition.filter(|own| own.generation == committed.generation) {
            own.restore(committed.next_offset, &committed.finished);
        }
    }

    /// Takes no further record of a partition that is about to be revoked.
    pub fn close(&mut self, topic_partition: &TopicPartition) {
        if let Some(partition) = self.partitions.get_mut(topic_partition) {
            partition.closed = true;
        }
    }

    /// Notes that a delivered record came to its end.
    pub fn finish(&mut self, at: &Coordinates) {
        let Some(partition) = self.current(at) else {
            return;
        };
        if let Some(taken_off) = partition.finish(at.offset) {
            self.tracked -= taken_off;
            self.changed = true;
        }
    }

    /// Takes the latest records of a partition, in order, for not delivered.
    pub(crate) fn take_back(&mut self, records: &[Coordinates]) {
        for at in records.iter().rev() {
            let Some(partition) = self.current(at) else {
                continue;
            };
            self.tracked -= partition.take_back(at.offset);
        }
    }

    /// Follows a partition from here, under another generation, forgetting all that was before.
    pub(crate) fn begin_anew(&mut self, start: &Position) {
        self.assign(&start.topic_partition, start.generation);
        self.skip_to(start);
    }

    /// Moves a partition on to a position before which nothing will come any more; one that still has
    /// records to finish moves on with the next one delivered.
    pub(crate) fn skip_to(&mut self, position: &Position) {
        if let Some(partition) = self.partitions.get_mut(&position.topic_partition) {
            partition.skip_to(position.next_offset);
            self.changed = true;
        }
    }

    /// Returns whether [`OffsetTracker::take_changed`] may have something.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// Returns the positions that moved since they were last taken, or have more finished behind them.
    pub fn take_changed(&mut self) -> Vec<Position> {
        self.changed = false;
        let moved = self
            .partitions
            .iter_mut()
            .filter_map(|(topic_partition, partition)| {
                let next_offset = partition.next_offset()?;
                let has_moved = partition.take_moved(next_offset);
                has_moved.then(|| partition.position(topic_partition, next_offset))
            });
        moved.collect()
    }

    /// Makes a partition's position count as not committed, after a commit was refused.
    pub fn commit_failed(&mut self, topic_partition: &TopicPartition) {
        if let Some(partition) = self.partitions.get_mut(topic_partition) {
            partition.committed = None;
            self.changed = true;
        }
    }

    /// Makes every position count as not committed, so that all are taken once more.
    pub fn commit_again(&mut self) {
        for (_, partition) in self.partitions.iter_mut() {
            partition.committed = None;
        }
        self.changed = true;
    }

    /// Returns the number of delivered records of a partition that are not finished.
    #[must_use]
    pub fn unfinished(&self, topic_partition: &TopicPartition) -> usize {
        let partition = self.partitions.get(topic_partition);
        partition.map_or(0, Partition::unfinished)
    }

    /// Returns whether a partition has delivered records that are not finished.
    pub(crate) fn has_unfinished(&self, topic_partition: &TopicPartition) -> bool {
        let partition = self.partitions.get(topic_partition);
        partition.is_some_and(Partition::has_unfinished)
    }

    /// Stops following a partition and returns where it stands, if any of it was delivered.
    pub fn revoke(&mut self, topic_partition: &TopicPartition) -> Option<Position> {
        let partition = self.partitions.remove(topic_partition)?;
        self.tracked -= partition.held();
        let next_offset = partition.next_offset()?;
        Some(partition.position(topic_partition, next_offset))
    }

    /// Returns where every followed partition stands.
    #[must_use]
    pub fn positions(&self) -> Vec<Position> {
        let standing = self
            .partitions
            .iter()
            .filter_map(|(topic_partition, partition)| {
                let next_offset = partition.next_offset()?;
                Some(partition.position(topic_partition, next_offset))
            });
        standing.collect()
    }

    /// Returns how many offsets are held: unfinished ones, and finished ones behind them.
    #[must_use]
    pub fn tracked(&self) -> usize {
        self.tracked
    }

    /// Returns what the position of each partition waits for; nothing for partitions that wait for
    /// no record.
    pub fn oldest(&self) -> impl Iterator<Item = Oldest> {
        self.partitions.iter().filter_map(|(topic_partition, own)| {
            let (offset, since) = own.oldest()?;
            Some(Oldest {
                topic_partition: topic_partition.clone(),
                offset,
                since,
                replying: false,
            })
        })
    }

    fn current(&mut self, at: &Coordinates) -> Option<&mut Partition> {
        let partition = self.partitions.get_mut(&at.topic_partition)?;
        (partition.generation == at.generation).then_some(partition)
    }
}

#[cfg(test)]
mod tests;
