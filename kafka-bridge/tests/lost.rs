//! What happens to records whose partition another member owns by now (hazard H30).

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use kafka_bridge::offsets::{Finished, Position};
use kafka_bridge::ports::ProduceError;
use kafka_bridge::testing::{MemoryBroker, MemorySink};
use kafka_bridge::{Bridge, Dispatch, FailurePolicy, Operation, Record, Retry, TopicPartition};
use support::{MODES, settle};
use tokio::time::sleep;

fn partition(number: i32) -> TopicPartition {
    TopicPartition::new("createOrder", number)
}

fn record(partition: i32, offset: i64, body: &'static str) -> Record {
    Record::new("createOrder", partition, offset)
        .with_value(body)
        .with_key("k")
        .with_header("reply-to", "createOrder.reply")
}

/// Starts a bridge whose application takes a second, fails on demand, and waits a minute between attempts. Returns how
/// often it was called.
fn start(mode: Dispatch) -> (MemoryBroker, MemorySink, Arc<AtomicU32>) {
    start_with(mode, MemorySink::default(), 1024)
}

fn start_with(
    mode: Dispatch,
    sink: MemorySink,
    max_in_flight: usize,
) -> (MemoryBroker, MemorySink, Arc<AtomicU32>) {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let handler = move |body: String| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move {
            sleep(Duration::from_secs(1)).await;
            match body.as_str() {
                "fail" => StatusCode::INTERNAL_SERVER_ERROR,
                _ => StatusCode::OK,
            }
        }
    };
    let retry = Retry {
        max_attempts: 2,
        first_backoff: Duration::from_secs(60),
        max_backoff: Duration::from_secs(60),
    };
    let bridge = Bridge::builder(Router::new().route("/orders", post(handler)))
        .operation(Operation::post("createOrder", "/orders").expect("a legal operation"))
        .dispatch(mode)
        .max_in_flight(max_in_flight)
        .dead_letter_topic("dlq")
        .on_failure(FailurePolicy::Retry(retry));
    let (broker, source) = MemoryBroker::new();
    let bridge = bridge
        .with_ports(source, sink.clone())
        .expect("settings that agree");
    tokio::spawn(bridge.into_future());
    broker.assign([partition(0), partition(1)], 1);
    (broker, sink, calls)
}

