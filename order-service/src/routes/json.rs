//! A JSON body whose rejection is a problem document like every other failure.

use axum::Json;
use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// A body that was read as `T`.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match Json::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            // 400 malformed, 413 too large, 415 not JSON, 422 JSON of another shape.
            Err(rejection) => Err(ApiError::Unreadable(
                rejection.status(),
                rejection.body_text(),
            )),
        }
    }
}
