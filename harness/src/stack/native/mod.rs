//! The native brokers: nodes of Apache Kafka on the local JVM. Their data are deleted with them.

mod config;
mod jars;
mod java;
mod node;
mod security;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use self::config::{Layout, Proxied};
use self::jars::Jars;
use self::java::Java;
pub(super) use self::node::Node;
pub use self::security::{Login, SecureListener, authority};
use super::{Listeners, StackOptions, ports, topics};
use crate::process::Child;
use crate::wait;

const START_LIMIT: Duration = Duration::from_secs(90);

/// Running brokers, and their JVM.
#[derive(Debug)]
pub(super) struct NativeCluster {
    pub(super) url: String,
    pub(super) version: String,
    pub(super) java: String,
    pub(super) secure: Option<SecureListener>,
    nodes: Vec<Node>,
    /// The folders of their data, deleted on drop.
    _folders: Vec<TempDir>,
}

impl NativeCluster {
    pub(super) async fn start(options: &StackOptions, logs: &Path) -> Result<Self> {
        let stop = &options.stop;
        let first_port = ports::choose("--kafka-port", options.kafka_port)?;
        let java = Java::find(stop).await?;
        let jars = Jars::find(logs, stop).await?;
        let count = options.brokers;
        let mut port_list = vec![first_port];
        for _ in 1..count {
            port_list.push(ports::any()?);
        }
        let controller_ports = (0..count).map(|_| ports::any());
        let controller_ports: Vec<u16> = controller_ports.collect::<Result<_>>()?;
        let cluster = config::cluster_id();
        let mut secure = None;
        let (mut nodes, mut folders) = (Vec::new(), Vec::new());
        for (index, port) in port_list.iter().enumerate() {
            let data = TempDir::new().context("cannot create Kafka's data folder")?;
            if options.secure {
                secure = Some(SecureListener::prepare(data.path(), ports::any()?, stop).await?);
            }
            let layout = Layout {
                folder: data.path(),
                index,
                port: *port,
                controller_ports: &controller_ports,
                cluster: &cluster,
                secure: secure.as_ref(),
                proxied: proxied(options, index)?,
                properties: &options.broker_properties,
            };
            layout.write()?;
            node::format_storage(&java.program, &jars, &layout, logs, stop).await?;
            nodes.push(Node::spawn(&java.program, &jars, &layout, logs)?);
            folders.push(data);
        }
        let servers = port_list.iter().map(|port| format!("127.0.0.1:{port}"));
        let servers: Vec<String> = servers.collect();
        until_known(&mut nodes, &servers, stop).await?;
        Ok(Self {
            url: format!("kafka://{}", servers.join(",")),
            version: jars.version,
            java: java.version,
            secure,
            nodes,
            _folders: folders,
        })
    }

    /// The processes of the brokers.
    pub(super) fn children(&mut self) -> impl Iterator<Item = &mut Child> {
        self.nodes.iter_mut().map(|node| &mut node.child)
    }

    /// One broker, counted from 0.
    pub(super) fn node(&mut self, index: usize) -> Result<&mut Node> {
        let count = self.nodes.len();
        let node = self.nodes.get_mut(index);
        node.with_context(|| format!("no broker {index}: there are {count}, counted from 0"))
    }

    /// The listeners that may be behind proxies.
    pub(super) fn behind_proxies(&self) -> Vec<Listeners> {
        self.nodes
            .iter()
            .filter_map(|node| node.behind_proxies)
            .collect()
    }

    pub(super) fn count(&self) -> usize {
        self.nodes.len()
    }

    /// Stops all at the same time: no broker needs to hand over to another one.
    pub(super) async fn stop(self) -> Result<()> {
        let mut stopping = tokio::task::JoinSet::new();
        for node in self.nodes {
            stopping.spawn(node.stop());
        }
        let mut stopped = Ok(());
        while let Some(one) = stopping.join_next().await {
            stopped = stopped.and(one.context("a broker's stop")?);
        }
        stopped
    }
}

/// Waits until each broker knows all others. Fails if one ends.
async fn until_known(
    nodes: &mut [Node],
    servers: &[String],
    stop: &CancellationToken,
) -> Result<()> {
    let wanted = servers.len();
    let known = nodes.iter_mut().zip(servers).map(|(node, own)| {
        let answers = move || async move {
            let answers = topics::answers(own, &[]).await;
            match answers.map_err(|error| format!("{error:#}"))? {
                known if known >= wanted => Ok(()),
                known => Err(format!("{known} of {wanted} brokers are up")),
            }
        };
        wait::until_ready(&mut node.child, START_LIMIT, stop, answers)
    });
    try_join_all(known)
        .await
        .map(drop)
        .context("Apache Kafka did not start")
}

fn proxied(options: &StackOptions, index: usize) -> Result<Option<Proxied>> {
    let Some(advertises) = options.advertise.get(index).copied() else {
        return Ok(None);
    };
    let listens = Listeners {
        clients: ports::any()?,
        peers: ports::any()?,
    };
    Ok(Some(Proxied {
        listens,
        advertises,
    }))
}
