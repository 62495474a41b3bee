//! What a caller says about the stack it wants.

use std::path::PathBuf;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// Which broker and store to run against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StackKind {
    /// librdkafka's mock broker, and a store from PATH; fast, needs no JVM, is not Kafka
    Embedded,
    /// Apache Kafka on this machine's JVM, and a store from PATH
    Native,
    /// Apache Kafka and Kvrocks in containers, by docker/compose.yaml
    Docker,
    /// Your own broker and store, by --kafka and --store
    External,
}

impl StackKind {
    /// The name as on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Native => "native",
            Self::Docker => "docker",
            Self::External => "external",
        }
    }
}

/// The ports of one broker's two listeners that may be behind proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listeners {
    /// For clients.
    pub clients: u16,
    /// For the other brokers.
    pub peers: u16,
}

/// How to start a stack; the default suits a test.
#[derive(Debug, Clone)]
pub struct StackOptions {
    /// The broker's port; a free one if `None`. Docker chooses its own. The embedded broker answers there for as
    /// long as a client needs to learn the broker's own port.
    pub kafka_port: Option<u16>,
    /// The store's port; a free one if `None`.
    pub store_port: Option<u16>,
    /// The broker of the external stack, `kafka://host[:port][,host[:port]]`, `kafka+ssl://...` or
    /// `kafka+sasl://user:password@...`.
    pub kafka: Option<String>,
    /// The store of the external stack, `redis://[user:password@]host:port`.
    pub store: Option<String>,
    /// librdkafka properties that every client of the stack gets, this harness included (TLS, SASL, ...).
    pub properties: Vec<(String, String)>,
    /// Whether the native stack's broker has a second listener, for passwords over TLS; see
    /// [`crate::stack::Stack::secure`].
    pub secure: bool,
    /// Properties of the native stack's broker, which come last.
    pub broker_properties: Vec<(String, String)>,
    /// Brokers of the native stack, each also a controller: one, or three whose topics are on all of them.
    pub brokers: usize,
    /// For each broker of the native stack the ports that its further listeners tell others to use, for a
    /// [`crate::faults`] proxy in between; see `Stack::behind_proxies`.
    pub advertise: Vec<Listeners>,
    /// Whether the store writes each command to its disk before it answers, so that it may be killed.
    pub durable_store: bool,
    /// Folder for the logs of broker and store; a temporary one if `None`.
    pub logs: Option<PathBuf>,
    /// The compose file of the docker stack.
    pub compose_file: PathBuf,
    /// Cancelled when the user wants to stop: start-up then ends early, with nothing left running.
    pub stop: CancellationToken,
}

impl Default for StackOptions {
    fn default() -> Self {
        Self {
            kafka_port: None,
            store_port: None,
            kafka: None,
            store: None,
            properties: Vec::new(),
            secure: false,
            broker_properties: Vec::new(),
            brokers: 1,
            advertise: Vec::new(),
            durable_store: false,
            logs: None,
            compose_file: PathBuf::from("docker/compose.yaml"),
            stop: CancellationToken::new(),
        }
    }
}
