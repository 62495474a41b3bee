//! The routes for operators: `/healthz`, `/readyz`, `/metrics`. They have their own address, apart from clients.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use kafka_bridge::{Blocked, Obstacle, Status};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use crate::store::OrderStore;

/// The status of the bridge. It is empty while the service waits for the store.
pub type BridgeStatus = Arc<OnceLock<watch::Receiver<Status>>>;

/// Returns the admin routes.
pub fn router(
    metrics: PrometheusHandle,
    status: BridgeStatus,
    store: Arc<dyn OrderStore>,
    dead_letter_topic: Option<String>,
) -> Router {
    Router::new()
        .route(
            "/healthz",
            get({
                let status = Arc::clone(&status);
                move || std::future::ready(healthy(&status))
            }),
        )
        .route(
            "/readyz",
            get(move || {
                let (status, letters) = (Arc::clone(&status), dead_letter_topic.clone());
                ready(status, Arc::clone(&store), letters)
            }),
        )
        .route(
            "/metrics",
            get(move || std::future::ready(metrics.render())),
        )
}

/// Healthy: the bridge makes progress. If the store or a broker is down, a restart would not help: requests get 503,
/// and replies wait.
fn healthy(status: &BridgeStatus) -> (StatusCode, String) {
    match status
        .get()
        .map_or(Ok(()), |status| status.borrow().health())
    {
        Ok(()) => (StatusCode::OK, "ok".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason.to_string()),
    }
}

/// Ready: the consumer group has given an assignment, records can be fetched and produced, and the store takes orders.
async fn ready(
    status: BridgeStatus,
    store: Arc<dyn OrderStore>,
    dead_letter_topic: Option<String>,
) -> (StatusCode, String) {
    let unready = |reason: String| (StatusCode::SERVICE_UNAVAILABLE, reason);
    if let Err(error) = store.ping().await {
        return unready(format!("the store takes no orders: {error}"));
    }
    let Some(status) = status.get() else {
        return unready("waiting for the store".to_owned());
    };
    let (assigned, obstacles) = {
        let status = status.borrow();
        (status.ready, status.obstacles())
    };
    match obstacles.first() {
        // Before the assignment, because the obstacle may be the cause that there is none.
        Some(obstacle) => unready(describe(obstacle, dead_letter_topic.as_deref())),
        None if !assigned => unready("no assignment from the consumer group".to_owned()),
        None => (StatusCode::OK, "ready".to_owned()),
    }
}

/// Says what is held up and why. Names the flag if a flag is the cause.
fn describe(Obstacle { blocked, cause, .. }: &Obstacle, dead_letter_topic: Option<&str>) -> String {
    let flag = match blocked {
        Blocked::Produce(topic) if Some(&**topic) == dead_letter_topic => "--dead-letter-topic: ",
        _ => "",
    };
    format!("{flag}{blocked} fails: {cause}")
}
