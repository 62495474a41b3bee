//! What operators ask: `/healthz`, `/readyz`, `/metrics`. On an address of its own, because
//! clients have no business there.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use kafka_bridge::{Blocked, Obstacle, Status};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use crate::store::OrderStore;

/// How the bridge is doing, once it is there: it waits for a store that is not ready.
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

/// Healthy: the bridge makes progress. A store that is down is no reason to restart: its requests are
/// answered with 503. Nor is a broker that is away: replies wait for it.
fn healthy(status: &BridgeStatus) -> (StatusCode, String) {
    match status
        .get()
        .map_or(Ok(()), |status| status.borrow().health())
    {
        Ok(()) => (StatusCode::OK, "ok".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason.to_string()),
    }
}

/// Ready: the consumer group has given an assignment, records can be fetched and produced, and the
/// store takes orders.
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
        // It may be why there is no assignment.
        Some(obstacle) => unready(describe(obstacle, dead_letter_topic.as_deref())),
        None if !assigned => unready("no assignment from the consumer group".to_owned()),
        None => (StatusCode::OK, "ready".to_owned()),
    }
}

/// Says what is held up and why, and names the flag where one is at fault.
fn describe(Obstacle { blocked, cause, .. }: &Obstacle, dead_letter_topic: Option<&str>) -> String {
    let flag = match blocked {
        Blocked::Produce(topic) if Some(&**topic) == dead_letter_topic => "--dead-letter-topic: ",
        _ => "",
    };
    format!("{flag}{blocked} fails: {cause}")
}
