//! What is known of one partition under one assignment.

use std::collections::VecDeque;
use std::time::Instant;

use super::Position;
use crate::TopicPartition;

#[derive(Debug)]
pub(super) struct Partition {
    pub(super) generation: u64,
    /// Set when the partition is about to be revoked: what comes now is for its next owner.
    pub(super) closed: bool,
    /// What was last taken to be committed.
    pub(super) committed: Option<i64>,
    /// What was delivered, in order, from the lowest unfinished offset on.
    delivered: VecDeque<Delivered>,
    /// One more than the last offset taken off `delivered`.
    after_finished: Option<i64>,
    /// Unfinished offsets from before the partition was set back. Their records may still come to
    /// their end, which is not that of the new records at these offsets.
    outdated: Vec<i64>,
}

#[derive(Clone, Copy, Debug)]
struct Delivered {
    offset: i64,
    at: Instant,
    finished: bool,
}

impl Partition {
    pub(super) fn new(generation: u64) -> Self {
        Self {
            generation,
            closed: false,
            committed: None,
            delivered: VecDeque::new(),
            after_finished: None,
            outdated: Vec::new(),
        }
    }

    /// Returns the lowest unfinished offset, or the one after the last that was finished.
    pub(super) fn next_offset(&self) -> Option<i64> {
        let lowest = self.delivered.front().map(|first| first.offset);
        lowest.or(self.after_finished)
    }

    pub(super) fn position(&self, of: &TopicPartition, next_offset: i64) -> Position {
        Position {
            topic_partition: of.clone(),
            next_offset,
            generation: self.generation,
        }
    }

    /// Returns whether an offset does not rise above those before it.
    pub(super) fn is_rewound_by(&self, offset: i64) -> bool {
        let last = self.delivered.back().map(|last| last.offset);
        let last = last.or(self.after_finished.map(|next| next - 1));
        last.is_some_and(|last| offset <= last)
    }

    pub(super) fn push(&mut self, offset: i64, now: Instant) {
        self.delivered.push_back(Delivered {
            offset,
            at: now,
            finished: false,
        });
    }

    /// Takes the record that was delivered last for not delivered; `false` if it is another one.
    pub(super) fn take_back(&mut self, offset: i64) -> bool {
        let last = self.delivered.back();
        let is_last = last.is_some_and(|last| last.offset == offset && !last.finished);
        if is_last {
            self.delivered.pop_back();
        }
        is_last
    }

    /// Goes on at an offset, unless something is held, or it was passed before.
    pub(super) fn skip_to(&mut self, next_offset: i64) {
        if self.delivered.is_empty() {
            let next = self.after_finished.unwrap_or_default();
            self.after_finished = Some(next.max(next_offset));
        }
    }

    /// Notes an end and returns how many offsets need not be held any more; `None` for an offset
    /// that is not held.
    ///
    /// While an outdated record of the same offset is under way, the first end is taken for its: the
    /// commit then waits for both, which is late at worst.
    pub(super) fn finish(&mut self, offset: i64) -> Option<usize> {
        if let Some(index) = self.outdated.iter().position(|own| *own == offset) {
            self.outdated.swap_remove(index);
            return None;
        }
        let found = self
            .delivered
            .binary_search_by_key(&offset, |one| one.offset);
        self.delivered[found.ok()?].finished = true;
        Some(self.take_off_finished())
    }

    /// Forgets everything, after the partition was set back; returns how many offsets were held.
    pub(super) fn forget(&mut self) -> usize {
        (self.after_finished, self.committed) = (None, None);
        let held = self.delivered.len();
        let unfinished = self.delivered.drain(..).filter(|one| !one.finished);
        self.outdated.extend(unfinished.map(|one| one.offset));
        held
    }

    /// Returns how many offsets are held, finished behind unfinished ones among them.
    pub(super) fn held(&self) -> usize {
        self.delivered.len()
    }

    pub(super) fn unfinished(&self) -> usize {
        self.delivered.iter().filter(|one| !one.finished).count()
    }

    /// Returns whether anything is unfinished, without looking at all that is held: what stands first always is.
    pub(super) fn has_unfinished(&self) -> bool {
        !self.delivered.is_empty()
    }

    /// Returns the lowest unfinished offset and when it was delivered.
    pub(super) fn oldest(&self) -> Option<(i64, Instant)> {
        self.delivered.front().map(|first| (first.offset, first.at))
    }

    /// Takes off what is finished up to the first that is not, and returns how many.
    fn take_off_finished(&mut self) -> usize {
        let held = self.delivered.len();
        while let Some(first) = self.delivered.front().filter(|first| first.finished) {
            self.after_finished = Some(first.offset + 1);
            self.delivered.pop_front();
        }
        held - self.delivered.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Coordinates;
    use crate::offsets::{Delivery, OffsetTracker};

    #[test]
    fn h26_what_the_log_lost_is_passed_unless_something_is_held() {
        let mut partition = Partition::new(1);
        partition.skip_to(10);
        assert_eq!(partition.next_offset(), Some(10));
        assert!(!partition.is_rewound_by(10), "its first record");
        partition.push(10, Instant::now());
        partition.skip_to(20);
        assert_eq!(partition.next_offset(), Some(10));
        partition.finish(10);
        partition.skip_to(9);
        assert_eq!(partition.next_offset(), Some(11));
    }

    #[test]
    fn h26_a_partition_that_is_begun_anew_stands_at_its_beginning() {
        let topic_partition = TopicPartition::new("t", 0);
        let at = |offset, generation| Coordinates {
            topic_partition: topic_partition.clone(),
            offset,
            generation,
        };
        let mut tracker = OffsetTracker::default();
        tracker.assign(&topic_partition, 1);
        for offset in [5, 6] {
            let _ = tracker.deliver(&at(offset, 1), Instant::now());
        }
        tracker.finish(&at(5, 1));
        let start = Position {
            topic_partition: topic_partition.clone(),
            next_offset: 0,
            generation: 2,
        };
        tracker.begin_anew(&start);
        let changed = (tracker.take_changed(), tracker.tracked());
        assert_eq!(changed, (vec![start.clone()], 0));
        tracker.finish(&at(6, 1));
        let old = tracker.deliver(&at(7, 1), Instant::now());
        assert_eq!((old, tracker.positions()), (Delivery::Stale, vec![start]));
        let new = tracker.deliver(&at(0, 2), Instant::now());
        assert_eq!(new, Delivery::Next);
    }
}
