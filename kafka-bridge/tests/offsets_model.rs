//! The offset tracker against a model: random interleavings of deliver, finish, commit, revoke, crash and assign, with
//! gaps between offsets and late ends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use kafka_bridge::offsets::{Delivery, Finished, OffsetTracker, Position};
use kafka_bridge::{Coordinates, TopicPartition};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    /// Delivers the log's next record.
    Deliver,
    /// Finishes any record that was ever started, also in earlier assignments.
    Finish {
        which: prop::sample::Index,
    },
    Commit,
    RefuseCommit,
    Revoke,
    /// The member dies, and the next one starts with the commit.
    Crash,
    Assign,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Deliver),
        6 => any::<prop::sample::Index>().prop_map(|which| Step::Finish { which }),
        2 => Just(Step::Commit),
        1 => Just(Step::RefuseCommit),
        1 => Just(Step::Revoke),
        1 => Just(Step::Crash),
        1 => Just(Step::Assign),
    ]
}

/// The true state of one partition, in the simplest form.
#[derive(Default)]
struct Model {
    /// The present generation; `None` while the partition is not assigned.
    assigned: Option<u64>,
    generations: u64,
    /// Records of the present assignment, and whether they are finished.
    records: BTreeMap<i64, bool>,
    /// All records that were ever started, and so may still end.
    started: Vec<(i64, u64)>,
    /// The broker's state: the position, and the finished offsets above it, as reported and as a plain set.
    committed: i64,
    told: Finished,
    committed_finished: BTreeSet<i64>,
    /// The finished offsets that the present assignment has restored.
    restored: BTreeSet<i64>,
    /// The records that ended under the assignment that delivered them.
    ever_finished: BTreeSet<i64>,
    next_offset: i64,
}

impl Model {
    /// Returns the lowest unfinished delivered offset, or one more than the last finished one.
    fn expected(&self) -> Option<i64> {
        let unfinished = self.records.iter().find(|(_, finished)| !**finished);
        unfinished
            .map(|(&offset, _)| offset)
            .or(self.records.keys().last().map(|last| last + 1))
    }

    /// Returns the finished offsets above the position: of this assignment, and restored ones that were not delivered
    /// yet.
    fn finished(&self) -> BTreeSet<i64> {
        let position = self.expected().unwrap_or_default();
        let delivered = self.records.iter().filter(|(_, finished)| **finished);
        let delivered = delivered.map(|(&offset, _)| offset);
        let last = self.records.keys().last().copied();
        let restored = self.restored.iter().copied();
        let restored = restored.filter(|&offset| last.is_none_or(|last| offset > last));
        let all = delivered.chain(restored);
        all.filter(|&offset| offset >= position).collect()
    }

    fn committed(&mut self, position: Position) {
        self.committed = position.next_offset;
        self.told = position.finished;
        self.committed_finished = self.finished();
    }

    fn commit(&mut self, tracker: &mut OffsetTracker) -> Result<(), TestCaseError> {
        for position in tracker.take_changed() {
            prop_assert!(position.next_offset >= self.committed, "a commit went back");
            self.committed(position);
        }
        if let Some(expected) = self.expected() {
            prop_assert_eq!(expected, self.committed);
            prop_assert_eq!(
                &self.finished(),
                &self.committed_finished,
                "a commit was due"
            );
        }
        Ok(())
    }

    fn deliver(
        &mut self,
        tracker: &mut OffsetTracker,
        at: &Coordinates,
    ) -> Result<(), TestCaseError> {
        let delivery = tracker.deliver(at, Instant::now());
        let is_finished = delivery == Delivery::Finished;
        prop_assert_eq!(is_finished, self.restored.contains(&at.offset));
        if is_finished {
            prop_assert!(self.ever_finished.contains(&at.offset), "never handled");
        } else {
            prop_assert_eq!(delivery, Delivery::Next);
            self.started.push((at.offset, at.generation));
        }
        self.records.insert(at.offset, is_finished);
        self.next_offset = at.offset + 1;
        Ok(())
    }

    /// Starts at the broker's committed offset.
    fn assign(&mut self, tracker: &mut OffsetTracker, partition: &TopicPartition) {
        self.generations += 1;
        self.assigned = Some(self.generations);
        self.records.clear();
        self.next_offset = self.committed;
        self.restored = self.committed_finished.clone();
        tracker.assign(partition, self.generations);
        tracker.restore(&Position {
            topic_partition: partition.clone(),
            next_offset: self.committed,
            generation: self.generations,
            finished: self.told.clone(),
        });
    }
}

fn run(log: &[i64], steps: &[Step]) -> Result<(), TestCaseError> {
    let partition = TopicPartition::new("createOrder", 0);
    let at = |offset, generation| Coordinates {
        topic_partition: partition.clone(),
        offset,
        generation,
    };
    let (mut tracker, mut model) = (OffsetTracker::default(), Model::default());
    for step in steps {
        match (step, model.assigned) {
            (Step::Deliver, Some(generation)) => {
                let mut left = log.iter().filter(|&&offset| offset >= model.next_offset);
                if let Some(&offset) = left.next() {
                    model.deliver(&mut tracker, &at(offset, generation))?;
                }
            }
            (Step::Finish { which }, assigned) if !model.started.is_empty() => {
                let (offset, generation) = *which.get(&model.started);
                tracker.finish(&at(offset, generation));
                if assigned == Some(generation) {
                    model.records.insert(offset, true);
                    model.ever_finished.insert(offset);
                }
            }
            (Step::Commit, Some(_)) => model.commit(&mut tracker)?,
            (Step::RefuseCommit, Some(_)) => {
                tracker.take_changed();
                tracker.commit_failed(&partition);
            }
            (Step::Revoke, Some(_)) => {
                let released = tracker.revoke(&partition);
                let next_offset = released.as_ref().map(|position| position.next_offset);
                prop_assert_eq!(next_offset, model.expected());
                if let Some(position) = released {
                    model.committed(position);
                }
                model.assigned = None;
            }
            (Step::Crash, Some(_)) => {
                tracker = OffsetTracker::default();
                model.assigned = None;
            }
            (Step::Assign, None) => model.assign(&mut tracker, &partition),
            _ => {}
        }
        let standing = tracker
            .positions()
            .first()
            .map(|position| position.next_offset);
        let expected = model.assigned.and(model.expected());
        prop_assert_eq!(standing, expected);
    }
    Ok(())
}

/// Makes a log with these distances between its records' offsets.
fn log(gaps: &[i64]) -> Vec<i64> {
    let rise = |last: &mut i64, gap: &i64| {
        *last += gap;
        Some(*last)
    };
    gaps.iter().scan(0, rise).collect()
}

proptest! {
    #[test]
    fn h3_never_commits_past_unfinished_work_and_h33_never_passes_what_was_not_handled(
        gaps in prop::collection::vec(1..4_i64, 100),
        steps in prop::collection::vec(step(), 0..200),
    ) {
        run(&log(&gaps), &steps)?;
    }
}
