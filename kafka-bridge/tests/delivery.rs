//! The delivery guarantee with in-memory ports: what is committed, when, and that nothing is lost.

mod support;

use std::time::Duration;

use axum::Router;
use kafka_bridge::ports::ProduceError;
use kafka_bridge::testing::{MemoryBroker, MemorySink};
use kafka_bridge::{Builder, Dispatch, Error, Limits, Summary, TopicPartition};
use support::{MODES, builder, header, order, settle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

fn partition() -> TopicPartition {
    TopicPartition::new("createOrder", 0)
}

/// A running bridge and both its ports. The bridge ends when this is dropped.
struct Started {
    broker: MemoryBroker,
    sink: MemorySink,
    _bridge: AbortOnDrop,
}

struct AbortOnDrop(JoinHandle<Result<Summary, Error>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Started {
    /// Starts to serve records with these bodies. Offsets start at 0.
    fn new<'a>(
        builder: Builder<Router>,
        sink: MemorySink,
        bodies: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let (broker, source) = MemoryBroker::new();
        broker.assign([partition()], 0);
        for (body, offset) in bodies.into_iter().zip(0..) {
            broker.send(order(offset, body));
        }
        let bridge = builder
            .with_ports(source, sink.clone())
            .expect("settings that agree");
        let _bridge = AbortOnDrop(tokio::spawn(bridge.into_future()));
        Self {
            broker,
            sink,
            _bridge,
        }
    }

    fn produced(&self) -> usize {
        self.sink.produced().len()
    }

    fn committed(&self) -> Option<i64> {
        self.broker.commits().next_offset("createOrder", 0)
    }
}

async fn seconds(count: u64) {
    tokio::time::sleep(Duration::from_secs(count)).await;
}

fn tasks() -> Builder<Router> {
    builder().dispatch(Dispatch::Tasks)
}

#[tokio::test(start_paused = true)]
async fn h14_nothing_is_committed_before_the_delivery_report() {
    for mode in MODES {
        let sink = MemorySink::default().gated();
        let started = Started::new(builder().dispatch(mode), sink, ["a"]);
        seconds(5).await;
        assert_eq!(started.produced(), 1, "the reply is in flight");
        // The position of the first record may be committed, but not the one after it.
        assert_ne!(started.committed(), Some(1), "{mode}");

        started.sink.acknowledge(1);
        seconds(5).await;
        assert_eq!(started.committed(), Some(1), "{mode}");
    }
}

#[tokio::test(start_paused = true)]
async fn h1_a_slow_record_holds_the_commit_of_those_behind_it() {
    let started = Started::new(tasks(), MemorySink::default(), ["a", "hang", "b", "c"]);
    seconds(10).await;
    assert_eq!(started.produced(), 3, "the others are not held up");
    assert_eq!(started.committed(), Some(1));
    // The timeout answers the hanging record, and all are committed.
    seconds(30).await;
    assert_eq!(started.committed(), Some(4));
}

#[tokio::test(start_paused = true)]
async fn serial_starts_a_record_only_after_the_previous_reply_is_acknowledged() {
    let sink = MemorySink::default().gated();
    let started = Started::new(builder().dispatch(Dispatch::Serial), sink, ["a"; 3]);
    for produced in 1..=3 {
        settle().await;
        assert_eq!(started.produced(), produced);
        started.sink.acknowledge(1);
    }
}

#[tokio::test(start_paused = true)]
async fn h8_tasks_run_side_by_side_up_to_the_bound() {
    let sink = MemorySink::default().gated();
    let started = Started::new(tasks().max_in_flight(8), sink, ["a"; 20]);
    settle().await;
    assert_eq!(started.produced(), 8, "as many as the bound, no more");
    started.sink.acknowledge(5);
    settle().await;
    assert_eq!(started.produced(), 13);
}

#[tokio::test(start_paused = true)]
async fn h8_bytes_in_flight_are_bounded() {
    let limits = Limits {
        max_in_flight_bytes: 35_000,
        // Replies take almost no room.
        max_reply_bytes: 100,
        ..Limits::default()
    };
    let body = "x".repeat(10_000);
    let sink = MemorySink::default().gated();
    let started = Started::new(tasks().limits(limits), sink, [body.as_str(); 20]);
    settle().await;
    assert_eq!(
        started.produced(),
        4,
        "the record that passes the bound is the last"
    );
}

#[tokio::test(start_paused = true)]
async fn what_runs_ahead_of_a_hanging_record_is_bounded() {
    let limits = Limits {
        max_uncommitted: 10,
        ..Limits::default()
    };
    let bodies = std::iter::once("hang").chain(["a"; 49]);
    let started = Started::new(tasks().limits(limits), MemorySink::default(), bodies);
    settle().await;
    assert_eq!(
        started.produced(),
        9,
        "ten are held, the hanging one among them"
    );
    // Its timeout lets the others continue.
    seconds(31).await;
    assert_eq!(started.produced(), 50);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_abandons_records_releases_their_partition_at_once() {
    let (broker, source) = MemoryBroker::new();
    broker.assign([partition()], 0);
    broker.send(order(0, "hang"));
    let bridge = builder()
        .dispatch(Dispatch::Tasks)
        .revocation_timeout(Duration::from_secs(20))
        .drain_timeout(Duration::from_secs(20));
    let bridge = bridge.with_ports(source, MemorySink::default()).unwrap();
    // The stop's drain ends 21 s after the start, one second before the revocation times out.
    let signal = tokio::time::sleep(Duration::from_secs(1));
    let bridge = tokio::spawn(bridge.with_graceful_shutdown(signal));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let positions = broker.revoke([partition()]).await;
    assert_eq!(positions[0].next_offset, 0);
    let waited = bridge.await.unwrap().unwrap();
    assert_eq!(waited.abandoned, 1);
}

#[tokio::test(start_paused = true)]
async fn a_stopping_bridge_does_not_become_ready_again() {
    let (broker, source) = MemoryBroker::new();
    let bridge = builder().with_ports(source, MemorySink::default()).unwrap();
    let status = bridge.status();
    assert!(!status.borrow().ready);
    broker.assign([partition()], 0);
    broker.send(order(0, "slow"));
    let (stop, stopped) = oneshot::channel::<()>();
    let signal = async { stopped.await.unwrap_or(()) };
    let bridge = tokio::spawn(bridge.with_graceful_shutdown(signal));
    settle().await;
    assert!(status.borrow().ready);
    stop.send(()).unwrap();
    settle().await;
    broker.assign([TopicPartition::new("createOrder", 1)], 1);
    settle().await;
    assert!(!status.borrow().ready);
    assert_eq!(bridge.await.unwrap().unwrap().replied, 1);
}

#[tokio::test(start_paused = true)]
async fn h7_a_graceful_stop_finishes_and_commits_what_is_in_flight() {
    for mode in MODES {
        let sink = MemorySink::default();
        let (broker, source) = MemoryBroker::new();
        broker.assign([partition()], 0);
        broker.send(order(0, "slow"));
        let (stop, stopped) = oneshot::channel::<()>();
        let bridge = builder()
            .dispatch(mode)
            .with_ports(source, sink.clone())
            .unwrap();
        let signal = async { stopped.await.unwrap_or(()) };
        let bridge = tokio::spawn(bridge.with_graceful_shutdown(signal));
        settle().await;
        stop.send(()).unwrap();
        settle().await;
        broker.send(order(1, "too late"));

        let summary = bridge.await.unwrap().unwrap();
        assert_eq!((summary.replied, summary.abandoned), (1, 0), "{mode}");
        assert_eq!(sink.produced().len(), 1);
        assert_eq!(
            broker.commits().next_offset("createOrder", 0),
            Some(1),
            "{mode}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_abandons_what_does_not_end_and_does_not_commit_it() {
    for mode in MODES {
        let (broker, source) = MemoryBroker::new();
        broker.assign([partition()], 0);
        broker.send(order(0, "a"));
        broker.send(order(1, "hang"));
        let bridge = builder()
            .dispatch(mode)
            .drain_timeout(Duration::from_secs(3));
        let bridge = bridge.with_ports(source, MemorySink::default()).unwrap();
        let signal = tokio::time::sleep(Duration::from_secs(1));
        let summary = bridge.with_graceful_shutdown(signal).await.unwrap();
        assert_eq!((summary.replied, summary.abandoned), (1, 1), "{mode}");
        assert_eq!(
            broker.commits().next_offset("createOrder", 0),
            Some(1),
            "{mode}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn h5_a_revoked_partition_is_released_when_its_records_are_finished() {
    let patient = tasks().revocation_timeout(Duration::from_secs(6));
    let started = Started::new(patient, MemorySink::default(), ["slow", "a"]);
    settle().await;
    let positions = started.broker.revoke([partition()]).await;
    assert_eq!(positions[0].next_offset, 2, "waited for the slow one");
    assert_eq!(started.produced(), 2);
}

/// All partitions of the whole group wait with the revoked one.
#[tokio::test(start_paused = true)]
async fn h31_one_slow_record_holds_up_a_rebalance_for_seconds_and_a_stop_for_longer() {
    for mode in MODES {
        let slow = builder().dispatch(mode);
        let started = Started::new(slow, MemorySink::default(), ["slow"]);
        settle().await;
        let begun = tokio::time::Instant::now();
        let positions = started.broker.revoke([partition()]).await;
        assert_eq!(begun.elapsed().as_secs(), 3, "{mode}");
        assert_eq!(
            positions[0].next_offset, 0,
            "{mode}: its next owner repeats it"
        );
        seconds(5).await;
        assert_eq!(
            (started.produced(), started.committed()),
            (1, Some(0)),
            "{mode}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn h4_a_late_end_after_a_revocation_commits_nothing() {
    let (broker, source) = MemoryBroker::new();
    broker.assign([partition()], 1);
    let under = |mut record: kafka_bridge::Record, generation| {
        record.coordinates.generation = generation;
        record
    };
    broker.send(under(order(0, "hang"), 1));
    let bridge = builder()
        .dispatch(Dispatch::Tasks)
        .revocation_timeout(Duration::from_secs(3));
    let bridge = bridge.with_ports(source, MemorySink::default()).unwrap();
    let bridge = tokio::spawn(bridge.into_future());
    settle().await;
    let positions = broker.revoke([partition()]).await;
    assert_eq!(
        positions[0].next_offset, 0,
        "the hanging record is for the next owner"
    );

    // The partition comes back while the old record still hangs. Its timeout expires at 30 s.
    broker.assign([partition()], 2);
    broker.send(under(order(0, "hang"), 2));
    tokio::time::sleep(Duration::from_secs(28)).await;
    assert_eq!(broker.commits().next_offset("createOrder", 0), Some(0));
    bridge.abort();
}

/// A source may stop waiting for a revocation while the loop is blocked. A new assignment follows, which the old
/// revocation must not release.
#[tokio::test(start_paused = true)]
async fn h4_a_revocation_that_was_given_up_leaves_the_next_assignment_alone() {
    let started = Started::new(tasks(), MemorySink::default(), ["hang"]);
    settle().await;
    let broker = started.broker.clone();
    let waiting = tokio::spawn(async move { broker.revoke([partition()]).await });
    settle().await;
    started.broker.assign([partition()], 1);
    settle().await;
    assert_eq!(waiting.await.expect("no panic")[0].next_offset, 0);
    let under = |mut record: kafka_bridge::Record| {
        record.coordinates.generation = 1;
        record
    };
    started.broker.send(under(order(0, "a")));
    // After the drain timeout, when the old revocation would have ended.
    seconds(15).await;
    started.broker.send(under(order(1, "b")));
    seconds(5).await;
    assert_eq!(started.committed(), Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_refused_commit_is_repeated() {
    let started = Started::new(builder(), MemorySink::default(), ["a"]);
    seconds(3).await;
    assert_eq!(started.committed(), Some(1));
    started.broker.forget_commits();
    seconds(3).await;
    assert_eq!(started.committed(), None, "only what moved is committed");
    started.broker.refuse_commit([partition()]);
    seconds(3).await;
    assert_eq!(started.committed(), Some(1));
}

/// A late commit, for example of a former owner, rewinds the position.
#[tokio::test(start_paused = true)]
async fn h4_a_position_that_was_set_back_is_committed_again() {
    let started = Started::new(builder(), MemorySink::default(), ["a"]);
    seconds(3).await;
    assert_eq!(started.committed(), Some(1));
    started.broker.forget_commits();
    seconds(12).await;
    assert_eq!(started.committed(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_producer_that_failed_for_good_ends_the_bridge_without_committing_its_record() {
    for mode in MODES {
        let fatal = ProduceError::Fatal("fenced".to_owned());
        let sink = MemorySink::default().failing("createOrder.reply", fatal);
        let (commits, source) = MemoryBroker::with_records([order(0, "a")]);
        let bridge = builder().dispatch(mode).with_ports(source, sink).unwrap();
        let error = bridge.await.unwrap_err();
        assert!(matches!(error, Error::Producer(_)), "{error}");
        assert_eq!(commits.next_offset("createOrder", 0), Some(0), "{mode}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_record_gets_exactly_one_reply_in_a_thousand() {
    for mode in MODES {
        let records = (0..1000).map(|offset| order(offset, "a"));
        let (replies, commits) = support::serve(builder().dispatch(mode), records).await;
        let mut ids: Vec<i64> = replies
            .iter()
            .map(|r| header(r, "x-request-id").unwrap().parse().unwrap())
            .collect();
        ids.sort_unstable();
        assert_eq!(ids, (0..1000).collect::<Vec<_>>());
        assert_eq!(commits.next_offset("createOrder", 0), Some(1000));
    }
}
