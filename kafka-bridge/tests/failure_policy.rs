//! Requests that fail on the service's side are answered, or retried and finally given up (hazards H11 and H12).

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use kafka_bridge::ports::ProduceError;
use kafka_bridge::testing::{MemoryBroker, MemorySink};
use kafka_bridge::{
    Bridge, Builder, Dispatch, Error, FailurePolicy, Operation, Record, Retry, WithoutReplyTo,
};
use support::{MODES, header, order, statuses};

const LETTERS: &str = "createOrder.dlq";

fn three_times() -> FailurePolicy {
    FailurePolicy::Retry(Retry {
        max_attempts: 3,
        ..Retry::default()
    })
}

/// Fails `failures` times with the status in the body, then succeeds.
fn failing(failures: u32) -> (Arc<AtomicU32>, Router) {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let handler = move |body: String| {
        let call = counted.fetch_add(1, Ordering::Relaxed);
        async move {
            if call >= failures {
                return (StatusCode::OK, "done");
            }
            let status = body.parse().expect("a status");
            (StatusCode::from_u16(status).expect("a status"), "failed")
        }
    };
    (calls, Router::new().route("/orders", post(handler)))
}

fn builder(app: Router) -> Builder<Router> {
    Bridge::builder(app)
        .operation(Operation::post("createOrder", "/orders").expect("a legal operation"))
        .dead_letter_topic(LETTERS)
        .on_failure(three_times())
        .drain_timeout(Duration::from_secs(300))
}

