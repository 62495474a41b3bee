//! The application over HTTP, on the store in memory: the rows of the contract, and cases that only HTTP has.
//!
//! The harness tests the same rows over Kafka, with a broker and a store.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/contract.rs"]
mod contract;

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use contract::{MAX_BODY, Pass, Row};
use http_body_util::BodyExt;
use order_service::app;
use order_service::asyncapi::Deployment;
use order_service::store::memory::MemoryStore;
use serde_json::Value;
use tower::ServiceExt;

const ORDER: &str = r#"{"items":[{"sku":"id-1234","count":1}]}"#;
const UNIQUE: &str = "4d0a54ba-9c0e-4be1-a2a5-0a2a7bb3ac5c";

async fn call(store: &Arc<MemoryStore>, request: Request<Body>) -> (StatusCode, String, String) {
    let response = app::router(store.clone(), MAX_BODY, &Deployment::default())
        .oneshot(request)
        .await
        .unwrap();
    let status = response.status();
    let media_type = response.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (
        status,
        media_type,
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

fn post(body: impl Into<Body>) -> Request<Body> {
    Request::post("/orders")
        .header("content-type", "application/json")
        .body(body.into())
        .unwrap()
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

fn request(pass: &Pass, row: &Row) -> Request<Body> {
    let mut request = Request::builder().method(&*row.method).uri(pass.path(row));
    let headers = pass.headers(row);
    if headers.iter().all(|(name, _)| name != "content-type") {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in headers {
        request = request.header(name, value);
    }
    // HTTP clients send this header with a body of known length.
    let body = row.body().unwrap_or_default();
    let request = request.header("content-length", body.len());
    request.body(body.into()).unwrap()
}

#[tokio::test]
async fn every_row_of_the_contract_gets_its_answer() {
    let store = Arc::default();
    let mut pass = Pass::new(UNIQUE);
    for row in contract::rows() {
        let (status, media_type, body) = call(&store, request(&pass, &row)).await;
        pass.check(&row, status.as_u16(), &body);
        let expected = if status.is_success() {
            "application/json"
        } else {
            "application/problem+json"
        };
        assert_eq!(media_type, expected, "{}", row.name);
    }
    // First, second, with a key, with the longest key. Repetitions created none.
    assert_eq!(store.count(), 4);
}

#[tokio::test]
async fn a_body_of_unknown_length_is_bounded_too() {
    let (status, _, body) = call(&Arc::default(), post("a".repeat(MAX_BODY + 1))).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(body.contains(&MAX_BODY.to_string()), "{body}");
}

#[tokio::test]
async fn requests_without_a_key_are_two_orders() {
    let store = Arc::default();
    for _ in 0..2 {
        let (status, ..) = call(&store, post(ORDER)).await;
        assert_eq!(status, StatusCode::OK);
    }
    assert_eq!(store.count(), 2);
}

#[tokio::test]
async fn what_does_not_exist_is_a_problem_too() {
    let store = Arc::default();
    let (status, media_type, _) = call(&store, get("/elsewhere")).await;
    assert_eq!(
        (status, media_type.as_str()),
        (StatusCode::NOT_FOUND, "application/problem+json")
    );
    let (status, ..) = call(&store, get("/orders")).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_store_that_is_down_gives_503_and_keeps_its_reasons_to_itself() {
    let store: Arc<MemoryStore> = Arc::default();
    store.set_down(true);
    let mut pass = Pass::new(UNIQUE);
    for mut row in contract::rows() {
        row.order = row.order.map(|_| UNIQUE.to_owned());
        let valid = row.succeeds();
        let (status, _, body) = call(&store, request(&pass, &row)).await;
        if !valid {
            continue;
        }
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{}", row.name);
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            problem["detail"], "the store is unavailable",
            "{}",
            row.name
        );
    }

    store.set_down(false);
    let first = &contract::rows()[0];
    let (status, _, body) = call(&store, request(&pass, first)).await;
    pass.check(first, status.as_u16(), &body);
}

#[tokio::test]
async fn the_requester_sets_headers_on_its_own_answer() {
    let mut request = post(ORDER);
    let header = "x-request-id: 42".parse().unwrap();
    request.headers_mut().insert("x-reply-set-header", header);
    let store = Arc::<MemoryStore>::default();
    let router = app::router(store, MAX_BODY, &Deployment::default());
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.headers()["x-request-id"], "42");
}
