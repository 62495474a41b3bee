//! A broker that the harness did not start: the user's own, named by URL.

use anyhow::{Context, Result, bail};
use tokio_util::sync::CancellationToken;

use super::topics;
use crate::wait;

/// `host:port[,host:port]` of a `kafka://` URL, as librdkafka wants it.
pub(super) fn bootstrap_servers(url: &str) -> Result<&str> {
    let servers = url
        .strip_prefix("kafka://")
        .unwrap_or_default()
        .trim_end_matches('/');
    if servers.is_empty() || servers.contains('/') || servers.contains('@') {
        bail!(
            "not a broker's URL: it takes kafka://host:port[,host:port] (credentials go into -X sasl.*)"
        );
    }
    Ok(servers)
}

/// Checks that a broker answers there.
pub(super) async fn connect(
    url: &str,
    properties: &[(String, String)],
    stop: &CancellationToken,
) -> Result<()> {
    let servers = bootstrap_servers(url).context("--kafka")?;
    wait::unless_stopped(stop, topics::answers(servers, properties))
        .await?
        .with_context(|| format!("--kafka {url}: no broker answers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_becomes_bootstrap_servers() {
        assert_eq!(bootstrap_servers("kafka://a:1,b:2").unwrap(), "a:1,b:2");
        assert_eq!(bootstrap_servers("kafka://a:1/").unwrap(), "a:1");
        for wrong in [
            "a:1",
            "http://a:1",
            "kafka://",
            "kafka://a/b",
            "kafka://me:pw@a:1",
        ] {
            assert!(bootstrap_servers(wrong).is_err(), "{wrong}");
        }
    }
}
