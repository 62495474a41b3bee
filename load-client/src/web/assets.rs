//! The files of the page, held in the program.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Refusal;

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
pub(super) async fn page(headers: HeaderMap) -> Response {
    serve("index.html", &headers)
}

/// A file that the page loads.
pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
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

/// plotly.js out of the elements that the crate makes of it; MathJax is left out.
fn chart_library() -> String {
    let mut elements = plotly::Plot::offline_js_sources();
    if let Some(end) = elements.find("</script>") {
        elements.truncate(end);
    }
    let start = elements.find('>').map_or(0, |end| end + 1);
    elements.split_off(start)
}
