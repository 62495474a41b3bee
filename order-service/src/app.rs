//! Joins the routes to one Router, the same for Kafka and HTTP.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use kafka_bridge::EchoSetHeaderLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::openapi;
use crate::routes::{create, fallback, read};
use crate::store::OrderStore;

/// Returns the application over a store; larger bodies than `max_body` bytes get 413.
pub fn router(store: Arc<dyn OrderStore>, max_body: usize) -> Router {
    let (router, document) = OpenApiRouter::with_openapi(openapi::about())
        .routes(routes!(create::create_order))
        .routes(routes!(read::read_order))
        .split_for_parts();
    router
        .with_state(store)
        .merge(openapi::route(document))
        .fallback(fallback::no_such_path)
        .method_not_allowed_fallback(fallback::no_such_method)
        // The same bound as the bridge's, so that HTTP and Kafka agree on what is too large.
        .layer(DefaultBodyLimit::max(max_body))
        .layer(EchoSetHeaderLayer::default())
}
