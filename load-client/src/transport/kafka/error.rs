//! What can go wrong before the first request. Each message names the flag to change.

use kafka_cluster_url::{NeedsTls, masked_refusal};
use rdkafka::error::KafkaError;

/// Why the transport could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum KafkaTransportError {
    /// librdkafka refuses a property.
    #[error("-X {key}={value}: {reason}")]
    Property {
        /// The property.
        key: String,
        /// The value given; masked if it is a secret.
        value: String,
        /// What librdkafka says.
        reason: String,
    },
    /// The URL or a property asks for TLS or SCRAM, and librdkafka was built without OpenSSL.
    #[error(transparent)]
    WithoutTls(#[from] NeedsTls),
    /// No broker answers.
    #[error(
        "no broker answered at {brokers} within {seconds} s ({reason}); start one, or change --host"
    )]
    Unreachable {
        /// The brokers tried.
        brokers: String,
        /// How long they were tried.
        seconds: u64,
        /// What librdkafka says.
        reason: String,
    },
    /// A topic does not exist.
    #[error("topic {topic} does not exist at {brokers}; create it, or change {flag}")]
    MissingTopic {
        /// The topic.
        topic: String,
        /// The brokers asked.
        brokers: String,
        /// The flag that names the topic.
        flag: &'static str,
    },
    /// A topic exists and cannot be used.
    #[error("topic {topic} cannot be used: {reason}; change {flag}, or the rights of this client")]
    UnusableTopic {
        /// The topic.
        topic: String,
        /// What the broker says.
        reason: String,
        /// The flag that names the topic.
        flag: &'static str,
    },
    /// The cluster answers, and one of its brokers is out of reach under the address that it is known by.
    #[error(
        "{brokers} names {address} as a leader of topic {topic}, and nobody answers there within {seconds} s ({reason}); \
         mend advertised.listeners of that broker, or let this machine resolve and reach its address"
    )]
    Advertised {
        /// The brokers asked.
        brokers: String,
        /// The address.
        address: String,
        /// The topic.
        topic: String,
        /// How long it was tried.
        seconds: u64,
        /// What librdkafka says.
        reason: String,
    },
    /// A topic has no such partition.
    #[error("topic {topic} has no partition {partition}; change --reply-partition or {flag}")]
    MissingPartition {
        /// The topic.
        topic: String,
        /// The partition that replies are to come on.
        partition: i32,
        /// The flag that names the topic.
        flag: &'static str,
    },
    /// The run's own reply topic could not be created.
    #[error(
        "--own-reply-topic: {topic} could not be created: {reason}; create a topic by hand and name it by --reply-topic"
    )]
    OwnTopic {
        /// The topic.
        topic: String,
        /// What the broker says.
        reason: String,
    },
    /// A client could not be built.
    #[error("the Kafka {role} could not be started: {source}")]
    Client {
        /// Producer, consumer or another.
        role: &'static str,
        /// What librdkafka says.
        source: KafkaError,
    },
    /// The set-up was given up.
    #[error("the set-up of the Kafka clients was interrupted")]
    Interrupted,
}

impl KafkaTransportError {
    /// Whether the command line is at fault, rather than the cluster.
    #[must_use]
    pub(crate) fn is_usage(&self) -> bool {
        matches!(self, Self::Property { .. } | Self::WithoutTls(_))
    }

    /// Adds why the brokers are out of reach, where that is known.
    pub(super) fn because(self, last_error: Option<String>) -> Self {
        match (self, last_error) {
            (
                Self::Unreachable {
                    brokers, seconds, ..
                },
                Some(reason),
            ) => Self::Unreachable {
                brokers,
                seconds,
                reason,
            },
            (other, _) => other,
        }
    }

    /// Why a client could not be built, with secrets masked.
    #[must_use]
    pub fn client(role: &'static str, source: KafkaError) -> Self {
        match source {
            KafkaError::ClientConfig(_, reason, key, value) => {
                let (value, reason) = masked_refusal(&key, &value, &reason);
                Self::Property { key, value, reason }
            }
            source => Self::Client { role, source },
        }
    }
}
