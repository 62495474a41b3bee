//! Shared by the timed benches and the budgets: the record and the application (here), the ports (`ports`), and the
//! rows (`rows`).

pub(crate) mod ports;
pub(crate) mod rows;

use axum::Router;
use axum::routing::post;
use bytes::BytesMut;
use kafka_bridge::{EchoSetHeaderLayer, Operation, Record};

pub(crate) const TOPIC: &str = "createOrder";

/// A request like those of the load client: return address, correlation header, JSON, key.
///
/// The value has its own buffer, and the key and header values share one, as in records that are copied from
/// librdkafka.
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

/// Returns records of each partition in turn. Offsets of each partition rise from 0. The records share their topic's
/// name, like those of a source.
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

/// The same application with the layer that most services of the bridge have.
pub(crate) fn app_with_echo() -> Router {
    bare_app().layer(EchoSetHeaderLayer::default())
}
