//! Requests and replies as records on a Kafka cluster. Only this folder names `rdkafka`.

mod config;
mod connection;
mod diagnostics;
mod error;
mod expectations;
mod growth;
mod own_topic;
#[cfg(test)]
mod partitioning;
mod preflight;
mod producer;
mod queue;
mod replies;
mod service;
mod unreadable;

pub use config::{ClientSettings, KafkaSettings, built_in_features, librdkafka_version};
pub use connection::KafkaTransport;
pub use error::KafkaTransportError;
pub use queue::ProducerQueue;
pub use service::{OWN_REPLY_TOPIC_INFIX, ServiceSettings};
pub use unreadable::quiet_unreadable_headers;
