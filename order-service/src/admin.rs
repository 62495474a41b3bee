//! What operators ask: `/healthz`, `/readyz`, `/metrics`. On an address of its own, because
//! clients have no business there.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use kafka_bridge::{Blocked, Obstacle, Status};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use crate::store::OrderStore;

/// Returns the admin routes.
pub fn router(
    metrics: PrometheusHandle,
    status: watch::Receiver<Status>,
    store: Arc<dyn OrderStore>,
    dead_letter_topic: Option<String>,
) -> Router {
    Router::new()
        .route(
            "/healthz",
            get({
                let status = status.clone();
                move || std::future::ready(healthy(&status.borrow()))
            }),
        )
        .route(
            "/readyz",
            get(move || {
                let letters = dead_letter_topic.clone();
                ready(status.clone(), Arc::clone(&store), letters)
            }),
        )
        .route(
            "/metrics",
            get(move || std::future::ready(metrics.render())),
        )
}

/// Healthy: the bridge makes progress. A store that is down is no reason to restart: its requests are
/// answered with 503. A broker that takes no reply becomes one after --stuck-after.
fn healthy(status: &Status) -> (StatusCode, String) {
    match status.health() {
        Ok(()) => (StatusCode::OK, "ok".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason.to_string()),
    }
}

/// Ready: the consumer group has given an assignment, records can be fetched and produced, and the
/// store answers.
async fn ready(
    status: watch::Receiver<Status>,
    store: Arc<dyn OrderStore>,
    dead_letter_topic: Option<String>,
) -> (StatusCode, String) {
    let unready = |reason: String| (StatusCode::SERVICE_UNAVAILABLE, reason);
    let (assigned, obstacles) = {
        let status = status.borrow();
        (status.ready, status.obstacles())
    };
    if !assigned {
        return unready("no assignment from the consumer group".to_owned());
    }
    if let Some(obstacle) = obstacles.first() {
        return unready(describe(obstacle, dead_letter_topic.as_deref()));
    }
    match store.ping().await {
        Ok(()) => (StatusCode::OK, "ready".to_owned()),
        Err(_) => unready("the store does not answer".to_owned()),
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
