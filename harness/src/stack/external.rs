//! A broker that the harness did not start: the user's own, named by URL.

use std::net::Ipv6Addr;

use anyhow::{Context, Result, bail};
use tokio_util::sync::CancellationToken;

use super::topics;
use crate::wait;

const KAFKA_PORT: u16 = 9092;

/// `host:port[,host:port]` of a `kafka://` URL, as librdkafka wants it; where the URL has no port, with Kafka's
/// usual one.
pub(super) fn bootstrap_servers(url: &str) -> Result<String> {
    let servers = url
        .strip_prefix("kafka://")
        .unwrap_or_default()
        .trim_end_matches('/');
    let servers: Option<Vec<String>> = servers.split(',').map(server).collect();
    match servers {
        Some(servers) => Ok(servers.join(",")),
        None => bail!(
            "not a broker's URL: it takes kafka://host[:port][,host[:port]] (credentials go into -X sasl.*)"
        ),
    }
}

fn server(text: &str) -> Option<String> {
    // The colons inside the brackets of an IPv6 address are none before a port.
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
        _ => (text, Some(KAFKA_PORT)),
    };
    let port = port.filter(|port: &u16| *port > 0)?;
    let is_host = match host.strip_prefix('[') {
        Some(address) => address
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => !host.is_empty() && !host.contains(['/', ' ', '@', '[', ']', ':']),
    };
    is_host.then(|| format!("{host}:{port}"))
}

/// The URL with every port written out, once a broker answers there.
pub(super) async fn connect(
    url: &str,
    properties: &[(String, String)],
    stop: &CancellationToken,
) -> Result<String> {
    let servers = bootstrap_servers(url).context("--kafka")?;
    wait::unless_stopped(stop, topics::answers(&servers, properties))
        .await?
        .with_context(|| format!("--kafka {url}: no broker answers"))?;
    Ok(format!("kafka://{servers}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_becomes_bootstrap_servers() {
        assert_eq!(bootstrap_servers("kafka://a:1,b:2").unwrap(), "a:1,b:2");
        assert_eq!(bootstrap_servers("kafka://a:1/").unwrap(), "a:1");
        assert_eq!(
            bootstrap_servers("kafka://a,b:2,[::1],[::1]:3").unwrap(),
            "a:9092,b:2,[::1]:9092,[::1]:3"
        );
        for wrong in [
            "a:1",
            "http://a:1",
            "kafka://",
            "kafka://a/b",
            "kafka://me:pw@a:1",
            "kafka://a:",
            "kafka://a:0",
            "kafka://a:x",
            "kafka://a:99999",
            "kafka://a,,b",
            "kafka://::1",
        ] {
            assert!(bootstrap_servers(wrong).is_err(), "{wrong}");
        }
    }
}