#[tokio::test(start_paused = true)]
async fn by_default_a_failure_is_the_answer() {
    let (calls, app) = failing(9);
    let by_default = builder(app).on_failure(FailurePolicy::default());
    let (replies, _) = support::serve(by_default, [order(0, "503")]).await;
    assert_eq!(
        (statuses(&replies), calls.load(Ordering::Relaxed)),
        (vec!["503".to_owned()], 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_passes_is_never_seen_by_the_requester() {
    for mode in MODES {
        for status in ["500", "502", "503", "504"] {
            let (calls, app) = failing(2);
            let (replies, commits) =
                support::serve(builder(app).dispatch(mode), [order(0, status)]).await;
            assert_eq!(statuses(&replies), ["200"], "{mode}, {status}");
            assert_eq!(calls.load(Ordering::Relaxed), 3);
            assert_eq!(commits.next_offset("createOrder", 0), Some(1));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_no_attempt_changes_is_given_at_once() {
    for status in ["400", "404", "409", "422", "501"] {
        let (calls, app) = failing(9);
        let (replies, _) = support::serve(builder(app), [order(0, status)]).await;
        assert_eq!(
            (statuses(&replies), calls.load(Ordering::Relaxed)),
            (vec![status.to_owned()], 1)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn h12_a_poison_record_ends_as_a_dead_letter_with_its_cause_and_its_origin() {
    for mode in MODES {
        // All attempts of the first record fail, and none of the next one's.
        let (calls, app) = failing(3);
        let poison = order(0, "500")
            .with_key("k")
            .with_header("Dead-Letter-Cause", "forged")
            .with_header("dead-letter-attempts", "99");
        let in_order = builder(app).dispatch(mode);
        let (produced, commits) = support::serve(in_order, [poison]).await;
        assert_eq!(calls.load(Ordering::Relaxed), 3, "{mode}");
        let [letter] = &produced[..] else {
            panic!("{mode}: {produced:?}")
        };
        assert_eq!(&*letter.topic, LETTERS);
        let told = |name: &str| header(letter, name).expect("a header");
        assert_eq!(
            told("dead-letter-cause"),
            "failed 3 times, the last time with status 500 Internal Server Error"
        );
        assert_eq!(told("dead-letter-topic"), "createOrder");
        assert_eq!(
            (told("dead-letter-partition"), told("dead-letter-offset")),
            ("0".into(), "0".into())
        );
        assert_eq!(
            told("reply-to"),
            "createOrder.reply",
            "the original headers come along"
        );
        let forged = letter.headers.iter().filter(|(_, value)| {
            value.is_some_and(|value| &value[..] == b"forged" || &value[..] == b"99")
        });
        assert_eq!(forged.count(), 0);
        assert_eq!(
            (letter.key.as_deref(), letter.value.as_deref()),
            (Some(&b"k"[..]), Some(&b"500"[..]))
        );
        assert_eq!(
            commits.next_offset("createOrder", 0),
            Some(1),
            "the partition continues"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn h12_panics_and_time_outs_are_tried_again_too() {
    for body in ["panic", "hang"] {
        let retrying = support::builder()
            .dead_letter_topic(LETTERS)
            .on_failure(three_times())
            .drain_timeout(Duration::from_secs(300));
        let (produced, _) = support::serve(retrying, [order(0, body), order(1, "after")]).await;
        let topics: Vec<_> = produced.iter().map(|record| &*record.topic).collect();
        assert!(
            topics.contains(&LETTERS) && topics.contains(&"createOrder.reply"),
            "{body}: {topics:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn h12_a_record_that_waits_for_its_next_attempt_holds_up_no_other() {
    let retrying = support::builder()
        .dead_letter_topic(LETTERS)
        .on_failure(three_times())
        .drain_timeout(Duration::from_secs(300));
    for mode in [Dispatch::Tasks, Dispatch::Keyed] {
        let records = [
            order(0, "panic").with_key("a"),
            order(1, "after").with_key("b"),
        ];
        let (produced, _) = support::serve(retrying.clone().dispatch(mode), records).await;
        assert_eq!(&*produced[0].topic, "createOrder.reply", "{mode}");
        assert_eq!(&*produced[1].topic, LETTERS, "{mode}");
    }
}

#[tokio::test(start_paused = true)]
async fn h12_in_order_per_key_means_also_behind_a_record_that_is_tried_again() {
    let (_, app) = failing(2);
    let keyed = builder(app).dispatch(Dispatch::Keyed);
    let records = (0..3).map(|offset| {
        order(offset, "500")
            .with_key("a")
            .with_header("x-reply-set-header", "x:1")
    });
    let (replies, _) = support::serve(keyed, records).await;
    assert_eq!(statuses(&replies), ["200", "200", "200"]);
}

/// A failed record stays unfinished until it is settled. After a restart it comes again, although later records
/// succeeded.
#[tokio::test(start_paused = true)]
async fn h11_a_failed_record_is_not_passed_by_the_success_of_the_next() {
    for mode in [Dispatch::Tasks, Dispatch::Keyed] {
        let (broker, source) = MemoryBroker::new();
        broker.assign([kafka_bridge::TopicPartition::new("createOrder", 0)], 0);
        broker.send(order(0, "panic").with_key("a"));
        broker.send(order(1, "fine").with_key("b"));
        let sink = MemorySink::default();
        let patient = Retry {
            max_attempts: 1000,
            ..Retry::default()
        };
        let bridge = support::builder()
            .dispatch(mode)
            .dead_letter_topic(LETTERS)
            .on_failure(FailurePolicy::Retry(patient))
            .drain_timeout(Duration::from_secs(3));
        let bridge = bridge
            .with_ports(source, sink.clone())
            .expect("settings that agree");
        let stop = tokio::time::sleep(Duration::from_secs(20));
        let summary = bridge.with_graceful_shutdown(stop).await.expect("a stop");
        assert_eq!((summary.replied, summary.abandoned), (1, 1), "{mode}");
        assert_eq!(sink.produced().len(), 1);
        assert_eq!(
            broker.commits().next_offset("createOrder", 0),
            Some(0),
            "{mode}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_return_address_a_failure_is_tried_again_too() {
    let (calls, app) = failing(9);
    let processing = builder(app).without_reply_to(WithoutReplyTo::Process);
    let silent = Record::new("createOrder", 0, 0).with_value("500");
    let (produced, _) = support::serve(processing, [silent]).await;
    assert_eq!(calls.load(Ordering::Relaxed), 3);
    assert_eq!(&*produced[0].topic, LETTERS);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_is_refused_is_counted_and_does_not_stop_the_rest() {
    let (_, app) = failing(3);
    let (commits, source) = MemoryBroker::with_records([order(0, "500"), order(1, "200")]);
    let refused = ProduceError::Refused("unknown topic".to_owned());
    let sink = MemorySink::default().failing(LETTERS, refused);
    let summary = support::run(builder(app).dispatch(Dispatch::Serial), source, sink).await;
    assert_eq!((summary.skipped, summary.replied), (1, 1));
    assert_eq!(commits.next_offset("createOrder", 0), Some(2));
}

#[test]
fn retrying_needs_a_place_for_what_fails_for_good() {
    let (_, source) = MemoryBroker::new();
    let nowhere = support::builder().on_failure(three_times());
    let error = nowhere
        .with_ports(source, MemorySink::default())
        .expect_err("no topic");
    assert!(matches!(error, Error::RetryWithoutDeadLetter), "{error}");

    let never = FailurePolicy::Retry(Retry {
        max_attempts: 0,
        ..Retry::default()
    });
    let (_, source) = MemoryBroker::new();
    let never = support::builder()
        .dead_letter_topic(LETTERS)
        .on_failure(never);
    let error = never
        .with_ports(source, MemorySink::default())
        .expect_err("no attempt");
    assert!(error.to_string().contains("max_attempts"), "{error}");
}
