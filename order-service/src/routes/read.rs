//! `GET /orders/{id}`.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use uuid::Uuid;

use super::Store;
use crate::error::{ApiError, Problem};
use crate::order::Order;

/// Reads an order.
///
/// # Errors
///
/// Fails when there is no such order or the store does not answer.
#[utoipa::path(
    get,
    path = "/orders/{id}",
    operation_id = "readOrder",
    params(("id" = Uuid, Path, description = "the order's id")),
    responses(
        (status = 200, description = "the order", body = Order),
        (status = 400, description = "the id is not a UUID", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such order", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "store unavailable", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn read_order(
    State(store): State<Store>,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<Json<Order>, ApiError> {
    let Path(id) =
        id.map_err(|error| ApiError::Unreadable(StatusCode::BAD_REQUEST, error.body_text()))?;
    let order = store.find(id).await?;
    let missing = || ApiError::NotFound(StatusCode::NOT_FOUND, format!("there is no order {id}"));
    order.map(Json).ok_or_else(missing)
}
