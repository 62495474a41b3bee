//! Changes a stored order by what is in it, against others who do the same.

use axum::http::StatusCode;
use uuid::Uuid;

use super::Store;
use crate::error::ApiError;
use crate::order::{Cancelled, Order};
use crate::store::StoreError;

/// How often a change may find that somebody else was faster. Each time one change is made, so
/// only an order that hundreds of requests change at once gets here.
const MAX_ATTEMPTS: usize = 100;

/// Returns the failure that there is no such order.
pub(super) fn missing(id: Uuid) -> ApiError {
    ApiError::NotFound(StatusCode::NOT_FOUND, format!("there is no order {id}"))
}

/// Applies `change` to the order as it is now. It is written only if the order has not changed
/// since it was read; else the change is asked again about the newer one.
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
    let cause = format!("order {id} was changed {MAX_ATTEMPTS} times meanwhile");
    Err(StoreError::Unavailable(cause).into())
}
