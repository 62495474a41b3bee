//! What a report says about the stack of its figures.

use serde::Serialize;

use super::StackKind;

/// Names and versions of broker and store.
#[derive(Debug, Clone, Serialize)]
pub struct Description {
    /// The stack's name on the command line.
    pub stack: StackKind,
    /// Number of brokers.
    pub brokers: usize,
    /// Broker and version, in words.
    pub broker: String,
    /// Whether the broker is a mock. Its latencies then say nothing about Kafka.
    pub broker_is_mock: bool,
    /// Whether broker and store ran before and stay, so that the orders of the runs stay too.
    pub shared: bool,
    /// Store and version, in words.
    pub store: String,
    /// The broker's JVM, if the harness started one.
    pub java: Option<String>,
}
