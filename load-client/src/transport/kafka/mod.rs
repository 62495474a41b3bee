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
mod replies;
mod service;
mod unreadable;

pub use config::{KafkaSettings, built_in_features};
pub use connection::KafkaTransport;
pub use error::KafkaTransportError;
pub use service::ServiceSettings;
// internal: for the program
pub(crate) use config::{ClientSettings, librdkafka_version};
pub(crate) use service::OWN_REPLY_TOPIC_INFIX;
pub(crate) use unreadable::quiet_unreadable_headers;
