//! Makes the answers of the bridge itself: problem details (RFC 9457).

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

/// A failure to report to the requester.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) detail: String,
    /// The application's own status, if it had answered.
    pub(crate) answered: Option<StatusCode>,
    /// Whether the requester's deadline has passed, so that nobody waits for a retry.
    pub(crate) is_late: bool,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            answered: None,
            is_late: false,
        }
    }

    /// Reports that the requester's deadline has passed.
    pub(crate) fn late(detail: impl Into<String>) -> Self {
        Self {
            is_late: true,
            ..Self::new(StatusCode::GATEWAY_TIMEOUT, detail)
        }
    }

    /// Renders the problem as JSON text.
    pub(crate) fn into_body(self) -> Bytes {
        let title = self.status.canonical_reason().unwrap_or("Unknown");
        let body = serde_json::json!({
            "type": "about:blank",
            "title": title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        Bytes::from(body.to_string())
    }

    /// Renders the problem as `application/problem+json`.
    pub(crate) fn into_response(self) -> Response<Bytes> {
        let status = self.status;
        let body = self.into_body();
        let mut response = Response::new(body.clone());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let media_type = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, media_type);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        response
    }
}
