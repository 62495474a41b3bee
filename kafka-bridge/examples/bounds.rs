//! A service with its own limits: order per key, few records in flight, and retries before a failed record goes to a
//! dead-letter topic. The topics have to exist: `work`, `work.reply` and `work.dlq`.
//!
//! ```sh
//! cargo run -p kafka-bridge --example bounds
//! seq 100 | kcat -P -b localhost:9092 -t work -k same-key -H reply-to=work.reply
//! ```

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use kafka_bridge::{Bridge, Dispatch, FailurePolicy, Limits, Operation, Retry};

/// Fails every attempt for every tenth piece of work.
async fn work(body: String) -> Result<String, StatusCode> {
    tokio::time::sleep(Duration::from_millis(10)).await;
    if body.trim().ends_with('0') {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    Ok(format!("done: {}", body.trim()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let kafka = std::env::var("KAFKA_URL").unwrap_or_else(|_| "kafka://localhost:9092".to_owned());
    let limits = Limits {
        max_in_flight: 16,
        max_in_flight_bytes: 1 << 20,
        max_request_bytes: 64 << 10,
        ..Limits::default()
    };
    let retry = Retry {
        max_attempts: 3,
        first_backoff: Duration::from_millis(50),
        max_backoff: Duration::from_secs(1),
    };
    Bridge::builder(Router::new().route("/work", post(work)))
        .operation(Operation::post("work", "/work")?)
        .dispatch(Dispatch::Keyed)
        .limits(limits)
        .request_timeout(Duration::from_secs(2))
        .on_failure(FailurePolicy::Retry(retry))
        .dead_letter_topic("work.dlq")
        .connect(&kafka, "bounds")?
        .with_graceful_shutdown(async { tokio::signal::ctrl_c().await.unwrap_or_default() })
        .await?;
    Ok(())
}
