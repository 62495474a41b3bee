//! The descriptions of the interface, from the annotations of the routes: `/openapi.json` for HTTP and `/asyncapi.json`
//! for Kafka.

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use serde_json::Value;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

#[derive(OpenApi)]
#[openapi(info(
    title = "Orders",
    description = "Creates, reads, updates and cancels orders over HTTP, and over Kafka: the operationId is the topic."
))]
struct About;

pub(crate) fn about() -> Document {
    About::openapi()
}

pub(crate) fn routes(openapi: &Value, asyncapi: &Value) -> Router {
    // Serialized once: all clones of the Router share the bytes.
    let document = |document: &Value| {
        let text = Bytes::from(document.to_string());
        get(move || std::future::ready(([(CONTENT_TYPE, "application/json")], text)))
    };
    Router::new()
        .route("/openapi.json", document(openapi))
        .route("/asyncapi.json", document(asyncapi))
}
