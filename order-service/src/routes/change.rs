//! Changes a stored order while other requests may change it too.

use axum::http::StatusCode;
use uuid::Uuid;

use super::Store;
use crate::error::ApiError;
use crate::order::{Cancelled, Order};
use crate::store::StoreError;

/// Most attempts of a change. An attempt fails only if another change succeeds, so only an order that hundreds of
/// requests change at once needs so many.
const MAX_ATTEMPTS: usize = 100;

/// Returns the error for an order that does not exist.
pub(super) fn missing(id: Uuid) -> ApiError {
    ApiError::NotFound(StatusCode::NOT_FOUND, format!("there is no order {id}"))
}

/// Applies `change` to the stored order. Writes it only if the order is still as it was read. Otherwise it applies
/// `change` to the newer order.
pub(super) async fn change(
    store: &Store,
    id: Uuid,
    change: impl Fn(&mut Order) -> Result<(), Cancelled>,
) -> Result<Order, ApiError> {
    for _ in 0..MAX_ATTEMPTS {
        let found = store.find(id).await?.ok_or_else(|| missing(id))?;
        let mut changed = found.stored.clone();
        change(&mut changed.order)?;
        if changed == found.stored || store.replace(&found.version, &changed).await? {
            return Ok(changed.order);
        }
    }
    let cause = format!("other requests changed order {id} {MAX_ATTEMPTS} times meanwhile");
    Err(StoreError::Unavailable(cause).into())
}
