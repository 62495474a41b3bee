//! A broker that the harness did not start: the user's own, named by URL.

use anyhow::{Context, Result};
use kafka_cluster_url::ClusterUrl;
use tokio_util::sync::CancellationToken;

use super::topics;
use crate::wait;

/// The URL with every port written out and nothing else, once a broker answers there. What the URL says beyond
/// that goes to the front of `properties`: its password then takes the way of every other secret.
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
