//! Joins guard, page, events, orders and downloads to one router.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::guard::guard;
use super::shared::Shared;
use super::{AllowedHosts, Refusal, RunController, api, assets};

/// No order is longer.
const BODY_BYTES: usize = 4096;
/// Browsers that may listen at the same time.
const LISTENERS: usize = 64;

/// The page and all that it asks for. Cancel `closed` to end the streams of events, which would
/// otherwise hold up a graceful end of the server for ever.
pub(crate) fn router<C: RunController>(
    controller: Arc<C>,
    hosts: AllowedHosts,
    closed: CancellationToken,
) -> Router {
    let shared = Shared {
        controller,
        places: Arc::new(Semaphore::new(LISTENERS)),
        closed,
    };
    Router::new()
        .route("/", get(assets::page))
        .route("/assets/{name}", get(assets::asset))
        .route("/events", get(api::events::<C>))
        .route("/download/{file}", get(api::download::<C>))
        .route("/start", post(api::start::<C>))
        .route("/edit", post(api::edit::<C>))
        .route("/stop", post(api::stop::<C>))
        .route("/reset", post(api::reset::<C>))
        .fallback(|| async { Refusal::NotFound("there is nothing here; the page is /".to_owned()) })
        .with_state(shared)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(from_fn_with_state(Arc::new(hosts), guard))
}
