//! The API's description, made from the routes' own annotations and served at `/openapi.json`, and
//! at `/asyncapi.json` as those see it who ask over Kafka.

use axum::routing::get;
use axum::{Json, Router};
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

pub(crate) fn routes(openapi: Value, asyncapi: Value) -> Router {
    let document = |document: Value| get(move || async move { Json(document) });
    Router::new()
        .route("/openapi.json", document(openapi))
        .route("/asyncapi.json", document(asyncapi))
}
