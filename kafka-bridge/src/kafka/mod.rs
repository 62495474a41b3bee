//! Implements the ports with librdkafka. Only this module names `rdkafka`.

mod client_config;
mod client_log;
mod consumer;
mod producer;
mod refusal;
mod token;

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_cluster_url::{ClusterUrl, Properties, check_tls};
pub use kafka_cluster_url::{NeedsTls, UrlError, is_secret};
use rdkafka::config::ClientConfig;

pub use self::consumer::{KafkaSource, quiet_unreadable_headers};
pub use self::producer::KafkaSink;
pub(crate) use self::token::GivenSource;
use self::token::Tokens;
pub use self::token::{Token, TokenSource};
use crate::Error;
use crate::Origin;
use crate::health::obstacles::Obstacles;
use crate::telemetry::labels::BridgeLabel;

/// A Kafka cluster to consume from and produce to. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Cluster {
    brokers: String,
    properties: Properties,
    /// Shared by the source and the sink of this cluster.
    obstacles: Obstacles,
    tokens: Option<Tokens>,
    /// The topics that the consumer excludes, see `topic.blacklist` of librdkafka.
    passed_over: Vec<String>,
}

impl Cluster {
    /// Names the cluster, and properties that both clients get after those of the URL.
    ///
    /// The URL is `kafka://host[:port][,host[:port]]`, `kafka+ssl://...` over TLS, or `kafka+sasl://user:password@...`,
    /// see [`ClusterUrl::parse`].
    ///
    /// # Errors
    ///
    /// Returns an error if the URL has another form. The error repeats nothing that may be a password. Also returns an
    /// error if a property would break the guarantees, and on TLS or SCRAM in a build without the cargo feature `tls`.
    pub fn new(url: &str, properties: &[(String, String)]) -> Result<Self, Error> {
        let mut url = ClusterUrl::parse(url)?;
        url.properties.extend(properties.iter().cloned());
        client_config::check(&url.properties)?;
        check_tls(&url.properties, &refusal::built_in_features())?;
        Ok(Self {
            brokers: url.brokers,
            properties: url.properties,
            obstacles: Obstacles::default(),
            tokens: None,
            passed_over: Vec::new(),
        })
    }

    /// Adds a bridge's label to the metrics of all clients that are created from now on.
    pub(crate) fn labelled(mut self, label: BridgeLabel) -> Self {
        self.obstacles = Obstacles::new(label);
        self
    }

    /// Uses the token source if there is one, and refuses properties that contradict it.
    pub(crate) fn authenticated(mut self, source: GivenSource) -> Result<Self, Error> {
        client_config::check_tokens(source.0.is_some(), &self.properties)?;
        let start = |source| Tokens::start(source, self.obstacles());
        self.tokens = source.0.map(start).transpose()?;
        Ok(self)
    }

    /// Excludes topics from the patterns of a consumer. A broker that matches patterns itself would not know them.
    pub(crate) fn passing_over(mut self, topics: Vec<String>) -> Result<Self, Error> {
        if !topics.is_empty() {
            client_config::check_patterns(&self.properties)?;
        }
        self.passed_over = topics;
        Ok(self)
    }

    /// Joins a consumer group for the topics. A topic that begins with `^` is a pattern. From each record, at most one
    /// header more than `max_headers` is copied, so that too many headers can be detected.
    ///
    /// # Errors
    ///
    /// Returns an error if librdkafka refuses a property, or if the wait for revoked partitions may exceed the group's
    /// limits.
    pub fn source(
        &self,
        group_id: &str,
        topics: &[&str],
        revocation_timeout: Duration,
        max_headers: usize,
    ) -> Result<KafkaSource, Error> {
        client_config::check_revocation(revocation_timeout, &self.properties)?;
        let mut config = client_config::consumer(&self.brokers, group_id, &self.properties);
        consumer::overheard::listen(&mut config);
        client_config::pass_over(&mut config, &self.passed_over);
        let obstacles = self.obstacles();
        let tokens = self.tokens.clone();
        KafkaSource::start(
            &config,
            topics,
            revocation_timeout,
            max_headers,
            obstacles,
            tokens,
        )
    }

