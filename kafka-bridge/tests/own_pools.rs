//! Operations with their own mode or limit: what they share and what they do not (hazards H6, H8, H9 and H13).

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use kafka_bridge::offsets::{Finished, Position};
use kafka_bridge::testing::{MemoryBroker, MemorySink};
use kafka_bridge::{Bridge, Builder, Dispatch, Error, Limits, Operation, Record, TopicPartition};
use support::{Counting, Journal, header, journaling, settle};
use tokio::sync::oneshot;
use tokio::time::sleep;

fn operation(topic: &str) -> Operation {
    Operation::post(topic, "/").expect("a legal operation")
}

fn builder(journal: &Journal) -> Builder<Router> {
    Bridge::builder(journaling("/", journal))
        .operation(operation("fast"))
        .dispatch(Dispatch::Tasks)
        .request_timeout(Duration::from_secs(100))
        .drain_timeout(Duration::from_secs(1000))
}

/// A record whose handling takes this many seconds.
fn record(topic: &str, partition: i32, offset: i64, seconds: u8) -> Record {
    Record::new(topic, partition, offset)
        .with_key((offset % 2).to_string())
        .with_value(seconds.to_string())
        .with_header("reply-to", format!("{topic}.reply"))
        .with_header("x-id", format!("{topic}-{partition}-{offset}"))
}

fn position(journal: &Journal, entry: &str) -> usize {
    let journal = journal.lock().expect("no panic");
    let found = journal.iter().position(|own| own == entry);
    found.unwrap_or_else(|| panic!("{entry} in {journal:?}"))
}

/// Returns the largest number of a topic's requests that ran at the same time.
fn most_at_a_time(journal: &Journal, topic: &str) -> usize {
    let (mut now, mut most) = (0, 0);
    for entry in journal.lock().expect("no panic").iter() {
        if entry.starts_with(&format!("start {topic}-")) {
            now += 1;
            most = most.max(now);
        } else if entry.starts_with(&format!("end {topic}-")) {
            now -= 1;
        }
    }
    most
}

fn started(journal: &Journal) -> usize {
    let journal = journal.lock().expect("no panic");
    journal
        .iter()
        .filter(|one| one.starts_with("start"))
        .count()
}

fn replied(sink: &MemorySink, topic: &str) -> usize {
    let replies = sink.produced();
    let own = replies
        .iter()
        .filter(|reply| *reply.topic == *format!("{topic}.reply"));
    own.inspect(|reply| assert_eq!(header(reply, "status-code").as_deref(), Some("200")))
        .count()
}

/// A bridge that runs until the test ends, its ports, the number of records that it got, and how often topics were held
/// back or released.
struct Started {
    broker: MemoryBroker,
    sink: MemorySink,
    taken: Arc<AtomicUsize>,
    holds: Arc<AtomicUsize>,
    stop: oneshot::Sender<()>,
    bridge: tokio::task::JoinHandle<Result<kafka_bridge::Summary, Error>>,
}

impl Started {
    fn new(builder: Builder<Router>) -> Self {
        let (broker, source) = MemoryBroker::new();
        let sink = MemorySink::default();
        let (taken, holds) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let source = Counting {
            source,
            records: Arc::clone(&taken),
            holds: Arc::clone(&holds),
        };
        let bridge = builder
            .with_ports(source, sink.clone())
            .expect("settings that agree");
        let (stop, stopped) = oneshot::channel();
        let stopped = async move {
            let _ = stopped.await;
        };
        let bridge = tokio::spawn(bridge.with_graceful_shutdown(stopped));
        for topic in ["slow", "fast"] {
            broker.assign(
                [0, 1].map(|partition| TopicPartition::new(topic, partition)),
                0,
            );
        }
        Self {
            broker,
            sink,
            taken,
            holds,
            stop,
            bridge,
        }
    }

    fn send(&self, topic: &str, offsets: std::ops::Range<i64>, seconds: u8) {
        for offset in offsets {
            self.broker.send(record(topic, 0, offset, seconds));
        }
    }

    fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    fn committed(&self, topic: &str) -> Option<i64> {
        self.broker.commits().next_offset(topic, 0)
    }
}

#[tokio::test(start_paused = true)]
async fn h8_an_operation_at_its_bound_stops_no_other_and_loses_nothing() {
    for mode in support::MODES {
        let journal = Journal::default();
        let slow = operation("slow").dispatch(mode).max_in_flight(2);
        let started = Started::new(builder(&journal).operation(slow).max_in_flight(16));
        started.send("slow", 0..60, 9);
        started.send("fast", 0..40, 1);
        settle().await;
        assert!(started.taken() <= 16, "{mode}: {}", started.taken());
        sleep(Duration::from_secs(8)).await;
        assert_eq!(replied(&started.sink, "fast"), 40, "{mode}");
        assert_eq!(replied(&started.sink, "slow"), 0, "{mode}");
        assert_eq!(started.committed("fast"), Some(40), "{mode}");
        sleep(Duration::from_secs(600)).await;
        assert_eq!(replied(&started.sink, "slow"), 60, "{mode}");
        assert_eq!(started.committed("slow"), Some(60), "{mode}");
        let most = match mode {
            Dispatch::Serial | Dispatch::Partition => 1,
            _ => 2,
        };
        assert_eq!(most_at_a_time(&journal, "slow"), most, "{mode}");
    }
}

