//! Requests and replies as records on a Kafka cluster. Only this folder names `rdkafka`.

mod config;
mod connection;
mod diagnostics;
mod error;
mod preflight;
mod producer;
mod replies;
mod url;

pub use config::{ClientSettings, KafkaSettings, is_password, librdkafka_version};
pub use connection::KafkaTransport;
pub use error::KafkaTransportError;
pub use url::ClusterUrl;
