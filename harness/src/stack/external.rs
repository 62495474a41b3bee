//! The user's own broker, which the harness does not start.

use anyhow::{Context, Result};
use kafka_cluster_url::ClusterUrl;
use tokio_util::sync::CancellationToken;

use super::topics;
use crate::wait;

/// Waits until a broker answers at the URL. Returns the URL with ports and nothing else. All other parts of the URL go
/// to the front of `properties`, so that its password is handled like every other secret.
pub(super) async fn connect(
    url: &str,
    properties: &mut Vec<(String, String)>,
    stop: &CancellationToken,
) -> Result<String> {
    let cluster = ClusterUrl::parse(url).context("--kafka")?;
    properties.splice(..0, cluster.properties.iter().cloned());
    let servers = cluster.brokers;
    wait::unless_stopped(stop, topics::answers(&servers, properties))
        .await?
        .with_context(|| format!("--kafka kafka://{servers}: no broker answers"))?;
    Ok(format!("kafka://{servers}"))
}
