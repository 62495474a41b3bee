//! Operations for all topics that match a pattern, with in-memory ports.

mod support;

use axum::Router;
use axum::http::Method;
use axum::routing::post;
use kafka_bridge::testing::{MemoryBroker, MemorySink};
use kafka_bridge::{Bridge, Builder, Error, KafkaRecord, Operation, Record};
use support::serve;

fn app() -> Router {
    let topic = |record: axum::Extension<KafkaRecord>| async move { record.topic().to_owned() };
    let own = || async { "own" };
    Router::new()
        .route("/any", post(topic))
        .route("/own", post(own))
}

fn builder(pattern: &str) -> Builder<Router> {
    let operation = Operation::pattern(pattern, Method::POST, "/any").expect("a pattern");
    Bridge::builder(app()).operation(operation)
}

fn record(topic: &str, reply_to: &str) -> Record {
    Record::new(topic, 0, 0).with_header("reply-to", reply_to.to_owned())
}

/// Returns the topic and the body of each reply.
async fn replies(builder: Builder<Router>, records: &[(&str, &str)]) -> Vec<(String, String)> {
    let records = records
        .iter()
        .map(|(topic, reply_to)| record(topic, reply_to));
    let (replies, commits) = serve(builder, records.clone()).await;
    for record in records {
        let next = commits.next_offset(record.topic(), 0);
        assert_eq!(next, Some(1), "{}", record.topic());
    }
    let text = |reply: &kafka_bridge::OutboundRecord| {
        let body = reply.value.clone().unwrap_or_default();
        let body = String::from_utf8_lossy(&body).into_owned();
        (reply.topic.to_string(), body)
    };
    replies.iter().map(text).collect()
}

fn pair(topic: &str, body: &str) -> (String, String) {
    (topic.to_owned(), body.to_owned())
}

#[tokio::test(start_paused = true)]
async fn topics_that_match_are_served_and_answered_on_their_own_reply_topics() {
    let records = [
        ("orders.eu", "orders.eu.reply"),
        ("orders.us", "orders.us.reply.client-7"),
        ("invoices.eu", "orders.eu.reply"),
        ("orders.EU", "orders.eu.reply"),
    ];
    let mut replies = replies(builder(r"orders\.[a-z]+"), &records).await;
    replies.sort();
    let expected = [
        pair("orders.eu.reply", "orders.eu"),
        pair("orders.us.reply.client-7", "orders.us"),
    ];
    assert_eq!(replies, expected);
}

#[tokio::test(start_paused = true)]
async fn h15_no_reply_goes_to_a_topic_that_a_pattern_matches_and_none_is_a_request() {
    let all = || builder(".*").dead_letter_topic("dead");
    for reply_to in [
        "orders.us",
        "orders.eu",
        "made-up",
        "__consumer_offsets",
        "dead",
        "x.replyx",
    ] {
        let replies = replies(all(), &[("orders.eu", reply_to)]).await;
        let to: Vec<_> = replies.iter().map(|(topic, _)| topic.as_str()).collect();
        assert_eq!(to, ["dead"], "{reply_to}");
    }
    for topic in [
        "orders.eu.reply",
        "orders.eu.reply.x",
        "__consumer_offsets",
        "dead",
    ] {
        let replies = replies(all(), &[(topic, "orders.eu.reply")]).await;
        assert!(
            replies.iter().all(|(to, _)| to == "dead"),
            "{topic}: {replies:?}"
        );
    }
    // Topics that the operator lists are for replies, even if the pattern matches them.
    let listed = || builder("orders.*").reply_topics(["orders.answers", "orders.to.*"]);
    for topic in ["orders.answers", "orders.to.me"] {
        let to = replies(listed(), &[("orders.eu", topic)]).await;
        assert_eq!(to, [pair(topic, "orders.eu")]);
        assert_eq!(replies(listed(), &[(topic, "orders.answers")]).await, []);
    }
}

#[tokio::test(start_paused = true)]
async fn an_operation_of_a_topics_own_goes_first_then_the_first_pattern() {
    let own = Operation::post("orders.eu", "/own").expect("an operation");
    let second = Operation::pattern("orders.+", Method::POST, "/own").expect("a pattern");
    let builder = builder("orders[.].+").operation(second).operation(own);
    let records = [
        ("orders.eu", "orders.eu.reply"),
        ("orders.us", "orders.us.reply"),
    ];
    let mut replies = replies(builder, &records).await;
    replies.sort();
    let expected = [
        pair("orders.eu.reply", "own"),
        pair("orders.us.reply", "orders.us"),
    ];
    assert_eq!(replies, expected);
}

#[test]
fn patterns_that_contradict_the_topics_of_replies_are_refused() {
    let refused = |builder: Builder<Router>| {
        let (_, source) = MemoryBroker::new();
        builder.with_ports(source, MemorySink::default()).err()
    };
    let all = refused(builder(".*").reply_topics(["*"]));
    assert!(matches!(all, Some(Error::KeptForReplies { .. })), "{all:?}");
    let each = refused(builder(r"orders\.[a-z]+").reply_topics(["replies.*", "orders*"]));
    assert!(
        matches!(each, Some(Error::KeptForReplies { .. })),
        "{each:?}"
    );
    let some = refused(builder(r"orders\.[a-z]+").reply_topics(["orders.reply*"]));
    assert!(some.is_none(), "{some:?}");
    let own = Operation::post("a.reply", "/own").expect("an operation");
    let own = refused(builder("orders.*").operation(own));
    assert!(matches!(own, Some(Error::KeptForReplies { .. })), "{own:?}");
    let twice = refused(
        builder("a+")
            .operations([Operation::pattern("a+", Method::POST, "/own").expect("a pattern")]),
    );
    assert!(matches!(twice, Some(Error::DuplicateTopic(_))), "{twice:?}");
    assert!(refused(builder("a+")).is_none());
}