    /// Returns the librdkafka properties of a source's consumer, including secrets. Use them for another client that
    /// has to behave alike, for example to compare it with the bridge.
    #[must_use]
    pub fn consumer_properties(&self, group_id: &str) -> BTreeMap<String, String> {
        let config = client_config::consumer(&self.brokers, group_id, &self.properties);
        owned(&config)
    }

    /// Returns the librdkafka properties of a sink's producer, including secrets.
    #[must_use]
    pub fn producer_properties(&self) -> BTreeMap<String, String> {
        let config = client_config::producer(&self.brokers, &self.properties);
        owned(&config)
    }

    pub(crate) fn check_reply_size(&self, max_reply_bytes: usize) -> Result<(), Error> {
        client_config::check_reply_size(max_reply_bytes, &self.properties)
    }

    /// Returns the obstacles of this cluster's source and sink.
    pub(crate) fn obstacles(&self) -> Obstacles {
        self.obstacles.clone()
    }

    /// Creates a producer for replies.
    ///
    /// `expected` are topics that are allowed by their whole name. If such a topic refuses records for a reason of its
    /// own, its records wait. They also wait if a topic that the operator typed is missing. A topic that only a
    /// requester has named is that requester's problem. The dead-letter topic counts as typed and is checked at once:
    /// while it is missing, [`crate::Status::obstacles`] lists it.
    ///
    /// # Errors
    ///
    /// Returns an error if librdkafka refuses a property.
    pub fn sink<'t>(
        &self,
        expected: impl IntoIterator<Item = (&'t str, Origin)>,
        dead_letter_topic: Option<&str>,
    ) -> Result<KafkaSink, Error> {
        let config = client_config::producer(&self.brokers, &self.properties);
        let expected = expected.into_iter();
        let expected = expected.map(|(topic, origin)| (topic.into(), origin));
        let (obstacles, tokens) = (self.obstacles(), self.tokens.clone());
        let started = KafkaSink::start(config, expected, dead_letter_topic, obstacles, tokens);
        started.map_err(|error| refusal::failed("creating the reply producer", error))
    }
}

fn owned(config: &ClientConfig) -> BTreeMap<String, String> {
    let properties = config.config_map().into_iter();
    properties
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_the_cluster_nor_its_errors_show_a_password() {
        let url = "kafka+sasl://me:hunter2@a?security=plaintext&mechanism=PLAIN";
        let own = [("ssl.key.password".to_owned(), "hunter3".to_owned())];
        let told = match Cluster::new(url, &own) {
            Ok(cluster) => format!("{cluster:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(told.contains("ssl.key.password"), "{told}");
        assert!(!told.contains("hunter"), "{told}");
        let cluster = Cluster::new(url, &[]).unwrap();
        assert!(!format!("{cluster:?}").contains("hunter2"));

        let misspelt = [("sasl.passwrod".to_owned(), "hunter3".to_owned())];
        let cluster = Cluster::new(url, &misspelt).unwrap();
        let source = cluster.source("g", &["t"], Duration::from_secs(1), 1);
        for error in [source.err().unwrap(), cluster.sink([], None).err().unwrap()] {
            let told = format!("{error:?}");
            assert!(told.contains("sasl.passwrod"), "{told}");
            assert!(!told.contains("hunter"), "{told}");
        }
    }

    #[test]
    fn the_users_properties_come_after_those_of_the_url() {
        let own = [("security.protocol".to_owned(), "plaintext".to_owned())];
        let url = "kafka+sasl://me:hunter2@a?security=plaintext&mechanism=PLAIN";
        let cluster = Cluster::new(url, &own).unwrap();
        let config = client_config::producer(&cluster.brokers, &cluster.properties);
        assert_eq!(config.get("security.protocol"), Some("plaintext"));
        assert_eq!(config.get("sasl.password"), Some("hunter2"));
    }
}
