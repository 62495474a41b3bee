//! What handlers can extract from a request that was made from a record.

mod support;

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::MockConnectInfo;
use axum::extract::{ConnectInfo, MatchedPath};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};
use axum::routing::post;
use kafka_bridge::{Bridge, Builder, KafkaRecord, Operation};
use support::{order, serve, statuses};
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
        // HTTP cannot carry this value.
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

#[tokio::test]
async fn uris_and_matched_paths_are_those_of_http_below_a_nested_router() {
    let handler = |matched: MatchedPath, uri: Uri, headers: HeaderMap| async move {
        let host = headers["host"].to_str().expect("text").to_owned();
        format!("{} {uri} {host}", matched.as_str())
    };
    let inner = Router::new().route("/orders/{id}", post(handler));
    let app = Router::new().nest("/shop", inner);
    // The request as an HTTP server passes it to the same application.
    let request = Request::post("/shop/orders/7?v=1")
        .header("host", "orders.example.com")
        .body(Body::empty())
        .expect("legal");
    let response = app.clone().oneshot(request).await.expect("infallible");
    let over_http = axum::body::to_bytes(response.into_body(), 1024).await;

    let operation = Operation::post("createOrder", "/shop/orders/{id}?v=1").expect("legal");
    let bridge = Bridge::builder(app)
        .operation(operation)
        .host(HeaderValue::from_static("orders.example.com"));
    let (replies, _) = serve(bridge, [order(0, "").with_header("id", "7")]).await;
    assert_eq!(
        text(&replies[0]),
        "/shop/orders/{id} /orders/7?v=1 orders.example.com"
    );
    assert_eq!(
        replies[0].value.as_deref(),
        Some(&over_http.expect("a body")[..])
    );
}

#[tokio::test]
async fn connect_info_is_missing_unless_the_application_mocks_it() {
    let handler = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() };
    let app = Router::new().route("/orders", post(handler));
    let (replies, _) = serve(bridge(app.clone()), [order(0, "")]).await;
    assert_eq!(statuses(&replies), ["500"]);
    let peer = SocketAddr::from(([127, 0, 0, 1], 9));
    let (replies, _) = serve(bridge(app.layer(MockConnectInfo(peer))), [order(0, "")]).await;
    assert_eq!(text(&replies[0]), "127.0.0.1:9");
}
