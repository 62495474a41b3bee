//! Time limits of a request: of the bridge, of its operation, and of its requester.

mod support;

use std::time::Duration;

use kafka_bridge::{
    Bridge, Builder, DEFAULT_DEADLINE_HEADER, Error, FailurePolicy, Operation, Record, Retry,
    WithoutReplyTo,
};
use support::{MODES, builder, header, order, seen, serve, statuses};

/// Far in the future, so that the whole time is left.
const AHEAD: i64 = 1 << 50;

/// A request whose handler takes 5 s, and whose requester waits for `millis`.
fn slow(millis: &str, timestamp: i64) -> Record {
    let mut record = order(0, "slow").with_header("X-Request-Timeout-Ms", millis.to_owned());
    record.timestamp = Some(timestamp);
    record
}

fn with_deadlines() -> Builder<axum::Router> {
    builder().deadline_header(DEFAULT_DEADLINE_HEADER)
}

#[tokio::test(start_paused = true)]
async fn a_requesters_deadline_shortens_the_time_of_its_request_and_never_lengthens_it() {
    for mode in MODES {
        for (millis, status) in [("4000", "504"), ("6000", "200"), ("99999999", "200")] {
            let bridge = with_deadlines().dispatch(mode);
            let (replies, _) = serve(bridge, [slow(millis, AHEAD)]).await;
            assert_eq!(statuses(&replies), [status], "{mode}, {millis}");
        }
    }
    let bridge = with_deadlines().request_timeout(Duration::from_secs(3));
    let (replies, _) = serve(bridge, [slow("6000", AHEAD)]).await;
    assert_eq!(statuses(&replies), ["504"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_past_its_deadline_is_not_run_and_gets_504() {
    let panics = |timestamp| {
        let mut record = slow("1000", timestamp);
        record.value = Some("panic".into());
        record
    };
    let (replies, commits) = serve(with_deadlines(), [panics(0)]).await;
    assert_eq!(statuses(&replies), ["504"]);
    assert_eq!(header(&replies[0], "x-request-id").as_deref(), Some("0"));
    assert_eq!(commits.next_offset("createOrder", 0), Some(1));
    let (replies, _) = serve(with_deadlines(), [panics(AHEAD)]).await;
    assert_eq!(statuses(&replies), ["500"], "it is run in time");
}

#[tokio::test(start_paused = true)]
async fn what_is_past_its_deadline_is_not_tried_again() {
    let retrying = || {
        let policy = FailurePolicy::Retry(Retry::default());
        with_deadlines()
            .on_failure(policy)
            .dead_letter_topic("createOrder.dlq")
            .drain_timeout(Duration::from_secs(300))
    };
    let begun = tokio::time::Instant::now();
    for timestamp in [0, AHEAD] {
        let (replies, _) = serve(retrying(), [slow("1000", timestamp)]).await;
        assert_eq!(statuses(&replies), ["504"]);
        assert_eq!(&*replies[0].topic, "createOrder.reply");
    }
    assert!(begun.elapsed() < Duration::from_secs(2));
    let silent = retrying().without_reply_to(WithoutReplyTo::Process);
    let mut record = Record::new("createOrder", 0, 0).with_header("x-request-timeout-ms", "1");
    record.timestamp = Some(0);
    let (letters, _) = serve(silent, [record]).await;
    let cause = header(&letters[0], "dead-letter-cause").expect("a cause");
    assert!(cause.contains("deadline"), "{cause}");
}

#[tokio::test(start_paused = true)]
async fn h10_a_deadline_that_makes_no_sense_is_ignored_and_so_is_any_without_the_setting() {
    for millis in ["", "-1", "soon", "1e3", "99999999999999999999"] {
        let (replies, _) = serve(with_deadlines(), [slow(millis, 0)]).await;
        assert_eq!(statuses(&replies), ["200"], "{millis}");
    }
    for timestamp in [None, Some(-1)] {
        let mut record = slow("1", 0);
        record.timestamp = timestamp;
        let (replies, _) = serve(with_deadlines(), [record]).await;
        assert_eq!(statuses(&replies), ["200"]);
    }
    let (headers, _) = seen(|builder| builder, slow("1", 0)).await;
    assert_eq!(
        headers["x-request-timeout-ms"], "1",
        "the application's to read"
    );
}

fn two_operations() -> Builder<axum::Router> {
    let slower = Operation::post("slower", "/orders").expect("legal");
    builder()
        .request_timeout(Duration::from_secs(2))
        .operation(slower.timeout(Duration::from_secs(6)))
        .reply_topics(["r"])
}

#[tokio::test(start_paused = true)]
async fn an_operation_has_a_time_limit_of_its_own() {
    let to = |topic: &str| {
        Record::new(topic, 0, 0)
            .with_value("slow")
            .with_header("reply-to", "r")
    };
    let (replies, _) = serve(two_operations(), [to("createOrder")]).await;
    assert_eq!(statuses(&replies), ["504"]);
    let (replies, _) = serve(two_operations(), [to("slower")]).await;
    assert_eq!(statuses(&replies), ["200"]);
}

#[test]
fn h27_the_longest_limit_of_an_operation_counts_for_what_is_stuck() {
    let ports = || {
        let (_, source) = kafka_bridge::testing::MemoryBroker::new();
        (source, kafka_bridge::testing::MemorySink::default())
    };
    let build = |builder: Builder<axum::Router>| {
        let (source, sink) = ports();
        builder.with_ports(source, sink)
    };
    let refused = build(two_operations().stuck_after(Duration::from_secs(6)));
    let error = refused.expect_err("a record would count as stuck");
    assert!(matches!(error, Error::StuckAfter { .. }), "{error}");
    let bridge = build(two_operations()).expect("settings that agree");
    assert_eq!(
        bridge.status().borrow().stuck_after,
        Duration::from_secs(36)
    );

    let never = Operation::post("t", "/")
        .expect("legal")
        .timeout(Duration::ZERO);
    let refused = build(Bridge::builder(support::app()).operation(never));
    assert!(matches!(
        refused,
        Err(Error::ZeroBound("Operation::timeout"))
    ));
}
