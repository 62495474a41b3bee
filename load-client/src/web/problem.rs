//! Why a request is refused, as an answer that says what to do (RFC 9457).

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Why what a browser asked for is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// What was sent cannot be understood.
    #[error("{0}")]
    Malformed(String),
    /// It comes from another site, or by a name that is not ours.
    #[error("{0}")]
    Foreign(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// It does not fit what the load is doing.
    #[error("{0}")]
    Conflict(String),
    /// The body is longer than any order.
    #[error("{0}")]
    TooLarge(String),
    /// It is sent in a form that another site could send too.
    #[error("{0}")]
    WrongForm(String),
    /// A value is out of its bounds; the text names it.
    #[error("{0}")]
    Invalid(String),
    /// Too much is asked for at once.
    #[error("{0}")]
    Busy(String),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Foreign(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::WrongForm(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status();
        let problem = serde_json::json!({
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": self.to_string(),
        });
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        (status, kind, problem.to_string()).into_response()
    }
}
