//! What handlers extract from a request that was made from a record.

mod support;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::routing::post;
use kafka_bridge::{Bridge, Builder, KafkaRecord, Operation};
use support::{order, serve};
use tower::ServiceExt;

fn bridge(app: Router) -> Builder<Router> {
    Bridge::builder(app).operation(Operation::post("createOrder", "/orders").expect("legal"))
}

fn text(reply: &kafka_bridge::OutboundRecord) -> &str {
    std::str::from_utf8(reply.value.as_ref().expect("a body")).expect("text")
}

#[tokio::test]
async fn a_handler_extracts_the_record_with_key_headers_place_and_time() {
    let handler = |record: KafkaRecord, body: String| async move {
        let key = record.key().map(|key| key.escape_ascii().to_string());
        let binary = record.headers().get("kafka_correlationId").map(<[u8]>::len);
        let (at, time) = (record.coordinates(), record.timestamp());
        format!("{at} {time:?} {key:?} {binary:?} {body}")
    };
    let app = Router::new().route("/orders", post(handler));
    let mut record = order(7, "body")
        .with_key(b"\xff".to_vec())
        // What HTTP cannot carry.
        .with_header("kafka_correlationId", vec![0; 16]);
    record.timestamp = Some(5);
    let (replies, _) = serve(bridge(app), [record]).await;
    assert_eq!(
        text(&replies[0]),
        r#"createOrder[0]@7 Some(5) Some("\\xff") Some(16) body"#
    );
}

#[tokio::test]
async fn over_http_there_is_no_record() {
    let app: Router = Router::new()
        .route("/must", post(|_: KafkaRecord| async {}))
        .route(
            "/may",
            post(|record: Option<KafkaRecord>| async move { record.is_none().to_string() }),
        );
    let status = async |path: &str| {
        let request = Request::post(path).body(Body::empty()).expect("legal");
        let response = app.clone().oneshot(request).await.expect("infallible");
        response.status()
    };
    assert_eq!(status("/must").await, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(status("/may").await, StatusCode::OK);
}
