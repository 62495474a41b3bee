//! Shared by the tests with in-memory ports.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::post;
use bytes::Bytes;
use kafka_bridge::offsets::Position;
use kafka_bridge::ports::{Intake, RecordSource, SourceEvent};
use kafka_bridge::testing::{Commits, MemoryBroker, MemorySink, MemorySource};
use kafka_bridge::{
    Bridge, Builder, Dispatch, EchoSetHeaderLayer, Error, Operation, OutboundRecord, Record,
};

pub(crate) const MODES: [Dispatch; 4] = [
    Dispatch::Serial,
    Dispatch::Tasks,
    Dispatch::Keyed,
    Dispatch::Partition,
];

/// Answers with the request's body. `panic`, `hang` and `slow` do what they say.
async fn handler(body: String) -> String {
    match body.as_str() {
        "panic" => panic!("as the test asked"),
        "hang" => std::future::pending().await,
        "slow" => tokio::time::sleep(Duration::from_secs(5)).await,
        _ => {}
    }
    body
}

pub(crate) fn app() -> Router {
    Router::new()
        .route("/orders", post(handler))
        .layer(EchoSetHeaderLayer::default())
}

pub(crate) fn builder() -> Builder<Router> {
    Bridge::builder(app())
        .operation(Operation::post("createOrder", "/orders").expect("a legal operation"))
}

/// A record of partition 0 with the headers of a typical request.
pub(crate) fn order(offset: i64, body: &str) -> Record {
    Record::new("createOrder", 0, offset)
        .with_value(body.to_owned())
        .with_header("reply-to", "createOrder.reply")
        .with_header("x-reply-set-header", format!("x-request-id: {offset}"))
}

/// Serves the records to their end and returns the replies and the commits.
pub(crate) async fn serve(
    builder: Builder<Router>,
    records: impl IntoIterator<Item = Record>,
) -> (Vec<OutboundRecord>, Commits) {
    let sink = MemorySink::default();
    let (commits, source) = MemoryBroker::with_records(records);
    run(builder, source, sink.clone()).await;
    (sink.produced(), commits)
}

pub(crate) async fn run(
    builder: Builder<Router>,
    source: MemorySource,
    sink: MemorySink,
) -> kafka_bridge::Summary {
    let bridge = builder
        .with_ports(source, sink)
        .expect("settings that agree");
    bridge.await.expect("no record ends a bridge")
}

pub(crate) fn header(reply: &OutboundRecord, name: &str) -> Option<String> {
    reply
        .headers
        .get(name)
        .map(|value| String::from_utf8(value.to_vec()).expect("a text"))
}

pub(crate) fn statuses(replies: &[OutboundRecord]) -> Vec<String> {
    replies
        .iter()
        .filter_map(|reply| header(reply, "status-code"))
        .collect()
}

/// Lets everything run that can. Time is paused in these tests.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// The requests that an application got.
pub(crate) type Seen = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// An application that records its requests, and the requests.
pub(crate) fn witness() -> (Builder<Router>, Seen) {
    let seen = Seen::default();
    let notes = Arc::clone(&seen);
    let note = move |headers: HeaderMap, body: Bytes| async move {
        notes.lock().expect("no panic before").push((headers, body));
    };
    let app = Router::new()
        .fallback(note)
        .layer(EchoSetHeaderLayer::default());
    let operation = Operation::post("createOrder", "/orders").expect("a legal operation");
    (Bridge::builder(app).operation(operation), seen)
}

/// Serves one record and returns the request that the application got.
pub(crate) async fn seen(
    change: impl FnOnce(Builder<Router>) -> Builder<Router>,
    record: Record,
) -> (HeaderMap, Bytes) {
    let (builder, seen) = witness();
    let (replies, _) = serve(change(builder), [record]).await;
    assert_eq!(statuses(&replies), ["200"]);
    let mut seen = seen.lock().expect("no panic before");
    seen.pop().expect("the application was called")
}

pub(crate) fn values(record: &OutboundRecord, name: &str) -> Vec<Option<Vec<u8>>> {
    let own = record.headers.iter().filter(|(own, _)| *own == name);
    own.map(|(_, value)| value.map(|value| value.to_vec()))
        .collect()
}

/// The events of an application, in order, by the ids of the requests: `start 3`, `end 3`.
pub(crate) type Journal = Arc<Mutex<Vec<String>>>;

/// An application that records when each request starts and ends, and takes as many seconds as its body says.
pub(crate) fn journaling(path: &str, journal: &Journal) -> Router {
    let journal = Arc::clone(journal);
    let handler = move |headers: HeaderMap, body: String| {
        let journal = Arc::clone(&journal);
        async move {
            let id = headers["x-id"].to_str().expect("an id").to_owned();
            let journal = || journal.lock().expect("no panic");
            let note = |what| journal().push(format!("{what} {id}"));
            note("start");
            tokio::time::sleep(Duration::from_secs(body.parse().expect("seconds"))).await;
            note("end");
            "done"
        }
    };
    Router::new().route(path, post(handler))
}

/// A source that counts its records.
pub(crate) struct Counting {
    pub(crate) source: MemorySource,
    pub(crate) records: Arc<AtomicUsize>,
    pub(crate) holds: Arc<AtomicUsize>,
}

impl RecordSource for Counting {
    async fn next(&mut self, intake: Intake) -> Result<SourceEvent, Error> {
        let event = self.source.next(intake).await?;
        if matches!(event, SourceEvent::Record(_)) {
            self.records.fetch_add(1, Ordering::Relaxed);
        }
        Ok(event)
    }

    fn hold_back(&mut self, topics: &[Arc<str>]) {
        self.holds.fetch_add(1, Ordering::Relaxed);
        self.source.hold_back(topics);
    }

    fn commit(&mut self, positions: &[Position]) {
        self.source.commit(positions);
    }

    async fn close(self, positions: Vec<Position>) -> Result<(), Error> {
        self.source.close(positions).await
    }
}
