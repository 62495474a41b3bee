//! `GET /orders/{id}`, over Kafka the topic `readOrder`.

use axum::Json;
use axum::extract::State;

use super::Store;
use super::change::missing;
use super::order_id::OrderId;
use crate::error::{ApiError, Problem};
use crate::order::Order;

/// Reads an order.
///
/// # Errors
///
/// Fails if there is no such order, or if the store does not answer.
#[utoipa::path(
    get,
    path = "/orders/{id}",
    operation_id = "readOrder",
    params(
        ("id" = Uuid, Path, description = "the order's id", extensions(("x-kafka-header" = json!("order-id")))),
    ),
    responses(
        (status = 200, description = "the order, cancelled or not", body = Order),
        (status = 400, description = "the id is not a UUID", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such order", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "store unavailable", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn read_order(
    State(store): State<Store>,
    OrderId(id): OrderId,
) -> Result<Json<Order>, ApiError> {
    let found = store.find(id).await?.ok_or_else(|| missing(id))?;
    Ok(Json(found.stored.order))
}
