//! Events, orders and downloads.

use std::future::Future;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response, Sse};
use serde::de::DeserializeOwned;

use super::events::{Position, feed, keep_alive};
use super::shared::Shared;
use super::{EditOrder, Refusal, RunController, StartOrder, State as RunState, StopOrder};

/// The most users, as on the command line.
const MAX_USERS: u32 = 1_000_000;

/// Streams the past and the present to one browser.
pub(super) async fn events<C: RunController>(
    State(shared): State<Shared<C>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let Ok(place) = Arc::clone(&shared.places).try_acquire_owned() else {
        return Err(Refusal::Busy(
            "too many browsers are open; close one".to_owned(),
        ));
    };
    let last = headers.get("last-event-id");
    let position = last.and_then(|last| Position::parse(last.to_str().ok()?));
    let feed = feed(
        shared.controller.board().clone(),
        position,
        place,
        shared.closed.clone(),
    );
    let events = Sse::new(feed).keep_alive(keep_alive());
    Ok(([(header::CACHE_CONTROL, "no-store")], events).into_response())
}

/// Begins a run.
pub(super) async fn start<C: RunController>(
    State(shared): State<Shared<C>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<RunState>), Refusal> {
    let order: StartOrder = parse(body)?;
    check(order.users, order.spawn_rate)?;
    let state = to_the_end(async move { shared.controller.start(order).await }).await?;
    Ok((StatusCode::ACCEPTED, state))
}

/// Changes the users of the run that goes on.
pub(super) async fn edit<C: RunController>(
    State(shared): State<Shared<C>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<RunState>, Refusal> {
    let order: EditOrder = parse(body)?;
    check(order.users, order.spawn_rate)?;
    to_the_end(async move { shared.controller.edit(order).await }).await
}

/// Ends the run.
pub(super) async fn stop<C: RunController>(
    State(shared): State<Shared<C>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<RunState>), Refusal> {
    let order: StopOrder = parse(body)?;
    let state = to_the_end(async move { shared.controller.stop(order).await }).await?;
    Ok((StatusCode::ACCEPTED, state))
}

/// Forgets the figures up to now.
pub(super) async fn reset<C: RunController>(
    State(shared): State<Shared<C>>,
) -> Result<Json<RunState>, Refusal> {
    to_the_end(async move { shared.controller.reset().await }).await
}

/// One file.
pub(super) async fn download<C: RunController>(
    State(shared): State<Shared<C>>,
    Path(file): Path<String>,
) -> Result<Response, Refusal> {
    let offered = shared.controller.board().state().offers.downloads;
    // Only names of ours get into the header below.
    let found = match offered.contains(&file) {
        true => shared.controller.download(&file)?,
        false => None,
    };
    let Some(download) = found else {
        return Err(Refusal::NotFound(format!(
            "there is no such file; there is {}",
            offered.join(", ")
        )));
    };
    let headers = [
        (header::CONTENT_TYPE, download.media_type.to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{file}\""),
        ),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, download.content).into_response())
}

/// Carries an order out though the browser that gave it goes away meanwhile.
async fn to_the_end(
    order: impl Future<Output = Result<RunState, Refusal>> + Send + 'static,
) -> Result<Json<RunState>, Refusal> {
    match tokio::spawn(order).await {
        Ok(done) => done.map(Json),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_cancelled) => Err(Refusal::Busy("the server is ending".to_owned())),
    }
}

fn parse<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, Refusal> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Refusal::TooLarge("the body is longer than any order".to_owned())
        }
        _ => Refusal::Malformed(rejection.body_text()),
    })?;
    serde_json::from_slice(&body).map_err(|error| Refusal::Malformed(error.to_string()))
}

/// The bounds of the command line.
fn check(users: u32, spawn_rate: f64) -> Result<(), Refusal> {
    if !(1..=MAX_USERS).contains(&users) {
        let message = format!("users: takes a whole number from 1 to {MAX_USERS}");
        return Err(Refusal::Invalid(message));
    }
    if !(spawn_rate.is_finite() && spawn_rate > 0.0) {
        let message = "spawn_rate: takes a number above 0, users per second";
        return Err(Refusal::Invalid(message.to_owned()));
    }
    Ok(())
}
