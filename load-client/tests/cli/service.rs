//! Services of other frameworks, measured unchanged.

use crate::measured::{ERROR, STATUS, assert_all_ok, run};
use crate::responder::{Received, Reply, Responder};

/// Answers like a `@KafkaListener` with `@SendTo`: with the id's bytes, to the given partition.
fn spring(request: &Received) -> Vec<Reply> {
    let partition = request.bytes("kafka_replyPartition");
    let id = request.bytes("kafka_correlationId");
    assert_eq!(id.len(), 16, "not text");
    let reply = |partition, more: Option<(&'static str, Vec<u8>)>| {
        let correlation = ("kafka_correlationId", id.clone());
        Reply {
            topic: request.text("kafka_replyTopic"),
            partition: Some(partition),
            payload: b"{}".to_vec(),
            headers: std::iter::once(correlation).chain(more).collect(),
            ..Reply::default()
        }
    };
    let asked = i32::from_be_bytes(partition.try_into().unwrap());
    // If the client read other partitions, this reply would fail the request.
    let decoy = ("kafka_exception-message", b"not yours".to_vec());
    vec![reply(0, Some(decoy)), reply(asked, None)]
}

#[test]
fn a_spring_service_unchanged() {
    let service = Responder::start(&["orders"], &["orders.reply"], spring);
    let topics = ["--topic", "orders", "--reply-topic", "orders.reply"];
    let more = ["--profile", "spring", "--reply-partition", "2"];
    let run = run(&service, &[topics, more].concat());
    assert_all_ok(&run);
    assert_eq!(
        run.json["unmatched_replies"], 0,
        "other partitions are not read"
    );
    let wire = &run.json["target"]["wire"];
    assert_eq!(wire["correlation"], "header:kafka_correlationId");
    assert_eq!(wire["correlation_format"], "uuid-bytes");
}

fn faststream(request: &Received) -> Vec<Reply> {
    let id = request.text("correlation_id");
    assert!(uuid::Uuid::parse_str(&id).is_ok(), "{id}");
    vec![Reply {
        topic: request.text("reply_to"),
        payload: b"done".to_vec(),
        headers: vec![
            ("correlation_id", id.into_bytes()),
            ("content-type", b"text/plain".to_vec()),
        ],
        ..Reply::default()
    }]
}

#[test]
fn a_faststream_service_unchanged() {
    let service = Responder::start(&["orders"], &["answers"], faststream);
    let topics = ["--topic", "orders", "--reply-topic", "answers"];
    let run = run(
        &service,
        &[&topics[..], &["--profile", "faststream"]].concat(),
    );
    assert_all_ok(&run);
}

#[test]
fn an_error_of_a_nest_service_is_a_failure() {
    let service = Responder::start(&["sum"], &["sum.reply"], |request| {
        assert_eq!(request.text("kafka_replyPartition"), "1");
        vec![Reply {
            topic: request.text("kafka_replyTopic"),
            partition: Some(1),
            headers: vec![
                ("kafka_correlationId", request.bytes("kafka_correlationId")),
                ("kafka_nest-err", b"{\"status\":\"error\"}".to_vec()),
                ("kafka_nest-is-disposed", vec![0]),
            ],
            ..Reply::default()
        }]
    });
    let topics = ["--topic", "sum", "--reply-topic", "sum.reply"];
    let more = ["--profile", "nest", "--reply-partition", "1"];
    let run = run(&service, &[topics, more].concat());
    assert_eq!(run.output.status.code(), Some(3));
    assert!(!run.rows.is_empty());
    for row in &run.rows {
        assert_eq!(row[STATUS], "error_status");
        assert_eq!(row[ERROR], "kafka_nest-err: {\"status\":\"error\"}");
    }
}

#[test]
fn ids_in_the_key_and_in_the_body() {
    // Takes the id from the key, and answers with it in the body.
    let service = Responder::start(&["orders"], &["answers"], |request| {
        let id = String::from_utf8(request.key.clone().unwrap()).unwrap();
        assert_eq!(id.len(), 32, "hex");
        vec![Reply {
            topic: request.text("answer-to"),
            payload: format!(r#"{{"meta":{{"of":"{id}"}}}}"#).into_bytes(),
            ..Reply::default()
        }]
    });
    let topics = ["--topic", "orders", "--reply-topic", "answers"];
    let options = [
        "--correlation",
        "key",
        "--reply-correlation",
        "payload:/meta/of",
        "--correlation-format",
        "hex",
        "--reply-to-header",
        "answer-to",
        "--status-header",
        "none",
    ];
    assert_all_ok(&run(&service, &[&topics[..], &options].concat()));
}

#[test]
fn an_id_in_the_request_body() {
    let service = Responder::start(&["orders"], &["answers"], |request| {
        let body: serde_json::Value = serde_json::from_slice(&request.payload).unwrap();
        assert_eq!(body["sku"], "a");
        vec![Reply {
            topic: request.text("reply_to"),
            key: Some(body["meta"]["id"].as_str().unwrap().into()),
            ..Reply::default()
        }]
    });
    let topics = ["--topic", "orders", "--reply-topic", "answers"];
    let options = [
        "--profile",
        "faststream",
        "--correlation",
        "payload:/meta/id",
        "--reply-correlation",
        "key",
        "--body",
        r#"{"sku":"a"}"#,
    ];
    assert_all_ok(&run(&service, &[&topics[..], &options].concat()));
}
