//! How tracing tools see a record: the trace headers of its reply, and the attributes of its span.

mod support;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::post;
use kafka_bridge::{Bridge, Operation, Record};
use support::{builder, order, serve, values};
use tracing::field::{Field, Visit};
use tracing::span::{self, Id};
use tracing::{Event, Metadata, Subscriber};

fn carrying(baggage: &str) -> Record {
    order(7, "hello").with_header("Baggage", baggage.to_owned())
}

fn text(value: &str) -> Option<Vec<u8>> {
    Some(value.as_bytes().to_vec())
}

#[tokio::test]
async fn baggage_comes_back_with_the_reply_and_with_a_failure() {
    for body in ["hello", "panic"] {
        let mut record = carrying("user=7").with_header("baggage", "tenant=a;p=1");
        record.value = Some(body.into());
        let (replies, _) = serve(builder(), [record]).await;
        let back = values(&replies[0], "baggage");
        assert_eq!(back, [text("user=7"), text("tenant=a;p=1")], "{body}");
    }
}

#[tokio::test]
async fn an_applications_own_baggage_is_kept_and_no_requester_sets_one_by_an_echo() {
    let app = Router::new().route("/orders", post(|| async { [("baggage", "own=1")] }));
    let operation = Operation::post("createOrder", "/orders").expect("legal");
    let bridge = Bridge::builder(app).operation(operation);
    let (replies, _) = serve(bridge, [carrying("user=7")]).await;
    assert_eq!(values(&replies[0], "baggage"), [text("own=1")]);

    let record = order(0, "hello").with_header("x-reply-set-header", "baggage: forged=1");
    let (replies, _) = serve(builder(), [record]).await;
    assert_eq!(values(&replies[0], "baggage"), []);
}

/// The attributes of each record's span.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<BTreeMap<String, String>>>>);

struct Attributes<'a>(&'a mut BTreeMap<String, String>);

impl Visit for Attributes<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

impl Subscriber for Spans {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> Id {
        if span.metadata().name() == "record" {
            let mut attributes = BTreeMap::new();
            span.record(&mut Attributes(&mut attributes));
            self.0.lock().expect("no panic before").push(attributes);
        }
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn the_span_of_a_record_has_the_attributes_of_opentelemetrys_conventions() {
    let spans = Spans::default();
    // Global: another test may reach the span first, and it would stay disabled for a subscriber of one thread.
    tracing::subscriber::set_global_default(spans.clone()).expect("the only one");
    serve(builder(), [order(7, "hello")]).await;
    let expected = [
        ("messaging.destination.name", r#""createOrder""#),
        ("messaging.destination.partition.id", "0"),
        ("messaging.kafka.offset", "7"),
        ("messaging.operation.type", r#""process""#),
        ("messaging.system", r#""kafka""#),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let seen = spans.0.lock().expect("no panic before");
    assert!(seen.contains(&BTreeMap::from(expected)), "{seen:?}");
}
