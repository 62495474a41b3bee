//! Decides which offset may be committed: the lowest unfinished delivered one of each partition.
//!
//! Pure bookkeeping. Offsets are tracked as they are delivered, so that gaps (compaction, transaction markers) count as
//! finished. A partition is tracked per assignment, so that late work of an earlier assignment changes nothing. The
//! finished offsets above the committed offset go with the commit, so that the next assignment does not handle them
//! again.

mod finished;
mod partition;
mod table;

use std::time::Instant;

pub use self::finished::Finished;
use self::partition::Partition;
use self::table::Table;
use crate::{Coordinates, TopicPartition};

/// Describes what to commit for a partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The partition.
    pub topic_partition: TopicPartition,
    /// The offset to resume from: one more than that of the last finished record.
    pub next_offset: i64,
    /// The assignment under which the position was reached.
    pub generation: u64,
    /// The finished offsets above the position.
    pub finished: Finished,
}

/// Identifies the unfinished delivered record with the lowest offset of a partition. The partition's position waits for
/// it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oldest {
    /// The partition.
    pub topic_partition: TopicPartition,
    /// The offset of the record.
    pub offset: i64,
    /// Since when the position waits for it: since its delivery, or since it became the lowest one.
    pub since: Instant,
    /// Whether its handler has ended, and its reply or dead letter is not acknowledged yet. Set only for records that
    /// are about to count as stuck.
    pub replying: bool,
}

/// Says how to treat a delivered record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The next record. Handle it.
    Next,
    /// A record below one that was delivered before. Handle it, and log a warning.
    Rewound,
    /// A record that was finished under an earlier assignment. Do not handle it again.
    Finished,
    /// A record not to be handled: its partition is not assigned, is being revoked, or was assigned again since.
    Stale,
}

/// Tracks the records of all assigned partitions from delivery to their end.
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
    /// Starts to track a partition, and forgets what an earlier assignment left.
    pub fn assign(&mut self, topic_partition: &TopicPartition, generation: u64) {
        self.revoke(topic_partition);
        let fresh = Partition::new(generation);
        self.partitions.insert(topic_partition.clone(), fresh);
    }

    /// Notes a delivered record and returns how to treat it.
    ///
    /// The offsets of a partition rise. If one does not, the partition was rewound: its topic was created again, or its
    /// log truncated. Tracking then continues from that offset.
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

    /// Takes in the offsets that an earlier assignment finished above the committed offset. Records of these offsets
    /// that are still to be delivered count as finished. Ignored if the assignment has ended.
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

    /// Notes that a delivered record is finished.
    pub fn finish(&mut self, at: &Coordinates) {
        let Some(partition) = self.current(at) else {
            return;
        };
        if let Some(taken_off) = partition.finish(at.offset) {
            self.tracked -= taken_off;
            self.changed = true;
        }
    }

    /// Marks the latest records of a partition, in order, as not delivered.
    pub(crate) fn take_back(&mut self, records: &[Coordinates]) {
        for at in records.iter().rev() {
            let Some(partition) = self.current(at) else {
                continue;
            };
            self.tracked -= partition.take_back(at.offset);
        }
    }

    /// Tracks a partition from this position, under another generation, and forgets all that was before.
    pub(crate) fn begin_anew(&mut self, start: &Position) {
        self.assign(&start.topic_partition, start.generation);
        self.skip_to(start);
    }

    /// Moves a partition to a position before which nothing will come any more. A partition with unfinished records
    /// moves with the next delivered record.
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

    /// Returns the positions that have moved since they were last taken, or have more finished offsets above them.
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

    /// Marks a partition's position as uncommitted, after a commit was refused.
    pub fn commit_failed(&mut self, topic_partition: &TopicPartition) {
        if let Some(partition) = self.partitions.get_mut(topic_partition) {
            partition.committed = None;
            self.changed = true;
        }
    }

    /// Marks every position as uncommitted, so that all are taken once more.
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

    /// Stops tracking a partition and returns its position, if any record was delivered.
    pub fn revoke(&mut self, topic_partition: &TopicPartition) -> Option<Position> {
        let partition = self.partitions.remove(topic_partition)?;
        self.tracked -= partition.held();
        let next_offset = partition.next_offset()?;
        Some(partition.position(topic_partition, next_offset))
    }

    /// Returns the position of every tracked partition.
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

    /// Returns how many offsets are held: unfinished ones, and finished ones above them.
    #[must_use]
    pub fn tracked(&self) -> usize {
        self.tracked
    }

    /// Returns the record that the position of each partition waits for, and nothing for other partitions.
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
