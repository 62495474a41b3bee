//! Joins the routes to one Router, the same for Kafka and HTTP.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::{Extension, Router};
use kafka_bridge::EchoSetHeaderLayer;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::asyncapi::{self, Deployment};
use crate::openapi;
use crate::routes::json::MaxBody;
use crate::routes::{Store, cancel, create, fallback, read, update};
use crate::store::OrderStore;

/// Returns the application over a store. Bodies of more than `max_body` bytes get 413. The served descriptions name
/// this deployment.
pub fn router(store: Arc<dyn OrderStore>, max_body: usize, deployment: &Deployment) -> Router {
    let openapi = document();
    let asyncapi = asyncapi::document(&openapi, deployment);
    Router::from(operations().with_state(store))
        .merge(openapi::routes(&openapi, &asyncapi))
        .fallback(fallback::no_such_path)
        .method_not_allowed_fallback(fallback::no_such_method)
        // The bridge has the same limit, so that HTTP and Kafka agree.
        .layer((
            DefaultBodyLimit::max(max_body),
            Extension(MaxBody(max_body)),
        ))
        .layer(EchoSetHeaderLayer::default())
}

/// Returns the OpenAPI document of the operations.
#[must_use]
pub fn document() -> Value {
    // This cannot fail: the document is plain data with text keys.
    serde_json::to_value(operations().into_openapi()).unwrap_or_default()
}

fn operations() -> OpenApiRouter<Store> {
    OpenApiRouter::with_openapi(openapi::about())
        .routes(routes!(create::create_order))
        .routes(routes!(
            read::read_order,
            update::update_order,
            cancel::cancel_order
        ))
}
