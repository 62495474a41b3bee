//! `POST /orders`, over Kafka the topic `createOrder`.

use axum::Json;
use axum::extract::State;
use uuid::Uuid;

use super::Store;
use super::json::JsonBody;
use crate::error::{ApiError, Problem};
use crate::order::{NewOrder, Order};

/// Creates an order and saves it.
///
/// # Errors
///
/// Fails when the order is not valid or the store does not take it.
#[utoipa::path(
    post,
    path = "/orders",
    operation_id = "createOrder",
    request_body = NewOrder,
    responses(
        (status = 200, description = "the order, saved", body = Order),
        (status = 400, description = "malformed JSON", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "body too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "not a valid order", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "store unavailable", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn create_order(
    State(store): State<Store>,
    JsonBody(order): JsonBody<NewOrder>,
) -> Result<Json<Order>, ApiError> {
    let order = order.accept(Uuid::new_v4())?;
    store.save(&order).await?;
    Ok(Json(order))
}
