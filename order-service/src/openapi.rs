//! The API's description, made from the routes' own annotations and served at `/openapi.json`, and
//! at `/asyncapi.json` as those see it who ask over Kafka.

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
    description = "Creates, reads, updates and cancels orders, over HTTP and, topic by operationId, over Kafka."
))]
struct About;

pub(crate) fn about() -> Document {
    About::openapi()
}

pub(crate) fn routes(openapi: &Value, asyncapi: &Value) -> Router {
    // Written once: every clone of the Router shares the bytes.
    let document = |document: &Value| {
        let text = Bytes::from(document.to_string());
        get(move || std::future::ready(([(CONTENT_TYPE, "application/json")], text)))
    };
    Router::new()
        .route("/openapi.json", document(openapi))
        .route("/asyncapi.json", document(asyncapi))
}