/// Limits that use up the whole room leave none for waiting records. Each pause costs a fetch.
#[tokio::test(start_paused = true)]
async fn h8_a_topic_is_not_held_back_and_let_go_with_each_record() {
    const BOUND: usize = 64;
    const RECORDS: usize = 10 * BOUND;
    let journal = Journal::default();
    let fast = Operation::post("others", "/").expect("a legal operation");
    let slow = operation("slow").max_in_flight(BOUND);
    let bridge = builder(&journal).operation(slow);
    let bridge = bridge.operation(fast.max_in_flight(BOUND));
    let started = Started::new(bridge.max_in_flight(2 * BOUND));
    for offset in 0..RECORDS as i64 {
        // Requests in flight never end at the same time for long.
        started.send("slow", offset..offset + 1, (offset % 50) as u8 + 1);
    }
    sleep(Duration::from_secs(600)).await;
    assert_eq!(replied(&started.sink, "slow"), RECORDS);
    let holds = started.holds.load(Ordering::Relaxed);
    // One hold and one release for a quarter of the room.
    let bound = 2 * (RECORDS / (BOUND / 4) + 1);
    assert!((1..=bound).contains(&holds), "{holds} of {bound}");
}

#[tokio::test(start_paused = true)]
async fn h13_serial_and_keyed_keep_their_order_beside_an_operation_without_any() {
    for (mode, of_one_key) in [(Dispatch::Serial, false), (Dispatch::Keyed, true)] {
        let journal = Journal::default();
        // The other operation, `fast`, has the builder's mode.
        let free = operation("slow").dispatch(Dispatch::Tasks);
        let bridge = builder(&journal).dispatch(mode).operation(free);
        let records = (0..6).flat_map(|offset| {
            let seconds = 9 - offset as u8;
            ["slow", "fast"].map(|topic| record(topic, 0, offset, seconds))
        });
        let (_, source) = MemoryBroker::with_records(records);
        support::run(bridge, source, MemorySink::default()).await;
        assert_eq!(most_at_a_time(&journal, "slow"), 6, "{mode}");
        let most = if of_one_key { 2 } else { 1 };
        assert_eq!(most_at_a_time(&journal, "fast"), most, "{mode}");
        let step = if of_one_key { 2 } else { 1 };
        for offset in 0..6 - step {
            let end = position(&journal, &format!("end fast-0-{offset}"));
            let next = position(&journal, &format!("start fast-0-{}", offset + step));
            assert!(end < next, "{mode}, {offset}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn h8_the_bounds_of_all_hold_with_what_waits() {
    let one = record("slow", 0, 0, 9).size();
    let uncommitted = Limits {
        max_uncommitted: 12,
        ..Limits::default()
    };
    let bytes = Limits {
        max_in_flight_bytes: 12 * one,
        max_reply_bytes: 1,
        ..Limits::default()
    };
    let records = Limits {
        max_in_flight: 12,
        ..Limits::default()
    };
    for limits in [records, bytes, uncommitted] {
        let journal = Journal::default();
        let slow = operation("slow").max_in_flight(2);
        let started = Started::new(builder(&journal).operation(slow).limits(limits.clone()));
        started.send("slow", 0..60, 9);
        settle().await;
        let of_slow = started.taken();
        assert!((3..12).contains(&of_slow), "{limits:?}: {of_slow}");
        started.send("fast", 0..60, 9);
        settle().await;
        let taken = started.taken();
        assert!((of_slow + 1..=12).contains(&taken), "{limits:?}: {taken}");
        assert_eq!(most_at_a_time(&journal, "slow"), 2, "{limits:?}");
    }
}

/// A serial operation with one running record and five that wait.
async fn with_waiting(journal: &Journal) -> Started {
    let slow = operation("slow").dispatch(Dispatch::Serial);
    let started = Started::new(builder(journal).operation(slow).max_in_flight(12));
    started.send("slow", 0..6, 2);
    settle().await;
    assert_eq!((started.taken(), self::started(journal)), (6, 1));
    started
}

#[tokio::test(start_paused = true)]
async fn h6_a_revocation_waits_for_what_is_under_way_and_not_for_what_waits() {
    let journal = Journal::default();
    let started = with_waiting(&journal).await;
    let begun = tokio::time::Instant::now();
    let partition = TopicPartition::new("slow", 0);
    let positions = started.broker.revoke([partition.clone()]).await;
    assert_eq!(positions[0].next_offset, 1);
    assert!(
        begun.elapsed() < Duration::from_millis(2100),
        "{:?}",
        begun.elapsed()
    );
    sleep(Duration::from_secs(60)).await;
    assert_eq!(self::started(&journal), 1, "the rest is the next owner's");
    started.broker.assign([partition], 2);
    for offset in 1..6 {
        let mut again = record("slow", 0, offset, 1);
        again.coordinates.generation = 2;
        started.broker.send(again);
    }
    sleep(Duration::from_secs(60)).await;
    assert_eq!(
        (started.committed("slow"), self::started(&journal)),
        (Some(6), 6)
    );
}

#[tokio::test(start_paused = true)]
async fn h30_what_waits_of_a_lost_partition_or_a_remade_topic_is_dropped() {
    for is_remade in [false, true] {
        let journal = Journal::default();
        let started = with_waiting(&journal).await;
        let partition = TopicPartition::new("slow", 0);
        if is_remade {
            started.broker.begin_anew(Position {
                topic_partition: partition,
                next_offset: 0,
                generation: 2,
                finished: Finished::default(),
            });
        } else {
            started.broker.lose([partition]);
        }
        settle().await;
        started.send("fast", 0..11, 1);
        settle().await;
        assert_eq!(started.taken(), 17, "what waited has given back its room");
        started.broker.send(record("slow", 1, 0, 1));
        sleep(Duration::from_secs(60)).await;
        let mut journal = journal.lock().expect("no panic").clone();
        journal.retain(|entry| entry.contains("slow"));
        let expected = [
            "start slow-0-0",
            "end slow-0-0",
            "start slow-1-0",
            "end slow-1-0",
        ];
        assert_eq!(journal, expected, "remade: {is_remade}");
    }
}

#[tokio::test(start_paused = true)]
async fn h7_what_waits_at_a_stop_is_left_and_delivered_again() {
    let journal = Journal::default();
    let started = with_waiting(&journal).await;
    let (broker, begun) = (started.broker.clone(), tokio::time::Instant::now());
    started.stop.send(()).expect("it runs");
    let summary = started.bridge.await.expect("no panic").expect("a stop");
    assert_eq!((summary.replied, summary.abandoned), (1, 0));
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert_eq!(self::started(&journal), 1);
    assert_eq!(broker.commits().next_offset("slow", 0), Some(1));
}

/// It may be the lowest of its partition as long as records of other partitions take.
#[tokio::test(start_paused = true)]
async fn h9_a_record_that_waits_for_room_is_not_stuck_and_one_that_hangs_before_it_is() {
    let journal = Journal::default();
    let (broker, source) = MemoryBroker::new();
    let slow = operation("slow").dispatch(Dispatch::Serial);
    let bridge = builder(&journal)
        .operation(slow)
        .request_timeout(Duration::from_secs(9))
        .stuck_after(Duration::from_secs(10));
    let bridge = bridge
        .with_ports(source, MemorySink::default())
        .expect("settings that agree");
    let status = bridge.status();
    tokio::spawn(bridge.into_future());
    broker.assign(
        [0, 1].map(|partition| TopicPartition::new("slow", partition)),
        0,
    );
    for offset in 0..6 {
        broker.send(record("slow", 0, offset, 8));
    }
    broker.send(record("slow", 1, 0, 8));
    for second in 0..60 {
        let health = status.borrow().health();
        assert_eq!(health, Ok(()), "after {second} s");
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(started(&journal), 7);
}

#[test]
fn h27_a_bound_of_zero_is_refused() {
    let none = operation("slow").max_in_flight(0);
    let (_, source) = MemoryBroker::new();
    let refused = builder(&Journal::default())
        .operation(none)
        .with_ports(source, MemorySink::default());
    let error = refused.expect_err("it would serve nothing");
    assert_eq!(
        error.to_string(),
        "Operation::max_in_flight must be at least 1"
    );
}

/// Records that are held back when the source has no more are still served.
#[tokio::test(start_paused = true)]
async fn a_source_is_exhausted_after_what_it_held_back() {
    let journal = Journal::default();
    let slow = operation("slow").max_in_flight(1);
    let records = (0..50).map(|offset| record("slow", 0, offset, 1));
    let (commits, source) = MemoryBroker::with_records(records);
    let bridge = builder(&journal).operation(slow).max_in_flight(8);
    support::run(bridge, source, MemorySink::default()).await;
    assert_eq!(commits.next_offset("slow", 0), Some(50));
    let journal = journal.lock().expect("no panic");
    assert_eq!(journal.iter().collect::<BTreeSet<_>>().len(), 100);
}
