//! What is known of one partition under one assignment.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Instant;

use super::{Finished, Position};
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
    /// How many of `delivered` are finished.
    finished: usize,
    /// Whether more is finished behind the position since it was last taken.
    finished_more: bool,
    /// What was finished under an earlier assignment, as far as it was not delivered yet.
    restored: VecDeque<Range<i64>>,
    /// The committed offset that `restored` belongs to.
    restored_from: i64,
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
            finished: 0,
            finished_more: false,
            restored: VecDeque::new(),
            restored_from: 0,
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
            finished: self.finished_behind(),
        }
    }

    /// Returns whether the position moved since this was last asked, or more is finished behind it.
    pub(super) fn take_moved(&mut self, next_offset: i64) -> bool {
        let has_moved = self.committed.replace(next_offset) != Some(next_offset);
        std::mem::take(&mut self.finished_more) || has_moved
    }

    /// Returns what is finished above the lowest unfinished offset.
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
        // No room: the rest is not told, and handled again after a crash.
        let _ = above.take_while(|run| all.add(run.clone())).count();
        all
    }

    /// Returns whether an offset does not rise above those before it.
    pub(super) fn is_rewound_by(&self, offset: i64) -> bool {
        self.next_to_deliver().is_some_and(|next| offset < next)
    }

    /// Returns one more than the last offset that was delivered or passed.
    fn next_to_deliver(&self) -> Option<i64> {
        let last = self.delivered.back();
        last.map(|last| last.offset + 1).or(self.after_finished)
    }

    /// Notes a delivered record; returns how many offsets are held more.
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

    /// Takes in what was finished under an earlier assignment above a committed offset, as far as it was not
    /// delivered meanwhile. A partition that stands below that offset was set back: then it counts for nothing.
    pub(super) fn restore(&mut self, from: i64, finished: &Finished) {
        let next = self.next_to_deliver().unwrap_or(from);
        if next < from {
            return;
        }
        self.restored = above(next, finished.runs());
        self.restored_from = from;
    }

    /// Returns whether an offset that is delivered was finished under an earlier assignment.
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

    /// Takes the unfinished record that was delivered last for not delivered; returns how many offsets are held less,
    /// none if it is another one.
    pub(super) fn take_back(&mut self, offset: i64) -> usize {
        let last = self.delivered.iter().rposition(|one| !one.finished);
        let Some(last) = last.filter(|last| self.delivered[*last].offset == offset) else {
            return 0;
        };
        let held = self.delivered.len() - last;
        // What stands behind it was finished before, and is told again as such.
        for one in self.delivered.drain(last..).skip(1).rev() {
            self.finished -= 1;
            self.restored.push_front(one.offset..one.offset + 1);
        }
        held
    }

    /// Goes on at an offset, unless something is held, or it was passed before.
    pub(super) fn skip_to(&mut self, next_offset: i64) {
        if self.delivered.is_empty() {
            let next = self.after_finished.unwrap_or_default();
            let next = next.max(next_offset);
            self.after_finished = Some(next);
            self.restored = above(next, self.restored.drain(..));
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
        let ended = &mut self.delivered[found.ok()?];
        if !std::mem::replace(&mut ended.finished, true) {
            self.finished += 1;
        }
        self.finished_more = true;
        Some(self.take_off_finished())
    }

    /// Forgets everything, after the partition was set back; returns how many offsets were held.
    pub(super) fn forget(&mut self) -> usize {
        (self.after_finished, self.committed) = (None, None);
        self.restored.clear();
        self.finished = 0;
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
        self.delivered.len() - self.finished
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
        let taken_off = held - self.delivered.len();
        self.finished -= taken_off;
        taken_off
    }
}

/// Returns what of the runs is not below an offset.
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
