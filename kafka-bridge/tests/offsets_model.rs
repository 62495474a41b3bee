//! The offset tracker against a model: random interleavings of deliver, finish, commit, revoke and
//! assign, with gaps between offsets and with ends that come late.

use std::collections::BTreeMap;
use std::time::Instant;

use kafka_bridge::offsets::{Delivery, OffsetTracker};
use kafka_bridge::{Coordinates, TopicPartition};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    /// Delivers the next record, so many offsets further on.
    Deliver {
        gap: i64,
    },
    /// Finishes one of all records that were ever started, also those of earlier assignments.
    Finish {
        which: prop::sample::Index,
    },
    Commit,
    RefuseCommit,
    Revoke,
    Assign,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..4_i64).prop_map(|gap| Step::Deliver { gap }),
        6 => any::<prop::sample::Index>().prop_map(|which| Step::Finish { which }),
        2 => Just(Step::Commit),
        1 => Just(Step::RefuseCommit),
        1 => Just(Step::Revoke),
        1 => Just(Step::Assign),
    ]
}

/// What is true of one partition, told in the plainest way.
#[derive(Default)]
struct Model {
    /// The present generation; `None` while the partition is not assigned.
    assigned: Option<u64>,
    generations: u64,
    /// Records of the present assignment, and whether they are finished.
    records: BTreeMap<i64, bool>,
    /// Every record that was ever started: what may still report its end.
    started: Vec<(i64, u64)>,
    /// What the broker holds.
    committed: i64,
    next_offset: i64,
}

impl Model {
    /// The lowest unfinished delivered offset, else one more than the last finished.
    fn expected(&self) -> Option<i64> {
        let unfinished = self.records.iter().find(|(_, finished)| !**finished);
        unfinished
            .map(|(&offset, _)| offset)
            .or(self.records.keys().last().map(|last| last + 1))
    }

    fn commit(&mut self, tracker: &mut OffsetTracker) -> Result<(), TestCaseError> {
        for position in tracker.take_changed() {
            prop_assert!(position.next_offset >= self.committed, "a commit went back");
            self.committed = position.next_offset;
        }
        prop_assert!(
            self.expected()
                .is_none_or(|offset| offset == self.committed)
        );
        Ok(())
    }

    /// Begins where the broker's committed offset says.
    fn assign(&mut self) -> u64 {
        self.generations += 1;
        self.assigned = Some(self.generations);
        self.records.clear();
        self.next_offset = self.committed;
        self.generations
    }
}

fn run(steps: &[Step]) -> Result<(), TestCaseError> {
    let partition = TopicPartition::new("createOrder", 0);
    let at = |offset, generation| Coordinates {
        topic_partition: partition.clone(),
        offset,
        generation,
    };
    let (mut tracker, mut model) = (OffsetTracker::default(), Model::default());
    for step in steps {
        match (step, model.assigned) {
            (Step::Deliver { gap }, Some(generation)) => {
                let offset = model.next_offset + gap - 1;
                prop_assert_eq!(
                    tracker.deliver(&at(offset, generation), Instant::now()),
                    Delivery::Next
                );
                model.records.insert(offset, false);
                model.started.push((offset, generation));
                model.next_offset = offset + 1;
            }
            (Step::Finish { which }, assigned) if !model.started.is_empty() => {
                let (offset, generation) = *which.get(&model.started);
                tracker.finish(&at(offset, generation));
                if assigned == Some(generation) {
                    model.records.insert(offset, true);
                }
            }
            (Step::Commit, Some(_)) => model.commit(&mut tracker)?,
            (Step::RefuseCommit, Some(_)) => {
                tracker.take_changed();
                tracker.commit_failed(&partition);
            }
            (Step::Revoke, Some(_)) => {
                let released = tracker
                    .revoke(&partition)
                    .map(|position| position.next_offset);
                prop_assert_eq!(released, model.expected());
                model.committed = released.unwrap_or(model.committed);
                model.assigned = None;
            }
            (Step::Assign, None) => tracker.assign(&partition, model.assign()),
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

proptest! {
    #[test]
    fn h3_never_commits_past_unfinished_work(steps in prop::collection::vec(step(), 0..200)) {
        run(&steps)?;
    }
}
