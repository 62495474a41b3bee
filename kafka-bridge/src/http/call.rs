//! Calls the application once: with a time limit, behind a barrier for panics, and reads its whole body.

use std::any::Any;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::pin;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::timeout;
use tower_service::Service;

use crate::Body;
use crate::http::deadline::{Allowance, Late};
use crate::http::service::BoxError;

/// The result of a call: an answer, a failed body, a timeout, or a panic.
pub(super) type Guarded =
    Result<Result<Result<Response<Bytes>, Broken>, Late>, Box<dyn Any + Send>>;

/// Why an answer has no usable body.
pub(super) enum Broken {
    /// The body exceeds the size limit of replies. Holds the answer's status.
    TooLarge(StatusCode),
    /// The application failed to send the whole body.
    Body(BoxError),
}

/// Calls the application with a time limit and a barrier for panics. An answer may have `max` bytes.
pub(super) fn guarded<S, B>(
    app: S,
    request: Request<Body>,
    Allowance { limit, left }: Allowance,
    max: usize,
) -> impl Future<Output = Guarded> + use<S, B>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    // The barrier also covers what the application drops after a timeout.
    let work = async move {
        let (time, late) = match left {
            Some(left) if left < limit => (left, Late::Deadline),
            _ => (limit, Late::Limit),
        };
        let answer = timeout(time, call(app, request, max)).await;
        answer.map_err(|_| late)
    };
    AssertUnwindSafe(work).catch_unwind()
}

/// Calls an application that is ready, and reads the whole body, at most `max` bytes.
async fn call<S, B>(
    mut app: S,
    request: Request<Body>,
    max: usize,
) -> Result<Response<Bytes>, Broken>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let Ok(response) = app.call(request).await;
    let (parts, body) = response.into_parts();
    match whole(Limited::new(body, max)).await {
        Ok(body) => Ok(Response::from_parts(parts, body)),
        Err(error) if error.is::<LengthLimitError>() => Err(Broken::TooLarge(parts.status)),
        Err(error) => Err(Broken::Body(error)),
    }
}

/// Reads a body to its end. Nearly all bodies are one buffer, which is then used without a copy.
async fn whole<B>(body: B) -> Result<Bytes, B::Error>
where
    B: http_body::Body<Data = Bytes>,
{
    let mut body = pin!(body);
    let mut first = Bytes::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        if first.is_empty() {
            first = data;
        } else if !data.is_empty() {
            let rest = body.collect().await?.to_bytes();
            return Ok([first, data, rest].concat().into());
        }
    }
    Ok(first)
}

pub(super) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
