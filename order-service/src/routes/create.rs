//! `POST /orders`, over Kafka the topic `createOrder`.

use axum::Json;
use axum::extract::State;

use super::Store;
use super::json::JsonBody;
use crate::error::{ApiError, Problem};
use crate::idempotency::RequestIdentity;
use crate::order::{NewOrder, Order, StoredOrder};

/// Creates an order and saves it.
///
/// A repeated request with an idempotency key, or the same record again, creates no second order. It gets the answer of
/// the first request, even if the order has changed since.
///
/// # Errors
///
/// Fails if the order is not valid, if its key belongs to another order, or if the store refuses it.
#[utoipa::path(
    post,
    path = "/orders",
    operation_id = "createOrder",
    params(
        ("idempotency-key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$",
            description = "unique name of this request; repetitions with the same key create no further order"),
    ),
    request_body = NewOrder,
    responses(
        (status = 200, description = "the order, saved now or by an earlier request with the same key", body = Order),
        (status = 400, description = "malformed JSON, or not an idempotency key", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "body too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "not a valid order, or the idempotency key was used for another one", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "store unavailable", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn create_order(
    State(store): State<Store>,
    identity: RequestIdentity,
    JsonBody(order): JsonBody<NewOrder>,
) -> Result<Json<Order>, ApiError> {
    let items = order.accept()?;
    let stored = StoredOrder {
        request: identity.content(&items),
        order: Order {
            id: identity.order_id(&items),
            items,
            cancelled: false,
        },
    };
    if !store.insert(&stored).await? {
        check_repetition(&store, &stored).await?;
    }
    Ok(Json(stored.order))
}

/// Returns without error if the same request created the stored order.
async fn check_repetition(store: &Store, wanted: &StoredOrder) -> Result<(), ApiError> {
    // Without a key the content is part of the id, so it is the same.
    if wanted.request.is_none() {
        return Ok(());
    }
    match store.find(wanted.order.id).await? {
        Some(found) if found.stored.request == wanted.request => Ok(()),
        _ => Err(ApiError::KeyReused),
    }
}
