//! Which offset may be committed: the lowest unfinished delivered one of each partition.
//!
//! Pure bookkeeping. Offsets are tracked as they are delivered, so that gaps (compaction,
//! transaction markers) count as done; a partition is tracked per assignment, so that work of an
//! earlier assignment that finishes late changes nothing.

use std::collections::{HashMap, VecDeque};

use crate::{Coordinates, TopicPartition};

/// What is to be committed for a partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The partition.
    pub topic_partition: TopicPartition,
    /// The offset to resume from, so one more than that of the last finished record.
    pub next_offset: i64,
}

/// Follows the records of all assigned partitions from delivery to their end.
///
/// # Examples
///
/// ```
/// use kafka_bridge::{Coordinates, TopicPartition, offsets::OffsetTracker};
///
/// let mut tracker = OffsetTracker::default();
/// let topic_partition = TopicPartition::new("createOrder", 0);
/// tracker.assign(&topic_partition, 1);
/// let at = |offset| Coordinates { topic_partition: topic_partition.clone(), offset, generation: 1 };
///
/// tracker.deliver(&at(10));
/// tracker.deliver(&at(11));
/// tracker.finish(&at(11));
/// assert_eq!(tracker.take_changed()[0].next_offset, 10); // 10 is unfinished
/// tracker.finish(&at(10));
/// assert_eq!(tracker.take_changed()[0].next_offset, 12);
/// ```
#[derive(Debug, Default)]
pub struct OffsetTracker {
    partitions: HashMap<TopicPartition, Partition>,
    changed: bool,
}

#[derive(Debug)]
struct Partition {
    generation: u64,
    /// Set when the partition is about to be revoked: what comes now is for its next owner.
    closed: bool,
    /// Delivered offsets in order, from the lowest unfinished one on, and whether each is done.
    delivered: VecDeque<(i64, bool)>,
    /// One more than the last offset taken off `delivered`.
    after_finished: Option<i64>,
    committed: Option<i64>,
}

impl Partition {
    fn next_offset(&self) -> Option<i64> {
        self.delivered
            .front()
            .map(|&(offset, _)| offset)
            .or(self.after_finished)
    }

    fn take_off_finished(&mut self) {
        while let Some(&(offset, true)) = self.delivered.front() {
            self.delivered.pop_front();
            self.after_finished = Some(offset + 1);
        }
    }
}

impl OffsetTracker {
    /// Begins to follow a partition, forgetting what an earlier assignment left.
    pub fn assign(&mut self, topic_partition: &TopicPartition, generation: u64) {
        let fresh = Partition {
            generation,
            closed: false,
            delivered: VecDeque::new(),
            after_finished: None,
            committed: None,
        };
        self.partitions.insert(topic_partition.clone(), fresh);
    }

    /// Notes a delivered record; `false` when it is not to be handled, because its partition is
    /// not assigned, closed, or no longer under that generation, or the offset was seen already.
    #[must_use]
    pub fn deliver(&mut self, at: &Coordinates) -> bool {
        let Some(partition) = self.current(at).filter(|partition| !partition.closed) else {
            return false;
        };
        let last = partition.delivered.back().map(|&(offset, _)| offset);
        if last
            .or(partition.after_finished.map(|next| next - 1))
            .is_some_and(|last| at.offset <= last)
        {
            return false;
        }
        partition.delivered.push_back((at.offset, false));
        self.changed = true;
        true
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
        if let Ok(index) = partition
            .delivered
            .binary_search_by_key(&at.offset, |&(offset, _)| offset)
        {
            partition.delivered[index].1 = true;
            partition.take_off_finished();
            self.changed = true;
        }
    }

