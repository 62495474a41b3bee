//! The problem documents for unknown paths and methods.

use axum::http::{Method, StatusCode, Uri};

use crate::error::ApiError;

/// Answers for a path that no operation has.
pub async fn no_such_path(uri: Uri) -> ApiError {
    ApiError::NotFound(
        StatusCode::NOT_FOUND,
        format!("there is nothing at {}", uri.path()),
    )
}

/// Answers for a method that a path does not have.
pub async fn no_such_method(method: Method, uri: Uri) -> ApiError {
    let detail = format!("{} does not take {method}", uri.path());
    ApiError::NotFound(StatusCode::METHOD_NOT_ALLOWED, detail)
}
