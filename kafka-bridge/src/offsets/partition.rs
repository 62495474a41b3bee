//! Tracks the records of one partition under one assignment.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Instant;

use super::{Finished, Position};
use crate::TopicPartition;

#[derive(Debug)]
pub(super) struct Partition {
    pub(super) generation: u64,
    /// Set when the partition is about to be revoked. Later records are for its next owner.
    pub(super) closed: bool,
    /// The next offset that was last taken for a commit.
    pub(super) committed: Option<i64>,
    /// The delivered records, in order, from the lowest unfinished offset on.
    delivered: VecDeque<Delivered>,
    /// How many of `delivered` are finished.
    finished: usize,
    /// Whether more offsets above the position are finished since it was last taken.
    finished_more: bool,
    /// The offsets that an earlier assignment finished and that were not delivered yet.
    restored: VecDeque<Range<i64>>,
    /// The committed offset that `restored` belongs to.
    restored_from: i64,
    /// One more than the last offset that was removed from `delivered`.
    after_finished: Option<i64>,
    /// Unfinished offsets from before a rewind. Their records may still end, which must not finish the new records at
    /// these offsets.
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
            finished: 0,
            finished_more: false,
            restored: VecDeque::new(),
            restored_from: 0,
            after_finished: None,
            outdated: Vec::new(),
        }
    }

    /// Returns the lowest unfinished offset, or one more than the last finished one.
    pub(super) fn next_offset(&self) -> Option<i64> {
        let lowest = self.delivered.front().map(|first| first.offset);
        lowest.or(self.after_finished)
    }

    pub(super) fn position(&self, of: &TopicPartition, next_offset: i64) -> Position {
        Position {
            topic_partition: of.clone(),
            next_offset,
            generation: self.generation,
            finished: self.finished_behind(),
        }
    }

    /// Returns whether the position has moved since the last call, or more offsets above it are finished.
    pub(super) fn take_moved(&mut self, next_offset: i64) -> bool {
        let has_moved = self.committed.replace(next_offset) != Some(next_offset);
        std::mem::take(&mut self.finished_more) || has_moved
    }

    /// Returns the finished offsets above the lowest unfinished one.
    fn finished_behind(&self) -> Finished {
        let (mut all, mut left) = (Finished::default(), self.finished);
        let mut run: Option<Range<i64>> = None;
        for one in self.delivered.iter() {
            if left == 0 {
                break;
            }
            if one.finished {
                let first = run.map_or(one.offset, |run| run.start);
                run = Some(first..one.offset + 1);
                left -= 1;
            } else if let Some(run) = run.take()
                && !all.add(run)
            {
                return all;
            }
        }
        let above = run.into_iter().chain(self.restored.iter().cloned());
        // Without room the rest is left out, and handled again after a crash.
        let _ = above.take_while(|run| all.add(run.clone())).count();
        all
    }

    /// Returns whether an offset is not above those before it.
    pub(super) fn is_rewound_by(&self, offset: i64) -> bool {
        self.next_to_deliver().is_some_and(|next| offset < next)
    }

    /// Returns one more than the last offset that was delivered or skipped.
    fn next_to_deliver(&self) -> Option<i64> {
        let last = self.delivered.back();
        last.map(|last| last.offset + 1).or(self.after_finished)
    }

    /// Notes a delivered record. Returns how many more offsets are held.
    pub(super) fn push(&mut self, offset: i64, now: Instant, finished: bool) -> usize {
        if finished && self.delivered.is_empty() {
            self.after_finished = Some(offset + 1);
            return 0;
        }
        self.delivered.push_back(Delivered {
            offset,
            at: now,
            finished,
        });
        self.finished += usize::from(finished);
        self.finished_more |= finished;
        1
    }

    /// Takes in the offsets that an earlier assignment finished above a committed offset, if they were not delivered
    /// meanwhile. Ignores them if the partition is below that offset, which means that it was rewound.
    pub(super) fn restore(&mut self, from: i64, finished: &Finished) {
        let next = self.next_to_deliver().unwrap_or(from);
        if next < from {
            return;
        }
        self.restored = above(next, finished.runs());
        self.restored_from = from;
    }

    /// Returns whether an earlier assignment has finished the delivered offset.
    pub(super) fn was_finished(&mut self, offset: i64) -> bool {
        if offset < self.restored_from {
            self.restored.clear();
        }
        while let Some(first) = self.restored.front_mut() {
            if offset < first.start {
                return false;
            }
            if offset < first.end {
                first.start = offset + 1;
                return true;
            }
            self.restored.pop_front();
        }
        false
    }

    /// Marks the last unfinished record as not delivered. Returns how many fewer offsets are held, which is none if the
    /// last unfinished record is another one.
    pub(super) fn take_back(&mut self, offset: i64) -> usize {
        let last = self.delivered.iter().rposition(|one| !one.finished);
        let Some(last) = last.filter(|last| self.delivered[*last].offset == offset) else {
            return 0;
        };
        let held = self.delivered.len() - last;
        // Offsets after it came from an earlier assignment and become restored again.
        for one in self.delivered.drain(last..).skip(1).rev() {
            self.finished -= 1;
            self.restored.push_front(one.offset..one.offset + 1);
        }
        held
    }

    /// Continues at an offset, unless an offset is held, or it was passed before.
    pub(super) fn skip_to(&mut self, next_offset: i64) {
        if self.delivered.is_empty() {
            let next = self.after_finished.unwrap_or_default();
            let next = next.max(next_offset);
            self.after_finished = Some(next);
            self.restored = above(next, self.restored.drain(..));
        }
    }

    /// Notes the end of a record. Returns how many offsets need not be held any more; `None` for an offset that is not
    /// held.
    ///
    /// While an outdated record of the same offset is in flight, the first end counts as that of the outdated record.
    /// The commit then waits for both and is late at worst.
    pub(super) fn finish(&mut self, offset: i64) -> Option<usize> {
        if let Some(index) = self.outdated.iter().position(|own| *own == offset) {
            self.outdated.swap_remove(index);
            return None;
        }
        let found = self
            .delivered
            .binary_search_by_key(&offset, |one| one.offset);
        let ended = &mut self.delivered[found.ok()?];
        if !std::mem::replace(&mut ended.finished, true) {
            self.finished += 1;
        }
        self.finished_more = true;
        Some(self.take_off_finished())
    }

    /// Forgets everything after a rewind. Returns how many offsets were held.
    pub(super) fn forget(&mut self) -> usize {
        (self.after_finished, self.committed) = (None, None);
        self.restored.clear();
        self.finished = 0;
        let held = self.delivered.len();
        let unfinished = self.delivered.drain(..).filter(|one| !one.finished);
        self.outdated.extend(unfinished.map(|one| one.offset));
        held
    }

    /// Returns how many offsets are held, including finished ones above unfinished ones.
    pub(super) fn held(&self) -> usize {
        self.delivered.len()
    }

    pub(super) fn unfinished(&self) -> usize {
        self.delivered.len() - self.finished
    }

    /// Returns whether anything is unfinished, without a search: the first held record always is.
    pub(super) fn has_unfinished(&self) -> bool {
        !self.delivered.is_empty()
    }

    /// Returns the lowest unfinished offset and when it was delivered.
    pub(super) fn oldest(&self) -> Option<(i64, Instant)> {
        self.delivered.front().map(|first| (first.offset, first.at))
    }

    /// Removes the finished records before the first unfinished one, and returns how many.
    fn take_off_finished(&mut self) -> usize {
        let held = self.delivered.len();
        while let Some(first) = self.delivered.front().filter(|first| first.finished) {
            self.after_finished = Some(first.offset + 1);
            self.delivered.pop_front();
        }
        let taken_off = held - self.delivered.len();
        self.finished -= taken_off;
        taken_off
    }
}

/// Returns the parts of the runs that are not below an offset.
fn above(next: i64, runs: impl Iterator<Item = Range<i64>>) -> VecDeque<Range<i64>> {
    let runs = runs.map(|run| run.start.max(next)..run.end);
    runs.filter(|run| !run.is_empty()).collect()
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
        partition.push(10, Instant::now(), false);
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
            finished: Finished::default(),
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
