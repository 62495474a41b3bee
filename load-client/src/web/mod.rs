//! The live page of a run: an HTTP server that shows a [`Board`] and passes the orders of browsers to a
//! [`RunController`]. It does not depend on the runner or on Kafka.

mod api;
mod board;
mod guard;
mod past;

use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use self::guard::guard;
use crate::report::html::chart_library;

pub(crate) use api::{Exporter, downloads};
pub(crate) use board::{Board, Figures, Offers, Phase, Share, State, Target, unix_ms};
pub(crate) use guard::AllowedHosts;

/// Longest body of an order.
const BODY_BYTES: usize = 4096;
/// Most browsers that may listen at the same time.
const LISTENERS: usize = 64;

/// Returns the router of the page, with its files, events and orders. Cancel `closed` to end the streams of events,
/// which would otherwise delay a graceful end of the server for ever.
pub(crate) fn router<C: RunController>(
    controller: Arc<C>,
    hosts: AllowedHosts,
    closed: CancellationToken,
) -> Router {
    let shared = Arc::new(Shared {
        controller,
        places: Arc::new(Semaphore::new(LISTENERS)),
        closed,
    });
    Router::new()
        .route(
            "/",
            get(async |headers| asset(Path("index.html".to_owned()), headers).await),
        )
        .route("/assets/{name}", get(asset))
        .route("/events", get(api::events::<C>))
        .route("/download/{file}", get(api::download::<C>))
        .route(
            "/start",
            post(|own, body| api::order::<C, _>(own, body, Order::Start)),
        )
        .route(
            "/edit",
            post(|own, body| api::order::<C, _>(own, body, Order::Edit)),
        )
        .route(
            "/stop",
            post(|own, body| api::order::<C, _>(own, body, Order::Stop)),
        )
        .route("/reset", post(|own| api::carry_out::<C>(own, Order::Reset)))
        .fallback(|| async { Refusal::not_found("there is nothing here; the page is at /") })
        .with_state(shared)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(from_fn_with_state(Arc::new(hosts), guard))
}

/// The state that the handlers share.
struct Shared<C> {
    controller: Arc<C>,
    /// One permit for each browser that may listen.
    places: Arc<Semaphore>,
    /// Cancelled when the server ends, which ends the streams of events.
    closed: CancellationToken,
}

// The files of the page, compiled into the program.

struct Asset {
    name: &'static str,
    content: Bytes,
    /// The entity tag, which changes with the content.
    tag: String,
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let files = [
        ("index.html", include_str!("page/index.html")),
        ("page.css", include_str!("page/page.css")),
        ("palette.css", include_str!("../report/html/palette.css")),
        ("icon.svg", include_str!("page/icon.svg")),
        ("theme.js", include_str!("page/theme.js")),
        ("main.js", include_str!("page/main.js")),
        ("orders.js", include_str!("page/orders.js")),
        ("feed.js", include_str!("page/feed.js")),
        ("tables.js", include_str!("page/tables.js")),
        ("tabs.js", include_str!("page/tabs.js")),
        ("charts.js", include_str!("page/charts.js")),
        ("format.js", include_str!("page/format.js")),
    ];
    let files = files.map(|(name, content)| (name, Bytes::from_static(content.as_bytes())));
    let library = ("plotly.js", Bytes::from(chart_library()));
    let tagged = |(name, content): (_, Bytes)| {
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        let tag = format!("\"{:x}\"", hasher.finish());
        Asset { name, content, tag }
    };
    files.into_iter().chain([library]).map(tagged).collect()
});

/// Answers from memory. A browser asks each time whether its copy is still valid. So it never mixes the files of two
/// versions of the program, and seldom loads the four megabytes of the chart library.
async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return Refusal::not_found("there is no such file").into_response();
    };
    let own = [
        (header::CONTENT_TYPE, media_type(&name)),
        (header::ETAG, &*asset.tag),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|tags| tags.to_str().ok());
    match known {
        Some(tags) if tags.contains(&asset.tag) => (StatusCode::NOT_MODIFIED, own).into_response(),
        _ => (own, asset.content.clone()).into_response(),
    }
}

fn media_type(file: &str) -> &'static str {
    match file.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("csv") => "text/csv; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        _ => "text/javascript; charset=utf-8",
    }
}

/// Why a request of a browser is refused: the status of the answer, and the cause in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{1}")]
pub(crate) struct Refusal(StatusCode, String);

impl Refusal {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self(status, detail.into())
    }

    /// Refuses a request that does not fit the phase of the load.
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// Refuses a value that is out of bounds. The text names the value.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, detail) = self;
        let problem = serde_json::json!({
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": detail,
        });
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        (status, kind, problem.to_string()).into_response()
    }
}

/// Starts, changes and stops runs, and keeps the board up to date.
pub(crate) trait RunController: Send + Sync + 'static {
    /// Returns state, history and figures, as every browser sees them.
    fn board(&self) -> &Board;

    /// Carries out an order and returns the new state.
    ///
    /// Several browsers may send orders at the same time. An implementation takes them one after another, and refuses
    /// an order that does not fit with [`Refusal::conflict`]. An accepted order is carried out even if its browser
    /// disconnects.
    fn carry_out(&self, order: Order) -> impl Future<Output = Result<State, Refusal>> + Send;
}

/// An order of a browser.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Order {
    /// Begins a run. The answer comes when the run has its number. The board shows the rest.
    Start(StartOrder),
    /// Changes the users of the run that goes on.
    Edit(EditOrder),
    /// Ends the run: nothing more is sent. The run waits for requests in flight, unless the order says otherwise.
    Stop(StopOrder),
    /// Removes the figures and the history up to now. A run goes on.
    Reset,
}

impl Order {
    /// Returns the users that the order asks for, and how many of them are started per second.
    fn users(&self) -> Option<(u32, f64)> {
        match self {
            Self::Start(order) => Some((order.users, order.spawn_rate)),
            Self::Edit(order) => Some((order.users, order.spawn_rate)),
            Self::Stop(_) | Self::Reset => None,
        }
    }
}

/// The values of a new run, and of the form as the command line fills it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartOrder {
    pub users: u32,
    pub spawn_rate: f64,
    /// As on the command line, for example `5m`; empty or absent without an end.
    #[serde(default)]
    pub run_time: Option<String>,
    /// Requests per second of an open loop, as on the command line, for example `500/s`; empty or absent in a closed
    /// loop.
    #[serde(default)]
    pub rate: Option<String>,
}

/// The new users of a running load.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EditOrder {
    pub users: u32,
    /// Users started or ended per second.
    pub spawn_rate: f64,
}

/// The way to end a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StopOrder {
    /// Whether not to wait for requests in flight. They are then recorded as censored.
    #[serde(default)]
    pub now: bool,
}

#[cfg(test)]
mod tests;
