//! `PUT /orders/{id}`, over Kafka the topic `updateOrder`.

use axum::Json;
use axum::extract::State;

use super::Store;
use super::change::change;
use super::json::JsonBody;
use super::order_id::OrderId;
use crate::error::{ApiError, Problem};
use crate::order::{NewOrder, Order};

/// Replaces the items of an order.
///
/// The order must exist, and must not be cancelled. A second request changes nothing more, so it needs no idempotency
/// key.
///
/// # Errors
///
/// Fails if the order is missing, cancelled or not valid, or if the store refuses it.
#[utoipa::path(
    put,
    path = "/orders/{id}",
    operation_id = "updateOrder",
    params(
        ("id" = Uuid, Path, description = "the order's id", extensions(("x-kafka-header" = json!("order-id")))),
    ),
    request_body = NewOrder,
    responses(
        (status = 200, description = "the order, saved", body = Order),
        (status = 400, description = "malformed JSON, or the id is not a UUID", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such order", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "the order is cancelled", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "body too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "not a valid order", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "store unavailable", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn update_order(
    State(store): State<Store>,
    OrderId(id): OrderId,
    JsonBody(order): JsonBody<NewOrder>,
) -> Result<Json<Order>, ApiError> {
    let items = order.accept()?;
    let changed = change(&store, id, |order| order.update(&items)).await?;
    Ok(Json(changed))
}
