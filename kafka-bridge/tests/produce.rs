//! What happens to replies and dead letters when they are produced, and to a bridge whose producer or source fails
//! (hazards H7, H8, H12 and H25).

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use kafka_bridge::offsets::Position;
use kafka_bridge::ports::{Intake, ProduceError, RecordSource, ReplySink, SourceEvent};
use kafka_bridge::testing::{MemoryBroker, MemorySink};
use kafka_bridge::{
    Bridge, Builder, Dispatch, Error, FailurePolicy, Limits, Operation, OutboundRecord, Record,
    Retry, TopicPartition, WithoutReplyTo,
};
use support::{MODES, header, order, settle, statuses};

const LETTERS: &str = "createOrder.dlq";

fn bridge(app: Router) -> Builder<Router> {
    Bridge::builder(app)
        .operation(Operation::post("createOrder", "/orders").expect("a legal operation"))
}

/// Refuses values above a size, like a topic.
#[derive(Clone)]
struct Narrow(MemorySink, usize);

impl ReplySink for Narrow {
    async fn produce(&self, record: OutboundRecord) -> Result<(), ProduceError> {
        if record
            .value
            .as_ref()
            .is_some_and(|value| value.len() > self.1)
        {
            return Err(ProduceError::Refused("too large".to_owned()));
        }
        self.0.produce(record).await
    }
}

#[tokio::test(start_paused = true)]
async fn h25_a_dead_letter_that_is_too_large_comes_without_its_value_and_says_so() {
    for mode in MODES {
        let (commits, source) = MemoryBroker::with_records([order(0, &"x".repeat(2000))]);
        let sink = MemorySink::default();
        let bridge = support::builder().dispatch(mode).dead_letter_topic(LETTERS);
        let bridge = bridge.with_ports(source, Narrow(sink.clone(), 1000));
        let summary = bridge.expect("settings that agree").await.expect("an end");
        assert_eq!((summary.dead_lettered, summary.skipped), (1, 0), "{mode}");
        let [letter] = &sink.produced()[..] else {
            panic!("{mode}: {:?}", sink.produced())
        };
        assert_eq!(letter.value, None);
        let told = |name: &str| header(letter, name).expect("a header");
        assert_eq!(told("dead-letter-value"), "left out, 2000 bytes");
        assert!(told("dead-letter-cause").contains("too large"));
        assert_eq!(told("reply-to"), "createOrder.reply");
        assert_eq!(commits.next_offset("createOrder", 0), Some(1), "{mode}");
    }
}

#[tokio::test(start_paused = true)]
async fn h25_a_record_without_a_return_address_is_a_dead_letter_where_there_is_a_topic_for_them() {
    let silent = || Record::new("createOrder", 0, 0).with_value("a");
    let lettered = support::builder().dead_letter_topic(LETTERS);
    let (produced, commits) = support::serve(lettered.clone(), [silent()]).await;
    let [letter] = &produced[..] else {
        panic!("{produced:?}")
    };
    assert_eq!(&*letter.topic, LETTERS);
    let cause = header(letter, "dead-letter-cause").expect("a cause");
    assert_eq!(cause, "no return address");
    assert_eq!(commits.next_offset("createOrder", 0), Some(1));
    // A processed record gets no dead letter.
    let processed = lettered.without_reply_to(WithoutReplyTo::Process);
    let (produced, _) = support::serve(processed, [silent()]).await;
    assert_eq!(produced, []);
    let (produced, _) = support::serve(support::builder(), [silent()]).await;
    assert_eq!(produced, []);
}

/// Answers each request with this many bytes, and counts the requests.
fn answering(size: usize) -> (Arc<AtomicU32>, Router) {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let handler = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        std::future::ready("x".repeat(size))
    };
    (calls, Router::new().route("/orders", post(handler)))
}

