//! The ports over librdkafka; the only place that names `rdkafka`.

mod client_config;
mod message;
mod poller;
mod rebalance;
mod reply_sink;
mod source;

use std::time::Duration;

use rdkafka::config::FromClientConfigAndContext;

pub use self::reply_sink::KafkaSink;
pub use self::source::KafkaSource;
use crate::Error;

/// A Kafka cluster to consume from and to produce to.
#[derive(Clone, Debug)]
pub struct Cluster {
    brokers: String,
    properties: Vec<(String, String)>,
}

impl Cluster {
    /// Names the cluster, `kafka://host:port[,host:port]`, and properties that both clients get.
    ///
    /// # Errors
    ///
    /// Fails on a URL of another form, and on properties that would break the guarantees.
    pub fn new(url: &str, properties: &[(String, String)]) -> Result<Self, Error> {
        let brokers = client_config::brokers(url)?;
        client_config::check(properties)?;
        Ok(Self {
            brokers,
            properties: properties.to_vec(),
        })
    }

    /// Joins a consumer group for the topics, in a thread of its own. One header more than
    /// `max_headers` is copied of a record, so that having too many can be told.
    ///
    /// # Errors
    ///
    /// Fails on properties that librdkafka refuses, and on a drain that may outlast the group's
    /// patience.
    pub fn source(
        &self,
        group_id: &str,
        topics: &[&str],
        drain_timeout: Duration,
        max_headers: usize,
    ) -> Result<KafkaSource, Error> {
        client_config::check_drain(drain_timeout, &self.properties)?;
        let config = client_config::consumer(&self.brokers, group_id, &self.properties);
        KafkaSource::start(&config, topics, drain_timeout, max_headers)
    }

    /// Makes a producer for replies.
    ///
    /// # Errors
    ///
    /// Fails on properties that librdkafka refuses.
    pub fn sink(&self) -> Result<KafkaSink, Error> {
        let config = client_config::producer(&self.brokers, &self.properties);
        let producer =
            FromClientConfigAndContext::from_config_and_context(&config, client_config::ClientLog);
        producer.map(KafkaSink::new).map_err(|source| Error::Kafka {
            context: "creating the reply producer".to_owned(),
            source,
        })
    }
}
