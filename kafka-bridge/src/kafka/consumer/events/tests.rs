//! Tests the consumer's context without a broker.

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::health::obstacles::{Obstacle, Obstacles};
use crate::offsets::Finished;

pub(super) type Events = UnboundedReceiver<Result<SourceEvent, Error>>;

pub(super) fn assigned(partitions: &[i32]) -> (ConsumerEvents, Events) {
    assigned_with(partitions, Obstacles::default())
}

fn assigned_with(partitions: &[i32], obstacles: Obstacles) -> (ConsumerEvents, Events) {
    let (tell, mut events) = unbounded_channel();
    let watch = FetchWatch::new(obstacles, "group");
    let context = ConsumerEvents::new(tell, Duration::from_secs(1), watch, None);
    let mut list = TopicPartitionList::new();
    partitions.iter().for_each(|partition| {
        list.add_partition("orders", *partition);
    });
    context.assign(&list);
    let told = events.try_recv().unwrap().unwrap();
    assert!(matches!(told, SourceEvent::Assigned { .. }), "{told:?}");
    (context, events)
}

fn lost(events: &mut Events) -> Vec<i32> {
    let Ok(SourceEvent::Lost(partitions)) = events.try_recv().unwrap() else {
        panic!("another event");
    };
    let mut numbers: Vec<i32> = partitions.iter().map(|one| one.partition).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn h20_a_member_that_did_not_poll_in_time_gives_up_all_it_had() {
    let (context, mut events) = assigned(&[0, 1]);
    let held = TopicPartition::new("orders", 0);
    let position = Position {
        topic_partition: held.clone(),
        next_offset: 7,
        generation: 1,
        finished: Finished::default(),
    };
    context.close(vec![position]);
    context.max_poll_exceeded();
    assert_eq!(lost(&mut events), [0, 1]);
    assert!(!context.is_assigned(&held));
    assert!(
        context.uncommitted().is_empty(),
        "another member may be further by now"
    );
    assert_eq!(context.locate("orders", 0).1, 0, "its records are stale");
}

#[test]
fn h9_an_evicted_member_is_held_up_until_the_group_takes_it_again() {
    let obstacles = Obstacles::default();
    let (context, _events) = assigned_with(&[0], obstacles.clone());
    context.max_poll_exceeded();
    let blocked = |one: &Obstacle| one.blocked.to_string();
    let told: Vec<_> = obstacles.list().iter().map(blocked).collect();
    assert_eq!(told, ["taking part in group group"]);
    context.assign(&TopicPartitionList::new());
    assert_eq!(
        obstacles.list(),
        [],
        "a member with nothing to do is a member"
    );
}

#[test]
fn a_loss_is_told_once() {
    let (context, mut events) = assigned(&[0]);
    context.max_poll_exceeded();
    assert_eq!(lost(&mut events), [0]);
    context.lose(vec![TopicPartition::new("orders", 0)]);
    assert!(events.try_recv().is_err());
}
