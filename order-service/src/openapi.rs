//! The API's description, made from the routes' own annotations and served at `/openapi.json`.

use axum::routing::get;
use axum::{Json, Router};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

#[derive(OpenApi)]
#[openapi(info(
    title = "Orders",
    description = "Creates and reads orders, over HTTP and, topic by operationId, over Kafka."
))]
struct About;

pub(crate) fn about() -> Document {
    About::openapi()
}

pub(crate) fn route(document: Document) -> Router {
    Router::new().route("/openapi.json", get(move || async move { Json(document) }))
}