fn sent(broker: &MemoryBroker, partition: i32, bodies: &[&'static str]) {
    for (offset, body) in (0..).zip(bodies) {
        let mut record = record(partition, offset, body);
        record.coordinates.generation = 1;
        broker.send(record);
    }
}

#[tokio::test(start_paused = true)]
async fn h30_what_waits_for_another_attempt_is_dropped_and_the_partitions_that_are_left_go_on() {
    for mode in MODES {
        let (broker, sink, calls) = start(mode);
        sent(&broker, 0, &["fail", "good"]);
        // The first attempt has failed, and the second starts in a minute.
        sleep(Duration::from_secs(5)).await;
        let before = calls.load(Ordering::Relaxed);
        let replies = sink.produced().len();
        broker.lose([partition(0)]);
        settle().await;
        sent(&broker, 1, &["good"]);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(sink.produced().len(), replies + 1, "{mode}: served at once");
        sleep(Duration::from_secs(300)).await;
        assert_eq!(
            calls.load(Ordering::Relaxed),
            before + 1,
            "{mode}: the other member's"
        );
        assert_eq!(sink.produced().len(), replies + 1, "{mode}: no dead letter");
        let committed = broker.commits().next_offset("createOrder", 0);
        assert!(
            committed.is_none_or(|next| next == 0),
            "{mode}: {committed:?}"
        );
        assert_eq!(
            broker.commits().next_offset("createOrder", 1),
            Some(1),
            "{mode}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn h30_a_running_request_may_finish_and_its_failure_is_left_to_the_next_owner() {
    for mode in MODES {
        let (broker, sink, calls) = start(mode);
        sent(&broker, 0, &["fail"]);
        // During the second and last attempt.
        sleep(Duration::from_millis(500)).await;
        while calls.load(Ordering::Relaxed) < 2 {
            sleep(Duration::from_millis(100)).await;
        }
        broker.lose([partition(0)]);
        sleep(Duration::from_secs(300)).await;
        assert_eq!(calls.load(Ordering::Relaxed), 2, "{mode}");
        assert_eq!(sink.produced().len(), 0, "{mode}: no dead letter");
    }
}

/// The same for a partition that was released because its time was over.
#[tokio::test(start_paused = true)]
async fn h30_a_revoked_partition_that_is_out_of_time_has_no_further_attempts() {
    for mode in MODES {
        let (broker, sink, calls) = start(mode);
        sent(&broker, 0, &["fail"]);
        sleep(Duration::from_secs(5)).await;
        let positions = broker.revoke([partition(0)]).await;
        assert_eq!(positions[0].next_offset, 0, "{mode}");
        sleep(Duration::from_secs(300)).await;
        assert_eq!(calls.load(Ordering::Relaxed), 1, "{mode}");
        assert_eq!(sink.produced().len(), 0, "{mode}");
    }
}

#[tokio::test(start_paused = true)]
async fn h30_a_reply_that_waits_does_not_hold_up_the_partitions_that_are_left() {
    for mode in MODES {
        let (broker, _, calls) = start_with(mode, MemorySink::default().gated(), 1);
        sent(&broker, 0, &["good"]);
        sleep(Duration::from_secs(5)).await;
        broker.lose([partition(0)]);
        settle().await;
        sent(&broker, 1, &["good"]);
        sleep(Duration::from_secs(5)).await;
        assert_eq!(calls.load(Ordering::Relaxed), 2, "{mode}");
    }
}

#[tokio::test(start_paused = true)]
async fn h30_a_reply_that_is_refused_after_its_partition_has_gone_makes_no_dead_letter() {
    for mode in MODES {
        let refused = ProduceError::Refused("too large".to_owned());
        let sink = MemorySink::default().failing("createOrder.reply", refused);
        let (broker, sink, calls) = start_with(mode, sink, 1024);
        sent(&broker, 0, &["good"]);
        sleep(Duration::from_millis(500)).await;
        broker.lose([partition(0)]);
        sleep(Duration::from_secs(5)).await;
        assert_eq!(calls.load(Ordering::Relaxed), 1, "{mode}");
        assert_eq!(sink.produced(), [], "{mode}: the next owner's");
    }
}

fn begin_anew(broker: &MemoryBroker) {
    let start = Position {
        topic_partition: partition(0),
        next_offset: 0,
        generation: 2,
        finished: Finished::default(),
    };
    broker.begin_anew(start);
}

#[tokio::test(start_paused = true)]
async fn h26_what_was_not_begun_of_a_topic_that_was_made_anew_is_dropped() {
    for mode in MODES {
        let (broker, sink, calls) = start(mode);
        sent(&broker, 0, &["fail", "good"]);
        // The first attempt has failed. In `keyed` the other record waits behind it.
        sleep(Duration::from_secs(5)).await;
        let (before, replies) = (calls.load(Ordering::Relaxed), sink.produced().len());
        begin_anew(&broker);
        settle().await;
        let mut new = record(0, 0, "good");
        new.coordinates.generation = 2;
        broker.send(new);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(sink.produced().len(), replies + 1, "{mode}: served at once");
        sleep(Duration::from_secs(300)).await;
        assert_eq!(calls.load(Ordering::Relaxed), before + 1, "{mode}");
        assert_eq!(sink.produced().len(), replies + 1, "{mode}");
    }
}

/// Nobody handles the record of a deleted topic again.
#[tokio::test(start_paused = true)]
async fn h26_a_reply_that_waits_outlives_the_topic_of_its_request() {
    let (broker, sink, calls) = start_with(Dispatch::Serial, MemorySink::default().gated(), 1);
    sent(&broker, 0, &["good"]);
    sleep(Duration::from_secs(5)).await;
    begin_anew(&broker);
    settle().await;
    sent(&broker, 1, &["good"]);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(calls.load(Ordering::Relaxed), 1, "it still waits");
    sink.acknowledge(1);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}