    /// Returns whether [`OffsetTracker::take_changed`] may have something.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// Returns the positions that moved since they were last taken.
    pub fn take_changed(&mut self) -> Vec<Position> {
        self.changed = false;
        let moved = self
            .partitions
            .iter_mut()
            .filter_map(|(topic_partition, partition)| {
                let next_offset = partition.next_offset()?;
                let moved = partition.committed.replace(next_offset) != Some(next_offset);
                moved.then(|| Position {
                    topic_partition: topic_partition.clone(),
                    next_offset,
                })
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

    /// Returns the number of delivered records of a partition that are not finished.
    #[must_use]
    pub fn unfinished(&self, topic_partition: &TopicPartition) -> usize {
        let partition = self.partitions.get(topic_partition);
        partition.map_or(0, |partition| {
            partition.delivered.iter().filter(|(_, done)| !done).count()
        })
    }

    /// Stops following a partition and returns where it stands, if any of it was delivered.
    pub fn revoke(&mut self, topic_partition: &TopicPartition) -> Option<Position> {
        let partition = self.partitions.remove(topic_partition)?;
        let next_offset = partition.next_offset()?;
        Some(Position {
            topic_partition: topic_partition.clone(),
            next_offset,
        })
    }

    /// Returns where every followed partition stands.
    #[must_use]
    pub fn positions(&self) -> Vec<Position> {
        let standing = self
            .partitions
            .iter()
            .filter_map(|(topic_partition, partition)| {
                let next_offset = partition.next_offset()?;
                Some(Position {
                    topic_partition: topic_partition.clone(),
                    next_offset,
                })
            });
        standing.collect()
    }

    /// Returns the number of partitions that are followed.
    #[must_use]
    pub fn assigned(&self) -> usize {
        self.partitions.len()
    }

    fn current(&mut self, at: &Coordinates) -> Option<&mut Partition> {
        let partition = self.partitions.get_mut(&at.topic_partition)?;
        (partition.generation == at.generation).then_some(partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition() -> TopicPartition {
        TopicPartition::new("t", 0)
    }

    fn at(offset: i64, generation: u64) -> Coordinates {
        Coordinates {
            topic_partition: partition(),
            offset,
            generation,
        }
    }

    fn tracker(offsets: &[i64]) -> OffsetTracker {
        let mut tracker = OffsetTracker::default();
        tracker.assign(&partition(), 1);
        for &offset in offsets {
            assert!(tracker.deliver(&at(offset, 1)));
        }
        tracker
    }

    fn standing(tracker: &OffsetTracker) -> Option<i64> {
        tracker
            .positions()
            .first()
            .map(|position| position.next_offset)
    }

    #[test]
    fn the_lowest_unfinished_offset_holds_the_position() {
        let mut tracker = tracker(&[5, 6, 7]);
        tracker.finish(&at(6, 1));
        tracker.finish(&at(7, 1));
        assert_eq!(standing(&tracker), Some(5));
        tracker.finish(&at(5, 1));
        assert_eq!(standing(&tracker), Some(8));
    }

    #[test]
    fn gaps_count_as_done() {
        let mut tracker = tracker(&[5, 9, 40]);
        tracker.finish(&at(5, 1));
        assert_eq!(standing(&tracker), Some(9));
        tracker.finish(&at(9, 1));
        tracker.finish(&at(40, 1));
        assert_eq!(standing(&tracker), Some(41));
    }

    #[test]
    fn a_late_end_under_an_earlier_assignment_changes_nothing() {
        let mut tracker = tracker(&[5]);
        assert_eq!(tracker.revoke(&partition()).unwrap().next_offset, 5);
        tracker.finish(&at(5, 1));
        assert_eq!(tracker.positions(), []);

        tracker.assign(&partition(), 2);
        assert!(tracker.deliver(&at(5, 2)));
        tracker.finish(&at(5, 1));
        assert_eq!(standing(&tracker), Some(5));
        assert!(
            !tracker.deliver(&at(6, 1)),
            "a record of the old assignment is not handled"
        );
    }

    #[test]
    fn a_closed_partition_takes_no_record_but_finishes_what_it_has() {
        let mut tracker = tracker(&[5]);
        tracker.close(&partition());
        assert!(!tracker.deliver(&at(6, 1)));
        tracker.finish(&at(5, 1));
        assert_eq!(standing(&tracker), Some(6));
    }

    #[test]
    fn only_what_moved_is_taken_until_a_commit_fails() {
        let mut tracker = tracker(&[5]);
        assert_eq!(tracker.take_changed().len(), 1);
        assert_eq!(tracker.take_changed(), []);
        tracker.commit_failed(&partition());
        assert!(tracker.is_changed());
        assert_eq!(tracker.take_changed()[0].next_offset, 5);
    }

    #[test]
    fn an_offset_is_delivered_once() {
        let mut tracker = tracker(&[5, 6]);
        assert!(!tracker.deliver(&at(6, 1)));
        tracker.finish(&at(5, 1));
        tracker.finish(&at(6, 1));
        assert!(!tracker.deliver(&at(6, 1)));
        assert!(tracker.deliver(&at(7, 1)));
    }
}
