//! Tests the tracker: what may be committed, and what an earlier assignment has left.

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
        assert_eq!(
            tracker.deliver(&at(offset, 1), Instant::now()),
            Delivery::Next
        );
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
    assert_eq!(tracker.deliver(&at(5, 2), Instant::now()), Delivery::Next);
    tracker.finish(&at(5, 1));
    assert_eq!(standing(&tracker), Some(5));
    let late = tracker.deliver(&at(6, 1), Instant::now());
    assert_eq!(
        late,
        Delivery::Stale,
        "a record of the old assignment is not handled"
    );
}

#[test]
fn a_closed_partition_takes_no_record_but_finishes_what_it_has() {
    let mut tracker = tracker(&[5]);
    tracker.close(&partition());
    assert_eq!(tracker.deliver(&at(6, 1), Instant::now()), Delivery::Stale);
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
fn a_partition_that_was_set_back_is_followed_from_there() {
    for finished in [&[5, 6, 7][..], &[5]] {
        let mut tracker = tracker(&[5, 6, 7]);
        finished
            .iter()
            .for_each(|&offset| tracker.finish(&at(offset, 1)));
        assert_eq!(
            tracker.deliver(&at(0, 1), Instant::now()),
            Delivery::Rewound
        );
        assert_eq!((standing(&tracker), tracker.tracked()), (Some(0), 1));
        tracker.finish(&at(0, 1));
        assert_eq!((standing(&tracker), tracker.tracked()), (Some(1), 0));
    }
}

#[test]
fn h4_a_late_end_from_before_a_rewind_is_not_that_of_the_new_record() {
    let mut tracker = tracker(&[5]);
    for offset in [0, 5] {
        let _ = tracker.deliver(&at(offset, 1), Instant::now());
    }
    tracker.finish(&at(0, 1));
    tracker.finish(&at(5, 1));
    assert_eq!(
        standing(&tracker),
        Some(5),
        "the old 5 ended, not the new one"
    );
    tracker.finish(&at(5, 1));
    assert_eq!(standing(&tracker), Some(6));
}

#[test]
fn what_is_held_is_counted() {
    let mut tracker = tracker(&[5, 6, 7]);
    tracker.finish(&at(6, 1));
    assert_eq!(tracker.tracked(), 3, "6 is finished and held by 5");
    tracker.finish(&at(5, 1));
    assert_eq!(tracker.tracked(), 1);
    tracker.revoke(&partition());
    assert_eq!(tracker.tracked(), 0);
}

/// Delivers offsets under a generation and returns those that have to be handled.
fn handled(tracker: &mut OffsetTracker, offsets: &[i64], generation: u64) -> Vec<i64> {
    let mut handled = offsets.to_vec();
    handled.retain(|&offset| {
        let delivery = tracker.deliver(&at(offset, generation), Instant::now());
        delivery != Delivery::Finished
    });
    handled
}

/// The commit that a member of generation 1 leaves for one of generation 2.
fn left(delivered: &[i64], finished: &[i64]) -> Position {
    let mut tracker = tracker(delivered);
    finished
        .iter()
        .for_each(|&offset| tracker.finish(&at(offset, 1)));
    let mut position = tracker.take_changed().remove(0);
    position.generation = 2;
    position
}

/// A tracker of generation 2 that has restored the commit of generation 1.
fn restored(position: &Position) -> OffsetTracker {
    let mut tracker = OffsetTracker::default();
    tracker.assign(&partition(), 2);
    tracker.restore(position);
    tracker
}

#[test]
fn h33_what_was_finished_behind_a_slow_record_is_not_handled_again() {
    let position = left(&[5, 6, 7, 9, 10, 11], &[6, 7, 9, 11]);
    assert_eq!((position.next_offset, position.finished.count()), (5, 5));
    let mut tracker = restored(&position);
    let all = [5, 6, 7, 9, 10, 11, 12];
    assert_eq!(handled(&mut tracker, &all, 2), [5, 10, 12]);
    assert_eq!(standing(&tracker), Some(5));
    tracker.finish(&at(5, 2));
    assert_eq!(standing(&tracker), Some(10));
    tracker.finish(&at(10, 2));
    assert_eq!((standing(&tracker), tracker.tracked()), (Some(12), 1));
}

#[test]
fn h33_a_commit_is_due_when_only_what_is_behind_it_changed() {
    let mut tracker = tracker(&[5, 6, 7]);
    assert!(tracker.take_changed()[0].finished.is_empty());
    tracker.finish(&at(7, 1));
    let changed = tracker.take_changed();
    assert_eq!(
        (changed[0].next_offset, changed[0].finished.count()),
        (5, 1)
    );
    assert_eq!(tracker.take_changed(), []);
    tracker.commit_failed(&partition());
    assert_eq!(tracker.take_changed(), changed);
}

/// The next member dies before all finished records were delivered to it once more.
#[test]
fn h33_what_was_not_delivered_again_stays_finished_in_the_next_commit() {
    let first = left(&[5, 6, 7, 8, 9, 10], &[6, 8, 9, 10]);
    let mut second = restored(&first);
    assert_eq!(handled(&mut second, &[5, 6, 7, 8], 2), [5, 7]);
    assert_eq!(second.take_changed(), [first]);
    second.finish(&at(5, 2));
    second.finish(&at(7, 2));
    let position = second.take_changed().remove(0);
    assert_eq!((position.next_offset, position.finished.count()), (9, 2));
    let mut third = restored(&position);
    assert_eq!(handled(&mut third, &[9, 10, 11], 2), [11]);
    assert_eq!((standing(&third), third.tracked()), (Some(11), 1));
}

#[test]
fn h33_a_partition_that_was_set_back_handles_all() {
    let position = left(&[5, 6, 7], &[6, 7]);
    // The group was rewound, or the log was cut and has other records now.
    let mut tracker = restored(&position);
    assert_eq!(handled(&mut tracker, &[0, 5, 6, 7], 2), [0, 5, 6, 7]);
    let mut tracker = restored(&position);
    assert_eq!(handled(&mut tracker, &[5, 6, 5, 6, 7], 2), [5, 5, 6, 7]);
    let mut tracker = restored(&position);
    tracker.begin_anew(&Position {
        generation: 3,
        ..position.clone()
    });
    assert_eq!(handled(&mut tracker, &[5, 6, 7], 3), [5, 6, 7]);
    tracker.restore(&position);
    assert_eq!(handled(&mut tracker, &[8], 3), [8], "of another assignment");
}

/// The answer comes after the bridge has stopped waiting for it.
#[test]
fn h33_what_is_told_late_counts_for_what_was_not_delivered() {
    let position = left(&[5, 6, 7, 8], &[6, 8]);
    let mut tracker = OffsetTracker::default();
    tracker.assign(&partition(), 2);
    assert_eq!(handled(&mut tracker, &[5, 6], 2), [5, 6]);
    tracker.restore(&position);
    assert_eq!(handled(&mut tracker, &[7, 8], 2), [7]);
    let mut below = OffsetTracker::default();
    below.assign(&partition(), 2);
    assert_eq!(handled(&mut below, &[0], 2), [0]);
    below.restore(&position);
    assert_eq!(
        handled(&mut below, &[5, 6], 2),
        [5, 6],
        "it stands elsewhere"
    );
}

#[test]
fn h33_what_retention_deleted_above_the_position_changes_nothing_of_the_rest() {
    let mut tracker = restored(&left(&[5, 6, 7, 8, 9], &[6, 7, 9]));
    tracker.skip_to(&Position {
        next_offset: 7,
        ..left(&[5], &[])
    });
    let committed = tracker.take_changed().remove(0);
    assert_eq!((committed.next_offset, committed.finished.count()), (7, 2));
    assert_eq!(handled(&mut tracker, &[7, 8, 9], 2), [8]);
}

#[test]
fn what_is_taken_back_is_the_next_owners_and_holds_nothing() {
    let mut tracker = tracker(&[5, 6, 8]);
    tracker.close(&partition());
    tracker.take_back(&[at(6, 1), at(8, 1)]);
    assert_eq!((standing(&tracker), tracker.tracked()), (Some(5), 1));
    tracker.take_back(&[at(5, 0), at(4, 1)]);
    assert_eq!(
        tracker.tracked(),
        1,
        "of another assignment, and none that is held"
    );
    tracker.finish(&at(5, 1));
    assert!(!tracker.has_unfinished(&partition()));
    assert_eq!(tracker.revoke(&partition()).unwrap().next_offset, 6);
}

#[test]
fn h33_offsets_restored_behind_a_record_that_is_taken_back_stay_finished() {
    let mut tracker = OffsetTracker::default();
    tracker.assign(&partition(), 1);
    let committed = Position {
        topic_partition: partition(),
        next_offset: 5,
        generation: 1,
        finished: Finished::decode("1:5:2+1", 5).unwrap(),
    };
    tracker.restore(&committed);
    let mut deliver = |offset| tracker.deliver(&at(offset, 1), Instant::now());
    let delivered = [5, 6, 7].map(&mut deliver);
    assert_eq!(
        delivered,
        [Delivery::Next, Delivery::Next, Delivery::Finished]
    );
    tracker.close(&partition());
    tracker.take_back(&[at(6, 1)]);
    assert_eq!(tracker.tracked(), 1, "only 5 is waited for");
    tracker.finish(&at(5, 1));
    assert!(!tracker.has_unfinished(&partition()));
    let left = tracker.revoke(&partition()).unwrap();
    assert_eq!(left.next_offset, 6, "the next owner handles it");
    assert_eq!(left.finished.encode(6, 100).unwrap().0, "1:6:1+1");
}
