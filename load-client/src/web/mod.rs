//! The live page of a run: an HTTP server that shows what a [`Board`] holds and hands what the
//! browser asks for to a [`RunController`]. Knows neither the runner nor Kafka.

mod api;
mod board;
mod events;
mod guard;
mod log;
mod prometheus;

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
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use self::guard::guard;
use crate::report::html::chart_library;

pub(crate) use api::{board_download, board_downloads};
pub(crate) use board::{
    Board, Defaults, Figures, Offers, Phase, Share, Snapshot, State, Target, unix_ms,
};
pub(crate) use events::RunMark;
#[cfg(test)]
pub(crate) use events::RunMoment;
pub(crate) use guard::AllowedHosts;
pub(crate) use prometheus::Exporter;

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
        .route("/", get(page))
        .route("/assets/{name}", get(asset))
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

/// What the handlers share.
struct Shared<C> {
    controller: Arc<C>,
    /// One for each browser that may listen.
    places: Arc<Semaphore>,
    /// Cancelled when the server ends: streams of events end with it.
    closed: CancellationToken,
}

impl<C> Clone for Shared<C> {
    fn clone(&self) -> Self {
        Self {
            controller: Arc::clone(&self.controller),
            places: Arc::clone(&self.places),
            closed: self.closed.clone(),
        }
    }
}

// The files of the page, held in the program.

struct Asset {
    name: &'static str,
    media_type: &'static str,
    content: Bytes,
    /// Changes with the content.
    tag: String,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let text = |name, media_type, content: &'static str| {
        Asset::new(name, media_type, Bytes::from_static(content.as_bytes()))
    };
    vec![
        text(
            "index.html",
            "text/html; charset=utf-8",
            include_str!("page/index.html"),
        ),
        text(
            "page.css",
            "text/css; charset=utf-8",
            include_str!("page/page.css"),
        ),
        text(
            "palette.css",
            "text/css; charset=utf-8",
            include_str!("../report/html/palette.css"),
        ),
        text("icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
        text("theme.js", SCRIPT, include_str!("page/theme.js")),
        text("main.js", SCRIPT, include_str!("page/main.js")),
        text("orders.js", SCRIPT, include_str!("page/orders.js")),
        text("feed.js", SCRIPT, include_str!("page/feed.js")),
        text("tables.js", SCRIPT, include_str!("page/tables.js")),
        text("tabs.js", SCRIPT, include_str!("page/tabs.js")),
        text("charts.js", SCRIPT, include_str!("page/charts.js")),
        text("format.js", SCRIPT, include_str!("page/format.js")),
        Asset::new("plotly.js", SCRIPT, chart_library().into()),
    ]
});

impl Asset {
    fn new(name: &'static str, media_type: &'static str, content: Bytes) -> Self {
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        Self {
            name,
            media_type,
            tag: format!("\"{:x}\"", hasher.finish()),
            content,
        }
    }
}

/// The page itself.
async fn page(headers: HeaderMap) -> Response {
    serve("index.html", &headers)
}

/// A file that the page loads.
async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    serve(&name, &headers)
}

/// Answers from memory. A browser asks each time whether its copy is still good, so that it never
/// mixes files of two versions of the program, and is seldom sent the four megabytes of the charts.
fn serve(name: &str, headers: &HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return Refusal::NotFound("there is no such file".to_owned()).into_response();
    };
    let own = [
        (header::CONTENT_TYPE, asset.media_type),
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

/// Starts, changes and stops runs, and keeps the board up to date.
///
/// Several browsers may ask at the same time: an implementation takes their orders one after the
/// other, and refuses with [`Refusal::Conflict`] what does not fit what it is doing. An order that was
/// taken is carried out though its browser went away.
pub(crate) trait RunController: Send + Sync + 'static {
    /// State, history and figures, as every browser sees them.
    fn board(&self) -> &Board;

    /// Begins a run. Answers when the run has its number; what becomes of it is on the board.
    fn start(&self, order: StartOrder) -> impl Future<Output = Result<State, Refusal>> + Send;

    /// Changes the users of the run that goes on.
    fn edit(&self, order: EditOrder) -> impl Future<Output = Result<State, Refusal>> + Send;

    /// Ends the run: nothing more is sent; requests in flight are waited for, if not told otherwise.
    fn stop(&self, order: StopOrder) -> impl Future<Output = Result<State, Refusal>> + Send;

    /// Forgets the figures and the history up to now; a run goes on.
    fn reset(&self) -> impl Future<Output = Result<State, Refusal>> + Send;

    /// Makes one of the files that [`Offers::downloads`] names; `None` without such a file.
    ///
    /// # Errors
    ///
    /// When there is nothing to put into it yet, or it cannot be made.
    fn download(&self, file: &str) -> Result<Option<Download>, Refusal>;
}

/// What a new run is to be.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartOrder {
    /// Users.
    pub users: u32,
    /// Users started per second.
    pub spawn_rate: f64,
    /// As on the command line, `5m` for example; empty or absent without an end.
    #[serde(default)]
    pub run_time: Option<String>,
    /// Requests per second of an open loop, as on the command line.
    #[serde(default)]
    pub rate: Option<String>,
}

/// What the users of a running load are to be.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EditOrder {
    /// Users.
    pub users: u32,
    /// Users started or ended per second.
    pub spawn_rate: f64,
}

/// How a run is to end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StopOrder {
    /// Do not wait for the requests in flight; they are recorded as censored.
    #[serde(default)]
    pub now: bool,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Download {
    /// Its media type.
    pub media_type: &'static str,
    /// Its content.
    pub content: Vec<u8>,
}

#[cfg(test)]
mod tests;
