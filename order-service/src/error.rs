//! Failures as a client sees them: problem details (RFC 9457). Only the log has the cause.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::order::{Cancelled, InvalidOrder};
use crate::store::StoreError;

/// A failure's description, `application/problem+json`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// The type of the problem. `about:blank` means that the status says everything.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    pub kind: &'static str,
    /// The status in words.
    pub title: &'static str,
    /// The HTTP status.
    #[schema(example = 422)]
    pub status: u16,
    /// What is wrong with this request.
    pub detail: String,
}

/// A failed request.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The request cannot be read.
    #[error("{1}")]
    Unreadable(StatusCode, String),
    /// The order breaks a rule.
    #[error(transparent)]
    Invalid(#[from] InvalidOrder),
    /// The idempotency key belongs to an order with other items.
    #[error("the idempotency-key was used for another order, choose a new key for a new order")]
    KeyReused,
    /// The order is cancelled, so it cannot change.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// There is no such order, path or method.
    #[error("{1}")]
    NotFound(StatusCode, String),
    /// The store failed.
    #[error("store")]
    Store(#[from] StoreError),
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Unreadable(status, _) | Self::NotFound(status, _) => *status,
            Self::Cancelled(_) => StatusCode::CONFLICT,
            Self::Invalid(_) | Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Store(StoreError::Unreachable(_) | StoreError::Unavailable(_)) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            // A retry does not help, so this is no 503.
            Self::Store(StoreError::Refused(_) | StoreError::Corrupt(..)) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// Returns what the client may know. It has no address or message of the store.
    fn detail(&self) -> String {
        match self {
            Self::Store(StoreError::Unreachable(_) | StoreError::Unavailable(_)) => {
                "the store is unavailable".to_owned()
            }
            Self::Store(StoreError::Refused(_)) => {
                "the store refuses what this service needs".to_owned()
            }
            Self::Store(StoreError::Corrupt(..)) => "the stored order cannot be read".to_owned(),
            other => other.to_string(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Self::Store(cause) = &self {
            tracing::error!(error = %cause, "store failed");
        }
        let status = self.status();
        let problem = Problem {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Unknown"),
            status: status.as_u16(),
            detail: self.detail(),
        };
        let mut response = (status, Json(problem)).into_response();
        let media_type = HeaderValue::from_static("application/problem+json");
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, media_type);
        response
    }
}
