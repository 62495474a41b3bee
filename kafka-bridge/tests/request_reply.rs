//! The wire contract with in-memory ports, as a requester sees it. Hostile records are in `hostile_input`, and other
//! kinds of requesters in `profiles`.

mod support;

use std::time::Duration;

use kafka_bridge::ports::ProduceError;
use kafka_bridge::testing::{MemoryBroker, MemorySink};
use kafka_bridge::{Record, Summary, WithoutReplyTo};
use support::{MODES, builder, header, order, run, serve, statuses};

#[tokio::test(start_paused = true)]
async fn a_request_gets_its_reply_in_each_mode() {
    for mode in MODES {
        let request = order(0, "hello").with_key("key-1");
        let (replies, commits) = serve(builder().dispatch(mode), [request]).await;
        let [reply] = &replies[..] else {
            panic!("{mode}: {replies:?}")
        };
        assert_eq!(&*reply.topic, "createOrder.reply");
        assert_eq!(reply.value.as_deref(), Some(&b"hello"[..]));
        assert_eq!(reply.key.as_deref(), Some(&b"key-1"[..]));
        let names: Vec<_> = reply.headers.iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            [
                "status-code",
                "content-type",
                "content-length",
                "x-request-id"
            ]
        );
        assert_eq!(header(reply, "status-code").unwrap(), "200");
        assert_eq!(header(reply, "x-request-id").unwrap(), "0");
        assert_eq!(commits.next_offset("createOrder", 0), Some(1));
    }
}

#[tokio::test(start_paused = true)]
async fn the_reply_key_can_be_switched_off() {
    let request = order(0, "hello").with_key("key-1");
    let (replies, _) = serve(builder().reply_key(false), [request]).await;
    assert_eq!(replies[0].key, None);
}

#[tokio::test(start_paused = true)]
async fn every_failure_is_an_answer_and_is_correlated() {
    let limit = kafka_bridge::Limits::default().max_request_bytes;
    let too_large = "x".repeat(limit + 1);
    for mode in MODES {
        for (body, status) in [
            ("panic", "500"),
            ("hang", "504"),
            (too_large.as_str(), "413"),
        ] {
            let records = [order(0, body), order(1, "after")];
            // The drain must outlast the timeout, or the hanging record is abandoned.
            let patient = builder()
                .dispatch(mode)
                .drain_timeout(Duration::from_secs(60));
            let (replies, commits) = serve(patient, records).await;
            let failure = replies
                .iter()
                .find(|r| header(r, "x-request-id").unwrap() == "0");
            let failure = failure.expect("a failure is a reply too");
            assert_eq!(header(failure, "status-code").unwrap(), status);
            assert_eq!(
                header(failure, "content-type").unwrap(),
                "application/problem+json"
            );
            assert_eq!(replies.len(), 2, "the record after it is served");
            assert_eq!(commits.next_offset("createOrder", 0), Some(2));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn h23_a_record_without_return_address_is_skipped_or_processed() {
    let silent = || Record::new("createOrder", 0, 0).with_value("panic");
    let (commits, source) = MemoryBroker::with_records([silent()]);
    let summary = run(builder(), source, MemorySink::default()).await;
    assert_eq!(
        summary,
        Summary {
            skipped: 1,
            ..Summary::default()
        }
    );
    assert_eq!(commits.next_offset("createOrder", 0), Some(1));

    // A success needs nothing more. Nobody can be told of a failure, so the record becomes a dead letter.
    let processing = builder()
        .without_reply_to(WithoutReplyTo::Process)
        .dead_letter_topic("createOrder.dlq");
    let fine = Record::new("createOrder", 0, 1).with_value("fine");
    let (produced, commits) = serve(processing, [silent(), fine, order(2, "after")]).await;
    let topics: Vec<_> = produced.iter().map(|record| &*record.topic).collect();
    assert_eq!(topics, ["createOrder.dlq", "createOrder.reply"]);
    assert!(
        header(&produced[0], "dead-letter-cause")
            .unwrap()
            .contains("500")
    );
    assert_eq!(commits.next_offset("createOrder", 0), Some(3));
}

#[tokio::test(start_paused = true)]
async fn h14_a_refused_reply_is_dead_lettered_or_skipped() {
    let refusing = || {
        let refused = ProduceError::Refused("unknown topic".to_owned());
        MemorySink::default().failing("createOrder.reply.gone", refused)
    };
    let request = || {
        Record::new("createOrder", 0, 0)
            .with_value("hi")
            .with_header("reply-to", "createOrder.reply.gone")
    };
    let (commits, source) = MemoryBroker::with_records([request()]);
    let summary = run(builder(), source, refusing()).await;
    assert_eq!(summary.skipped, 1);
    assert_eq!(commits.next_offset("createOrder", 0), Some(1));

    let sink = refusing();
    let (commits, source) = MemoryBroker::with_records([request()]);
    let summary = run(
        builder().dead_letter_topic("createOrder.dlq"),
        source,
        sink.clone(),
    )
    .await;
    assert_eq!(summary.dead_lettered, 1);
    let [letter] = &sink.produced()[..] else {
        panic!("one dead letter")
    };
    assert_eq!(&*letter.topic, "createOrder.dlq");
    assert!(
        header(letter, "dead-letter-cause")
            .unwrap()
            .contains("unknown topic")
    );
    assert_eq!(commits.next_offset("createOrder", 0), Some(1));
}

#[tokio::test(start_paused = true)]
async fn several_topics_reach_their_own_paths() {
    let with_two =
        builder().operation(kafka_bridge::Operation::post("elsewhere", "/nowhere").unwrap());
    let other = Record::new("elsewhere", 0, 0).with_header("reply-to", "elsewhere.reply");
    let (replies, _) = serve(with_two, [order(0, "hi"), other]).await;
    assert_eq!(statuses(&replies), ["200", "404"]);
    assert_eq!(&*replies[1].topic, "elsewhere.reply");
}

#[test]
fn settings_that_contradict_one_another_are_refused() {
    let (_, source) = MemoryBroker::new();
    let refused = |builder: kafka_bridge::Builder<axum::Router>, text: &str| {
        let (_, source) = MemoryBroker::new();
        let error = builder
            .with_ports(source, MemorySink::default())
            .unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
    };
    refused(builder().max_in_flight(0), "max_in_flight");
    refused(builder().dead_letter_topic("createOrder"), "dead-letter");
    refused(
        builder().operation(kafka_bridge::Operation::post("createOrder", "/x").unwrap()),
        "twice",
    );
    let nothing = kafka_bridge::Bridge::builder(support::app());
    assert!(nothing.with_ports(source, MemorySink::default()).is_err());
}
