//! The application over HTTP, on the store in memory: each row is a request and its answer.
//!
//! The same rows over Kafka are in the harness, against a broker.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use order_service::app;
use order_service::store::memory::MemoryStore;
use serde_json::Value;
use tower::ServiceExt;

const MAX_BODY: usize = 64 << 10;

async fn call(store: &Arc<MemoryStore>, request: Request<Body>) -> (StatusCode, String, Value) {
    let response = app::router(store.clone(), MAX_BODY)
        .oneshot(request)
        .await
        .unwrap();
    let status = response.status();
    let media_type = response.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, media_type, serde_json::from_slice(&body).unwrap())
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

#[tokio::test]
async fn an_order_is_created_and_read_back() {
    let store = Arc::default();
    let order = r#"{"items":[{"sku":"id-1234","count":1}]}"#;
    let (status, media_type, created) = call(&store, post(order)).await;
    assert_eq!(
        (status, media_type.as_str()),
        (StatusCode::OK, "application/json")
    );
    assert_eq!(
        created["items"],
        serde_json::json!([{"sku": "id-1234", "count": 1}])
    );

    let path = format!("/orders/{}", created["id"].as_str().unwrap());
    let (status, _, read) = call(&store, get(&path)).await;
    assert_eq!((status, read), (StatusCode::OK, created));
}

#[tokio::test]
async fn bad_orders_get_a_problem_that_says_why() {
    let store = Arc::default();
    let rows = [
        ("", 400, "EOF"),
        ("{", 400, "EOF"),
        (r#"{"items":"x"}"#, 422, "items"),
        (r#"{"items":[]}"#, 422, "at least one item"),
        (
            r#"{"items":[{"sku":"a","count":0}]}"#,
            422,
            "items[0].count",
        ),
        (r#"{"items":[{"sku":"a","count":-1}]}"#, 422, "-1"),
        (r#"{"items":[{"sku":"a","count":1.5}]}"#, 422, "1.5"),
        (r#"{"items":[{"sku":"","count":1}]}"#, 422, "items[0].sku"),
        (r#"{"items":[{"sku":"a"}]}"#, 422, "count"),
        (
            r#"{"items":[{"sku":"a","count":1}],"coupon":1}"#,
            422,
            "coupon",
        ),
    ];
    for (body, status, text) in rows {
        let (got, media_type, problem) = call(&store, post(body)).await;
        assert_eq!(
            (got.as_u16(), media_type.as_str()),
            (status, "application/problem+json"),
            "{body}"
        );
        assert_eq!(problem["status"], status, "{body}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(text), "{body}: {detail}");
    }
}

#[tokio::test]
async fn other_media_types_and_large_bodies_are_refused() {
    let store = Arc::default();
    let text = Request::post("/orders").header("content-type", "text/plain");
    let (status, _, problem) = call(&store, text.body("{}".into()).unwrap()).await;
    assert_eq!(
        (status.as_u16(), &problem["status"]),
        (415, &Value::from(415))
    );

    let large = format!(
        r#"{{"items":[{{"sku":"{}","count":1}}]}}"#,
        "a".repeat(MAX_BODY)
    );
    let (status, _, _) = call(&store, post(large)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn what_does_not_exist_is_a_problem_too() {
    let store = Arc::default();
    let missing = "/orders/00000000-0000-4000-8000-000000000000";
    let rows = [
        (get(missing), 404),
        (get("/orders/7"), 400),
        (get("/elsewhere"), 404),
    ];
    for (request, status) in rows {
        let uri = request.uri().clone();
        let (got, media_type, _) = call(&store, request).await;
        assert_eq!(
            (got.as_u16(), media_type.as_str()),
            (status, "application/problem+json"),
            "{uri}"
        );
    }
    let (status, _, _) = call(&store, get("/orders")).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_store_that_is_down_gives_503_and_keeps_its_reasons_to_itself() {
    let store: Arc<MemoryStore> = Arc::default();
    store.set_down(true);
    let order = r#"{"items":[{"sku":"id-1234","count":1}]}"#;
    let (status, _, problem) = call(&store, post(order)).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(problem["detail"], "the store is unavailable");

    store.set_down(false);
    let (status, _, _) = call(&store, post(order)).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn the_requester_sets_headers_on_its_own_answer() {
    let order = r#"{"items":[{"sku":"id-1234","count":1}]}"#;
    let mut request = post(order);
    let header = "x-request-id: 42".parse().unwrap();
    request.headers_mut().insert("x-reply-set-header", header);
    let router = app::router(Arc::<MemoryStore>::default(), MAX_BODY);
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.headers()["x-request-id"], "42");
}

#[tokio::test]
async fn the_description_names_every_operation() {
    let (_, _, document) = call(&Arc::default(), get("/openapi.json")).await;
    assert_eq!(
        document["paths"]["/orders"]["post"]["operationId"],
        "createOrder"
    );
    assert_eq!(
        document["paths"]["/orders/{id}"]["get"]["operationId"],
        "readOrder"
    );
}
