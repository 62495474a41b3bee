//! A JSON body. Its rejection is a problem document.

use axum::Json;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// The largest body, in bytes. An extension of the request.
#[derive(Clone, Copy, Debug)]
pub struct MaxBody(pub usize);

/// A body that was read as `T`.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let limit = request.extensions().get::<MaxBody>().copied();
        let size = content_length(request.headers());
        match Json::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            // 400 malformed, 413 too large, 415 not JSON, 422 JSON of another shape.
            Err(rejection) => {
                let status = rejection.status();
                let too_large = limit.filter(|_| status == StatusCode::PAYLOAD_TOO_LARGE);
                let detail = match too_large {
                    Some(limit) => too_large_text(size, limit),
                    None => rejection.body_text(),
                };
                Err(ApiError::Unreadable(status, detail))
            }
        }
    }
}

fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// The same text as in the bridge, which refuses a large record before it becomes a request.
fn too_large_text(size: Option<usize>, MaxBody(limit): MaxBody) -> String {
    match size {
        Some(size) => format!("the body has {size} bytes, the limit is {limit}"),
        None => format!("the body has more bytes than the limit, which is {limit}"),
    }
}