#[tokio::test(start_paused = true)]
async fn h8_replies_that_wait_for_a_slow_broker_count_in_the_bound_on_bytes() {
    let limits = Limits {
        max_in_flight_bytes: 35_000,
        max_reply_bytes: 10_000,
        ..Limits::default()
    };
    for mode in [Dispatch::Tasks, Dispatch::Keyed] {
        let (calls, app) = answering(10_000);
        let (broker, source) = MemoryBroker::new();
        broker.assign([TopicPartition::new("createOrder", 0)], 0);
        let sink = MemorySink::default().gated();
        let bridge = bridge(app).dispatch(mode).limits(limits.clone());
        let bridge = bridge
            .with_ports(source, sink.clone())
            .expect("settings that agree");
        let running = tokio::spawn(bridge.into_future());
        for offset in 0..20 {
            broker.send(order(offset, "a"));
            settle().await;
        }
        // The record that exceeds the limit is the last one.
        assert_eq!(calls.load(Ordering::Relaxed), 4, "{mode}");
        sink.acknowledge(2);
        settle().await;
        let begun = calls.load(Ordering::Relaxed) - 4;
        // The mean of four replies is still inaccurate.
        assert!((2..=4).contains(&begun), "{mode}: {begun}");
        for _ in 2..20 {
            sink.acknowledge(1);
            settle().await;
        }
        assert_eq!(calls.load(Ordering::Relaxed), 20, "{mode}");
        // Many records before the first answer: the expected size is known by now.
        for offset in 20..100 {
            broker.send(order(offset, "a"));
        }
        settle().await;
        let begun = calls.load(Ordering::Relaxed) - 20;
        assert!((4..=6).contains(&begun), "{mode}: {begun}");
        running.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn h8_the_first_burst_of_large_replies_keeps_the_bound_on_bytes_too() {
    let limits = Limits {
        max_in_flight_bytes: 35_000,
        max_reply_bytes: 10_000,
        ..Limits::default()
    };
    for mode in [Dispatch::Tasks, Dispatch::Keyed] {
        let (calls, app) = answering(9_000);
        let (broker, source) = MemoryBroker::new();
        broker.assign([TopicPartition::new("createOrder", 0)], 0);
        let sink = MemorySink::default().gated();
        let bridge = bridge(app).dispatch(mode).limits(limits.clone());
        let bridge = bridge
            .with_ports(source, sink)
            .expect("settings that agree");
        // All records before the first answer.
        for offset in 0..50 {
            broker.send(order(offset, "a"));
        }
        let running = tokio::spawn(bridge.into_future());
        settle().await;
        assert_eq!(calls.load(Ordering::Relaxed), 4, "{mode}");
        running.abort();
    }
}

/// After a few small or missing replies, small replies are expected.
#[tokio::test(start_paused = true)]
async fn h8_the_bound_on_bytes_opens_as_soon_as_replies_are_known_to_be_small() {
    for without in [WithoutReplyTo::Skip, WithoutReplyTo::Process] {
        let calls = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&calls);
        let handler = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(10))
        };
        let app = Router::new().route("/orders", post(handler));
        let (broker, source) = MemoryBroker::new();
        broker.assign([TopicPartition::new("createOrder", 0)], 0);
        let bridge = bridge(app)
            .dispatch(Dispatch::Tasks)
            .without_reply_to(without);
        let bridge = bridge.with_ports(source, MemorySink::default());
        let running = tokio::spawn(bridge.expect("settings that agree").into_future());
        let record = |offset| match without {
            WithoutReplyTo::Skip => order(offset, "a"),
            _ => Record::new("createOrder", 0, offset).with_value("a"),
        };
        (0..2000).for_each(|offset| broker.send(record(offset)));
        tokio::time::sleep(Duration::from_millis(5)).await;
        let first = calls.load(Ordering::Relaxed);
        assert!((70..=75).contains(&first), "{without:?}: {first}");
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(calls.load(Ordering::Relaxed) - first, 1024, "{without:?}");
        running.abort();
    }
}

fn thrice() -> FailurePolicy {
    FailurePolicy::Retry(Retry {
        max_attempts: 3,
        ..Retry::default()
    })
}

#[tokio::test(start_paused = true)]
async fn h12_an_answer_that_is_too_large_is_no_reason_to_carry_the_request_out_again() {
    let limits = Limits {
        max_reply_bytes: 1000,
        ..Limits::default()
    };
    let (calls, app) = answering(1001);
    let retrying = bridge(app)
        .limits(limits)
        .dead_letter_topic(LETTERS)
        .on_failure(thrice())
        .without_reply_to(WithoutReplyTo::Process);
    let (replies, _) = support::serve(retrying.clone(), [order(0, "a")]).await;
    assert_eq!(statuses(&replies), ["500"]);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    let body = replies[0].value.as_ref().expect("a problem");
    let body = String::from_utf8_lossy(body);
    assert!(body.contains("1000 bytes"), "{body}");
    // Nobody wants the answer, so its size does not matter.
    let silent = Record::new("createOrder", 0, 0).with_value("a");
    let (produced, _) = support::serve(retrying, [silent]).await;
    assert_eq!(produced, []);
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

/// A failure with a large body is still a failure.
#[tokio::test(start_paused = true)]
async fn h12_a_failure_with_an_answer_that_is_too_large_is_tried_again() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let handler = move || {
        let call = counted.fetch_add(1, Ordering::Relaxed);
        async move {
            let (status, size) = if call == 0 { (503, 2000) } else { (200, 1) };
            let response = axum::http::Response::builder().status(status);
            response.body(Body::from("x".repeat(size))).expect("legal")
        }
    };
    let app = Router::new().route("/orders", post(handler));
    let limits = Limits {
        max_reply_bytes: 1000,
        ..Limits::default()
    };
    let retrying = bridge(app).limits(limits).dead_letter_topic(LETTERS);
    let retrying = retrying.on_failure(thrice());
    let (replies, _) = support::serve(retrying, [order(0, "a")]).await;
    assert_eq!(statuses(&replies), ["200"]);
}

