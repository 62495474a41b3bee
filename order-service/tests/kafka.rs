//! The application behind the bridge, with ports and a store in memory: records that are delivered twice, and the rows
//! of the contract.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/contract.rs"]
mod contract;

use std::sync::Arc;

use contract::{MAX_BODY, Pass};
use kafka_bridge::testing::{MemoryBroker, MemorySink};
use kafka_bridge::{Bridge, Limits, OutboundRecord, Record};
use order_service::asyncapi::Deployment;
use order_service::store::memory::MemoryStore;
use order_service::{app, operations};
use serde_json::Value;

const ORDER: &str = r#"{"items":[{"sku":"id-1234","count":1}]}"#;

fn record(offset: i64, request: &str) -> Record {
    let mut record = Record::new("createOrder", 0, offset);
    record.timestamp = Some(1);
    record
        .with_value(ORDER)
        .with_header("reply-to", "createOrder.reply")
        .with_header("x-reply-set-header", format!("x-request-id:{request}"))
}

/// Serves the records one after the other with a new service, then stops it.
async fn serve(store: &Arc<MemoryStore>, records: Vec<Record>) -> Vec<OutboundRecord> {
    let app = app::router(store.clone(), MAX_BODY, &Deployment::default());
    let (_, source) = MemoryBroker::with_records(records);
    let sink = MemorySink::default();
    let operations = operations::operations(&app::document(), &Deployment::default());
    Bridge::builder(app)
        .operations(operations.unwrap())
        .limits(Limits {
            max_request_bytes: MAX_BODY,
            ..Limits::default()
        })
        .with_ports(source, sink.clone())
        .unwrap()
        .await
        .unwrap();
    sink.produced()
}

fn answers(replies: &[OutboundRecord]) -> Vec<Value> {
    let bodies = replies.iter().map(|reply| reply.value.as_deref().unwrap());
    bodies
        .map(|body| serde_json::from_slice(body).unwrap())
        .collect()
}

#[tokio::test]
async fn every_row_of_the_contract_gets_its_answer() {
    let store = Arc::default();
    let mut pass = Pass::new("4d0a54ba-9c0e-4be1-a2a5-0a2a7bb3ac5c");
    for (row, offset) in contract::rows().into_iter().zip(0..) {
        let mut record =
            Record::new(&*row.operation, 0, offset).with_header("reply-to", "createOrder.reply");
        record.value = row.body().map(Into::into);
        for (name, value) in pass.headers(&row) {
            record = record.with_header(name, value);
        }
        if let Some(id) = pass.order(&row) {
            record = record.with_header("order-id", id);
        }
        let replies = serve(&store, vec![record]).await;
        let status = replies[0].headers.get("status-code").unwrap();
        let status = std::str::from_utf8(status).unwrap().parse().unwrap();
        let body = replies[0].value.as_deref().unwrap();
        pass.check(&row, status, std::str::from_utf8(body).unwrap());
    }
    assert_eq!(store.count(), 4);
}

#[tokio::test]
async fn h19_a_redelivered_record_makes_one_order_and_has_the_same_answer() {
    let store = Arc::default();
    let first = serve(&store, vec![record(7, "a")]).await;
    let again = serve(&store, vec![record(7, "a")]).await;
    assert_eq!(first[0].headers.get("status-code").unwrap(), b"200");
    assert_eq!(first, again);
    assert_eq!(store.count(), 1);
}

#[tokio::test]
async fn h19_records_that_are_alike_are_two_orders() {
    let store = Arc::default();
    let replies = serve(&store, vec![record(7, "a"), record(8, "a")]).await;
    let answers = answers(&replies);
    assert_ne!(answers[0]["id"], answers[1]["id"]);
    assert_eq!(store.count(), 2);
}

/// A topic that is deleted and created again counts its offsets from 0 again.
#[tokio::test]
async fn h19_another_request_at_the_place_of_an_old_one_is_not_taken_for_it() {
    let store = Arc::default();
    let other = r#"{"items":[{"sku":"id-99","count":2}]}"#;
    let mut later = record(7, "a");
    later.timestamp = Some(2);
    let requests = [
        record(7, "a"),
        later,
        record(7, "b"),
        record(7, "a").with_value(other),
    ];
    for request in requests {
        let replies = serve(&store, vec![request]).await;
        assert_eq!(replies[0].headers.get("status-code").unwrap(), b"200");
    }
    assert_eq!(store.count(), 4);
}

#[tokio::test]
async fn h19_a_request_that_is_sent_again_with_its_key_makes_one_order() {
    let store = Arc::default();
    let keyed = |offset, id| record(offset, id).with_header("Idempotency-Key", "order-1");
    let replies = serve(&store, vec![keyed(7, "a"), keyed(8, "b")]).await;
    let answers = answers(&replies);
    assert_eq!(answers[0], answers[1]);
    assert_eq!(store.count(), 1);
}
