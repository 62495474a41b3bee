//! The options of a stack.

use std::path::PathBuf;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// The kind of broker and store.
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
    /// The name on the command line.
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

/// The ports of a broker's two listeners that may be behind proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listeners {
    /// For clients.
    pub clients: u16,
    /// For the other brokers.
    pub peers: u16,
}

/// How to start a stack. The default suits a test.
#[derive(Debug, Clone)]
pub struct StackOptions {
    /// The broker's port; a free one if `None`. Docker chooses its own. The embedded broker uses it only to tell
    /// clients its own port.
    pub kafka_port: Option<u16>,
    /// The store's port; a free one if `None`.
    pub store_port: Option<u16>,
    /// The broker of the external stack, `kafka://host[:port][,host[:port]]`, `kafka+ssl://...` or
    /// `kafka+sasl://user:password@...`.
    pub kafka: Option<String>,
    /// The store of the external stack, `redis://[user:password@]host:port`.
    pub store: Option<String>,
    /// librdkafka properties for every client of the stack and for this harness (TLS, SASL, ...).
    pub properties: Vec<(String, String)>,
    /// Whether the native stack's broker has a second listener for passwords over TLS, see
    /// [`crate::stack::Stack::secure`].
    pub secure: bool,
    /// Properties of the native stack's broker, which come last.
    pub broker_properties: Vec<(String, String)>,
    /// Number of brokers of the native stack. Each one is also a controller, and has all topics.
    pub brokers: usize,
    /// For each broker of the native stack, the ports that its further listeners advertise, for the proxies of
    /// [`crate::faults`]. See `Stack::behind_proxies`.
    pub advertise: Vec<Listeners>,
    /// Whether the store writes each command to disk before it answers, so that it can be killed.
    pub durable_store: bool,
    /// Folder for the logs of broker and store; a temporary one if `None`.
    pub logs: Option<PathBuf>,
    /// The compose file of the docker stack.
    pub compose_file: PathBuf,
    /// Cancelled when the user stops the harness. The start then ends early, with nothing left running.
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