/// Returns its end whenever it is called: after its records, or instead of any other event.
struct Ending {
    records: Vec<Record>,
    is_open_for_ever: bool,
    asked: u32,
}

impl RecordSource for Ending {
    async fn next(&mut self, intake: Intake) -> Result<SourceEvent, Error> {
        self.asked += 1;
        assert!(self.asked < 10_000, "the loop spins");
        if intake == Intake::Open {
            if let Some(record) = self.records.pop() {
                return Ok(SourceEvent::Record(record));
            }
            if self.is_open_for_ever {
                std::future::pending::<()>().await;
            }
        }
        Ok(SourceEvent::Exhausted)
    }

    fn commit(&mut self, _: &[Position]) {}

    async fn close(self, _: Vec<Position>) -> Result<(), Error> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn h7_a_source_that_ends_again_and_again_does_not_spin_the_loop() {
    for (is_open_for_ever, body) in [(false, "slow"), (true, "a")] {
        for mode in MODES {
            let source = Ending {
                records: vec![order(0, body)],
                is_open_for_ever,
                asked: 0,
            };
            let bridge = support::builder().dispatch(mode);
            let bridge = bridge.with_ports(source, MemorySink::default());
            let summary = bridge.expect("settings that agree").await.expect("an end");
            // The partition was never assigned.
            assert_eq!(summary.abandoned, 0, "{mode}, {body}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn durations_without_end_are_as_good_as_any() {
    for mode in MODES {
        let endless = support::builder()
            .dispatch(mode)
            .commit_interval(Duration::MAX)
            .request_timeout(Duration::MAX)
            .drain_timeout(Duration::MAX)
            .revocation_timeout(Duration::MAX)
            .stuck_after(Duration::MAX)
            .dead_letter_topic(LETTERS)
            .on_failure(FailurePolicy::Retry(Retry {
                max_attempts: 3,
                first_backoff: Duration::ZERO,
                max_backoff: Duration::MAX,
            }));
        let (broker, source) = MemoryBroker::new();
        let partition = TopicPartition::new("createOrder", 0);
        broker.assign([partition.clone()], 0);
        broker.send(order(0, "slow"));
        let sink = MemorySink::default();
        let bridge = endless
            .with_ports(source, sink.clone())
            .expect("settings that agree");
        let status = bridge.status();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let ended = tokio::spawn(bridge.with_graceful_shutdown(async {
            let _ = stopped.await;
        }));
        settle().await;
        let positions = broker.revoke([partition]).await;
        assert_eq!(positions[0].next_offset, 1, "{mode}");
        assert_eq!(status.borrow().health(), Ok(()));
        stop.send(()).expect("it runs");
        let summary = ended.await.expect("no panic").expect("a stop");
        assert_eq!(summary.replied, 1, "{mode}");
    }
}

/// Sleeps as many seconds as the body says.
async fn sleeper(body: String) -> String {
    tokio::time::sleep(Duration::from_secs(body.parse().expect("seconds"))).await;
    body
}

#[tokio::test(start_paused = true)]
async fn h7_after_a_producer_has_failed_for_good_what_runs_is_waited_for() {
    for mode in [Dispatch::Tasks, Dispatch::Keyed] {
        let to = |offset, seconds: &str, topic: &str| {
            Record::new("createOrder", 0, offset)
                .with_value(seconds.to_owned())
                .with_header("reply-to", topic.to_owned())
        };
        let fatal = ProduceError::Fatal("fenced".to_owned());
        let sink = MemorySink::default().failing("createOrder.reply.bad", fatal);
        let (commits, source) = MemoryBroker::with_records([
            to(0, "5", "createOrder.reply"),
            to(1, "1", "createOrder.reply.bad"),
            to(2, "2", "createOrder.reply.bad"),
        ]);
        let app = Router::new().route("/orders", post(sleeper));
        let bridge = bridge(app).dispatch(mode);
        let bridge = bridge
            .with_ports(source, sink.clone())
            .expect("settings that agree");
        let error = bridge.await.expect_err("the producer's failure");
        assert!(matches!(error, Error::Producer(_)), "{error}");
        assert_eq!(sink.produced().len(), 1, "{mode}");
        assert_eq!(commits.next_offset("createOrder", 0), Some(1), "{mode}");
    }
}
