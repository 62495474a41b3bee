//! Replies to requesters that name no topic, and the format of failures for each kind of requester.

mod support;

use axum::Router;
use kafka_bridge::testing::{MemoryBroker, MemorySink};
use kafka_bridge::{Bridge, Builder, Error, Operation, OutboundRecord, Record, ReplyProfile};
use support::{header, serve, statuses};

fn naming(topic: &str) -> Builder<Router> {
    let operation = Operation::post("createOrder", "/orders").expect("legal");
    Bridge::builder(support::app()).operation(operation.reply_topic(topic).expect("legal"))
}

fn silent() -> Record {
    Record::new("createOrder", 0, 0)
        .with_key("k")
        .with_value("hello")
}

fn topics(replies: &[OutboundRecord]) -> Vec<&str> {
    replies.iter().map(|reply| &*reply.topic).collect()
}

#[tokio::test]
async fn a_requester_who_names_no_topic_is_answered_on_the_operations() {
    let (replies, _) = serve(naming("answers"), [silent()]).await;
    assert_eq!(
        (topics(&replies), statuses(&replies)),
        (vec!["answers"], vec!["200".to_owned()])
    );
    assert_eq!(replies[0].key.as_deref(), Some(&b"k"[..]));
    let mut null = silent();
    null.headers.push_nullable("reply-to", None);
    let (replies, _) = serve(naming("answers"), [null]).await;
    assert_eq!(topics(&replies), ["answers"]);
}

#[tokio::test]
async fn a_topic_that_the_requester_names_goes_first_and_is_not_replaced_when_it_is_refused() {
    for own in ["createOrder.reply", "answers"] {
        let (replies, _) = serve(naming("answers"), [silent().with_header("reply-to", own)]).await;
        assert_eq!(topics(&replies), [own]);
    }
    let elsewhere = silent().with_header("reply-to", "payments");
    let (replies, _) = serve(naming("answers"), [elsewhere]).await;
    assert_eq!(replies, []);
}

#[tokio::test]
async fn the_reply_is_of_the_profile_whose_correlation_the_record_has() {
    let profiles = [ReplyProfile::reference(), ReplyProfile::faststream()];
    let record = silent().with_header("correlation_id", "c");
    let (replies, _) = serve(naming("answers").profiles(profiles), [record]).await;
    assert_eq!(header(&replies[0], "correlation_id").as_deref(), Some("c"));
}

#[test]
fn h15_a_reply_topic_that_no_reply_may_go_to_is_refused() {
    let build = |builder: Builder<Router>| {
        let (_, source) = MemoryBroker::new();
        builder.with_ports(source, MemorySink::default()).map(drop)
    };
    assert!(build(naming("answers")).is_ok());
    for topic in ["createOrder", "__internal", "dead"] {
        let refused = build(naming(topic).dead_letter_topic("dead"));
        assert!(
            matches!(&refused, Err(Error::ReplyTopic(own)) if own == topic),
            "{refused:?}"
        );
    }
    let operation = Operation::post("t", "/").expect("legal");
    assert!(operation.reply_topic("no topic").is_err());
}

#[tokio::test]
async fn failures_are_plain_json_for_those_who_decode_nothing_else() {
    let failing = |reply_to: &str| {
        Record::new("createOrder", 0, 0)
            .with_value("panic")
            .with_header(reply_to, "createOrder.reply")
    };
    let profiles = || [ReplyProfile::faststream(), ReplyProfile::reference()];
    for (header_name, media_type) in [
        ("reply_to", "application/json"),
        ("reply-to", "application/problem+json"),
    ] {
        let bridge = support::builder().profiles(profiles());
        let (replies, _) = serve(bridge, [failing(header_name)]).await;
        assert_eq!(statuses(&replies), ["500"]);
        let told = header(&replies[0], "content-type");
        assert_eq!(told.as_deref(), Some(media_type));
    }
    // This also applies to an application's own failures.
    let own = || async {
        let media_type = "Application/Problem+JSON; charset=utf-8";
        (
            axum::http::StatusCode::CONFLICT,
            [("content-type", media_type)],
            "{}",
        )
    };
    let app = Router::new().route("/orders", axum::routing::post(own));
    let operation = Operation::post("createOrder", "/orders").expect("legal");
    let bridge = Bridge::builder(app)
        .operation(operation)
        .profiles(profiles());
    let (replies, _) = serve(bridge, [failing("reply_to")]).await;
    let told = header(&replies[0], "content-type");
    assert_eq!(told.as_deref(), Some("application/json"));
}
