//! The `{id}` of a path. Its rejection is a problem document.

use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use uuid::Uuid;

use crate::error::ApiError;

/// An order's id from the path.
#[derive(Clone, Copy, Debug)]
pub struct OrderId(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for OrderId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(id)) => Ok(Self(id)),
            Err(error) => Err(ApiError::Unreadable(
                StatusCode::BAD_REQUEST,
                error.body_text(),
            )),
        }
    }
}
