//! An axum `Router` with layers, as for HTTP: state, a concurrency limit, a middleware that sees each request, and the
//! header that lets requesters correlate replies.
//!
//! The limit is around the `Router` and not one of its own layers. A `Router` is always ready, and waits in its layers
//! count against the request's timeout. Around the `Router`, the limit controls the application's `poll_ready`: while
//! it has no permit, the bridge takes no record, and records wait in Kafka.
//!
//! The topics have to exist: `double` and `double.reply`.
//!
//! ```sh
//! cargo run -p kafka-bridge --example layers
//! echo 20 | kcat -P -b localhost:9092 -t double -H reply-to=double.reply -H x-reply-set-header=x-request-id:1
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::post;
use kafka_bridge::{Bridge, Dispatch, EchoSetHeaderLayer, KafkaRecord, Operation};
use tower::Layer;
use tower::limit::GlobalConcurrencyLimitLayer;

/// The number of requests, shared by all handlers.
type Count = Arc<AtomicU64>;

async fn double(State(count): State<Count>, body: String) -> Result<String, StatusCode> {
    let number: i64 = body.trim().parse().map_err(|_| StatusCode::BAD_REQUEST)?;
    let count = count.fetch_add(1, Ordering::Relaxed) + 1;
    let doubled = number
        .checked_mul(2)
        .ok_or(StatusCode::UNPROCESSABLE_ENTITY)?;
    Ok(format!("{doubled}, request {count}"))
}

/// Sends the requester the coordinates of its record. Requests over HTTP have none.
async fn tell_coordinates(record: Option<KafkaRecord>, request: Request, next: Next) -> Response {
    let coordinates = record.map(|record| record.coordinates().to_string());
    let mut response = next.run(request).await;
    if let Some(Ok(value)) = coordinates.map(HeaderValue::try_from) {
        response.headers_mut().insert("x-record", value);
    }
    response
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let kafka = std::env::var("KAFKA_URL").unwrap_or_else(|_| "kafka://localhost:9092".to_owned());
    let app = Router::new()
        .route("/doubles", post(double))
        .with_state(Count::default())
        .layer(middleware::from_fn(tell_coordinates))
        .layer(EchoSetHeaderLayer::default());
    // Clones share the limit, so the same value can also serve HTTP.
    let app = GlobalConcurrencyLimitLayer::new(64).layer(app);
    Bridge::builder(app)
        .operation(Operation::post("double", "/doubles")?)
        .dispatch(Dispatch::Tasks)
        .connect(&kafka, "layers")?
        .with_graceful_shutdown(async { tokio::signal::ctrl_c().await.unwrap_or_default() })
        .await?;
    Ok(())
}
