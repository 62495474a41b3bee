//! Makes [`KafkaRecord`] an axum extractor. Needs the feature `axum`.

use std::convert::Infallible;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;

use crate::KafkaRecord;

/// Says that the request came over HTTP and was not made from a record. The answer is a status of 500, because the
/// route is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the request was not made from a record: extract Option<KafkaRecord> if requests also come over HTTP"
)]
pub struct NotFromKafka;

impl IntoResponse for NotFromKafka {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}

impl<S: Sync> FromRequestParts<S> for KafkaRecord {
    type Rejection = NotFromKafka;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, NotFromKafka> {
        parts.extensions.get().cloned().ok_or(NotFromKafka)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for KafkaRecord {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get().cloned())
    }
}
