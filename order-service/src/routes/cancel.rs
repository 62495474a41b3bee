//! `DELETE /orders/{id}`, over Kafka the topic `cancelOrder`.

use axum::Json;
use axum::extract::State;

use super::Store;
use super::change::change;
use super::order_id::OrderId;
use crate::error::{ApiError, Problem};
use crate::order::Order;

/// Cancels an order.
///
/// The order stays readable, marked as cancelled. This cannot be undone. A second request gets the same answer, so it
/// needs no idempotency key.
///
/// # Errors
///
/// Fails if there is no such order, or if the store does not answer.
#[utoipa::path(
    delete,
    path = "/orders/{id}",
    operation_id = "cancelOrder",
    params(
        ("id" = Uuid, Path, description = "the order's id", extensions(("x-kafka-header" = json!("order-id")))),
    ),
    responses(
        (status = 200, description = "the order, cancelled now or before", body = Order),
        (status = 400, description = "the id is not a UUID", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such order", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "store unavailable", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn cancel_order(
    State(store): State<Store>,
    OrderId(id): OrderId,
) -> Result<Json<Order>, ApiError> {
    let cancel = |order: &mut Order| {
        order.cancel();
        Ok(())
    };
    Ok(Json(change(&store, id, cancel).await?))
}
