//! What a report must say about the stack that its numbers come from.

use serde::Serialize;

use super::StackKind;

/// Names and versions of broker and store.
#[derive(Debug, Clone, Serialize)]
pub struct Description {
    /// The stack's name as on the command line.
    pub stack: StackKind,
    /// How many brokers.
    pub brokers: usize,
    /// Broker and version, in words.
    pub broker: String,
    /// Whether the broker only imitates Kafka; its latencies are then no statement about Kafka.
    pub broker_is_mock: bool,
    /// Whether broker and store were there before and stay: the orders of the runs then stay too.
    pub shared: bool,
    /// Store and version, in words.
    pub store: String,
    /// The JVM of the broker, where the harness started one.
    pub java: Option<String>,
}
