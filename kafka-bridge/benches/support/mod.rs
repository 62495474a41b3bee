//! What is measured, shared by the timed benches and by the budgets: the record and the application
//! (here), the ports (`ports`), the rows (`rows`).

pub(crate) mod ports;
pub(crate) mod rows;

use axum::Router;
use axum::routing::post;
use bytes::BytesMut;
use kafka_bridge::{EchoSetHeaderLayer, Operation, Record};

pub(crate) const TOPIC: &str = "createOrder";

/// A request as the load client writes it: return address, correlation to be set, JSON, a key.
///
/// The value has a buffer of its own, key and header values share one, as those that are copied out of librdkafka.
pub(crate) fn record(partition: i32, offset: i64) -> Record {
    let id = format!("9f3c1a52-6d0e-4b7a-8c11-{offset:012x}");
    let mut buffer = BytesMut::with_capacity(256);
    let mut part = |text: &str| {
        buffer.extend_from_slice(text.as_bytes());
        buffer.split().freeze()
    };
    let mut record = Record::new(TOPIC, partition, offset)
        .with_key(part(&id))
        .with_value(br#"{"items":[{"sku":"id-1234","count":1}]}"#.to_vec())
        .with_header("reply-to", part("createOrder.reply"))
        .with_header("x-reply-set-header", part(&format!("x-request-id:{id}")));
    record.timestamp = Some(1_795_000_000_000 + offset);
    record
}

/// Returns records of partitions in turn, each partition's offsets rising from 0. They share their
/// topic's name, as those of a source do.
pub(crate) fn records(count: usize, partitions: i32) -> Vec<Record> {
    let topic: std::sync::Arc<str> = TOPIC.into();
    let turns = (0_i64..).flat_map(|offset| (0..partitions).map(move |own| (own, offset)));
    let made = turns.take(count).map(|(partition, offset)| {
        let mut record = record(partition, offset);
        record.coordinates.topic_partition.topic = topic.clone();
        record
    });
    made.collect()
}

pub(crate) fn operation() -> Operation {
    Operation::post(TOPIC, "/orders").expect("a legal operation")
}

/// An application that does nothing.
pub(crate) fn bare_app() -> Router {
    Router::new().route("/orders", post(|| async { r#"{"id":"1"}"# }))
}

/// The same behind the layer that most services of the bridge have.
pub(crate) fn app_with_echo() -> Router {
    bare_app().layer(EchoSetHeaderLayer::default())
}
