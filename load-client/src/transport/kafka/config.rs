//! Settings of the two Kafka clients: the program's own, the user's, and the effective ones.

use std::collections::{BTreeMap, HashSet};
use std::iter::{once, repeat};
use std::time::Duration;

use bytes::Bytes;
use kafka_cluster_url::{check_tls, last, other_name, shown};
use rdkafka::ClientConfig;
use serde::Serialize;

use crate::transport::kafka::KafkaTransportError;
use crate::transport::wire::Wire;

/// The settings of the transport. Not `Debug`, because properties contain secrets.
#[derive(Clone)]
pub struct KafkaSettings {
    /// `host:port`, comma separated.
    pub brokers: String,
    /// Topic of the requests.
    pub topic: String,
    /// Topic of the replies.
    pub reply_topic: String,
    /// Body of each request.
    pub body: Bytes,
    /// Headers added to each request.
    pub headers: Vec<(String, String)>,
    /// How long to wait for a reply. It bounds the delivery too.
    pub timeout: Duration,
    /// Whether to measure only publishing, up to the delivery report.
    pub publish_only: bool,
    /// librdkafka properties, those of the URL first, applied last to both clients.
    pub properties: Vec<(String, String)>,
    /// The name of the run. It is a part of the consumer's group id, so that runs never share one.
    pub run_id: String,
    /// The conventions of the service, and further topics.
    pub service: ServiceSettings,
}

/// Effective librdkafka properties that shape a latency. Runs that differ in these must not be
/// compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ClientSettings {
    pub(crate) producer: BTreeMap<String, String>,
    /// Properties of the reply consumer; empty with `--publish-only`.
    pub(crate) consumer: BTreeMap<String, String>,
}

const PRODUCER_KEYS: [&str; 8] = [
    "acks",
    "batch.size",
    "compression.type",
    "enable.idempotence",
    "linger.ms",
    "max.in.flight.requests.per.connection",
    "message.timeout.ms",
    "socket.nagle.disable",
];
const CONSUMER_KEYS: [&str; 6] = [
    "auto.offset.reset",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "queued.min.messages",
    "socket.nagle.disable",
];

impl KafkaSettings {
    /// Returns the effective properties, librdkafka's defaults included. Properties of the user are shown by name,
    /// without secrets. Fails when librdkafka refuses a property, or a property needs TLS and librdkafka was built
    /// without it.
    pub(crate) fn effective(&self) -> Result<ClientSettings, KafkaTransportError> {
        check_tls(&self.properties, &built_in_features())
            .map_err(|error| KafkaTransportError::Usage(error.to_string()))?;
        let consumer = if self.publish_only {
            BTreeMap::new()
        } else {
            self.effective_of("consumer", &self.consumer_config(), &CONSUMER_KEYS)?
        };
        Ok(ClientSettings {
            producer: self.effective_of("producer", &self.producer_config(), &PRODUCER_KEYS)?,
            consumer,
        })
    }

    fn effective_of(
        &self,
        role: &'static str,
        config: &ClientConfig,
        keys: &[&str],
    ) -> Result<BTreeMap<String, String>, KafkaTransportError> {
        let native = config
            .create_native_config()
            .map_err(|error| KafkaTransportError::client(role, error))?;
        let given = self.properties.iter().map(|(key, _)| key.as_str());
        let mut effective = BTreeMap::new();
        for key in keys.iter().copied().chain(given) {
            // Some properties can be set but not read. That must not fail a run.
            let value = native.get(key).unwrap_or_else(|_| "(unknown)".to_owned());
            effective.insert(key.to_owned(), shown(key, &value).to_owned());
        }
        Ok(effective)
    }

    pub(super) fn producer_config(&self) -> ClientConfig {
        self.config(&[
            // The default would add 5 ms to every round trip.
            ("linger.ms", "0"),
            ("acks", "all"),
            // Keys go to the same partitions as with Java's clients. librdkafka's default is another hash.
            ("partitioner", "murmur2_random"),
            // A misspelt topic must fail, not be created.
            ("allow.auto.create.topics", "false"),
            // A request that is delivered after its user gave up would be unwanted load.
            (
                "message.timeout.ms",
                &self.timeout.as_millis().max(1).to_string(),
            ),
        ])
    }

    pub(super) fn consumer_config(&self) -> ClientConfig {
        self.config(&[
            // The group is never joined, because partitions are assigned by hand. librdkafka still requires an id.
            ("group.id", &format!("load-client-{}", self.run_id)),
            ("enable.auto.commit", "false"),
            ("enable.partition.eof", "false"),
            ("allow.auto.create.topics", "false"),
            // If retention deletes an offset, go on with the newest replies, because requests wait for those.
            ("auto.offset.reset", "latest"),
        ])
    }

    /// Returns the brokers, with the flag that names them.
    pub(super) fn named(&self) -> (&str, &'static str) {
        (&self.brokers, "--host")
    }

    /// Returns the settings of the client that creates and deletes topics. They only say how to connect.
    pub(super) fn admin_config(&self) -> ClientConfig {
        self.config(&[])
    }

    /// Returns the settings of a client with its own properties.
    fn config(&self, own: &[(&str, &str)]) -> ClientConfig {
        client_config(&self.brokers, &self.properties, own)
    }
}

/// Returns the settings of a client: how to connect, then its own properties, then those of the user.
pub(super) fn client_config(
    brokers: &str,
    properties: &[(String, String)],
    own: &[(&str, &str)],
) -> ClientConfig {
    // At most 1 s between two attempts to connect, as in Java's clients (KIP-144), or the user's first wait if that is
    // longer. With librdkafka's 10 s, a client that waits would be measured as a broker that is not back yet.
    let first = last(properties, "reconnect.backoff.ms");
    let first: Option<u32> = first.and_then(|value| value.parse().ok());
    let longest_backoff_ms = first.unwrap_or(0).max(1000);
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("client.id", "load-client")
        .set("reconnect.backoff.max.ms", longest_backoff_ms.to_string());
    for (key, value) in own {
        config.set(*key, *value);
    }
    for (key, value) in properties {
        if let Some(other) = other_name(key) {
            config.remove(other);
        }
        config.set(key, value);
    }
    config
}

/// Returns librdkafka's version, as it reports it.
pub(crate) fn librdkafka_version() -> String {
    rdkafka::util::get_rdkafka_version().1
}

/// Returns the features that librdkafka was built with.
#[must_use]
pub fn built_in_features() -> String {
    let config = ClientConfig::new().create_native_config();
    let features = config.and_then(|config| config.get("builtin.features"));
    features.unwrap_or_default()
}

/// The part between the request topic and the run's id in the names of reply topics that runs create. Services that
/// answer to `<topic>.reply.*` accept these topics. The part also identifies a topic that a killed run left behind.
pub(crate) const OWN_REPLY_TOPIC_INFIX: &str = ".reply.load-client-";

/// The conventions of the service. The default is the reference, on shared topics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceSettings {
    /// How requests and replies find each other.
    pub(crate) wire: Wire,
    /// Topics of single kinds of request, in addition to the run's topic.
    pub(crate) more_topics: Vec<String>,
    /// Reply topics of single kinds of request, in addition to the run's reply topic.
    pub(crate) more_reply_topics: Vec<String>,
    /// The partitions of a reply topic that is created before the run and deleted after it.
    pub(crate) own_reply_topic: Option<i32>,
}

impl KafkaSettings {
    /// Returns every request topic, with the flag or setting that names it.
    pub(super) fn topics(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let all = distinct(&self.topic, &self.service.more_topics);
        all.zip(once("--topic").chain(repeat("the scenario's topic")))
    }

    /// Returns every reply topic, with the flag or setting that names it.
    pub(super) fn reply_topics(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let all = distinct(&self.reply_topic, &self.service.more_reply_topics);
        all.zip(once("--reply-topic").chain(repeat("the scenario's reply_topic")))
    }
}

/// Returns the names without repetition, so that no topic is read twice.
fn distinct<'a>(first: &'a str, more: &'a [String]) -> impl Iterator<Item = &'a str> {
    let mut seen = HashSet::new();
    let all = once(first).chain(more.iter().map(|topic| &**topic));
    all.filter(move |topic| seen.insert(*topic))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn settings(properties: &[(&str, &str)]) -> KafkaSettings {
        KafkaSettings {
            brokers: "localhost:9092".to_owned(),
            topic: "createOrder".to_owned(),
            reply_topic: "createOrder.reply".to_owned(),
            body: Bytes::new(),
            headers: Vec::new(),
            timeout: Duration::from_secs(30),
            publish_only: false,
            properties: properties
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            run_id: "test".to_owned(),
            service: ServiceSettings::default(),
        }
    }

    #[test]
    fn latency_settings_are_in_effect_and_overridable() {
        let effective = settings(&[]).effective().unwrap();
        assert_eq!(effective.producer["linger.ms"], "0");
        assert_eq!(effective.producer["message.timeout.ms"], "30000");
        assert_eq!(effective.consumer["fetch.wait.max.ms"], "500");
        let changed = settings(&[("fetch.wait.max.ms", "1"), ("linger.ms", "7")])
            .effective()
            .unwrap();
        assert_eq!(changed.consumer["fetch.wait.max.ms"], "1");
        assert_eq!(changed.producer["linger.ms"], "7");
    }

    #[test]
    fn each_client_looks_for_its_broker_every_second_unless_told_otherwise() {
        for (given, expected) in [
            (&[][..], "1000"),
            (&[("reconnect.backoff.max.ms", "200")], "200"),
            (&[("reconnect.backoff.ms", "2000")], "2000"),
        ] {
            let settings = settings(given);
            for config in [
                settings.producer_config(),
                settings.consumer_config(),
                settings.admin_config(),
            ] {
                assert_eq!(config.get("reconnect.backoff.max.ms"), Some(expected));
                assert!(config.create::<rdkafka::producer::BaseProducer>().is_ok());
            }
        }
    }

    #[test]
    fn either_name_of_a_property_overrides_what_we_set() {
        // Repeat this, because the order of a hash map differs each time.
        for _ in 0..20 {
            let given = [
                ("queue.buffering.max.ms", "7"),
                ("request.required.acks", "1"),
                ("delivery.timeout.ms", "1234"),
            ];
            let producer = settings(&given).effective().unwrap().producer;
            for (key, expected) in [
                ("linger.ms", "7"),
                ("acks", "1"),
                ("message.timeout.ms", "1234"),
            ] {
                assert_eq!(producer[key], expected, "{key}");
            }
        }
    }

    #[test]
    fn of_two_names_of_one_property_the_last_given_counts() {
        let given = [("linger.ms", "7"), ("queue.buffering.max.ms", "8")];
        for _ in 0..20 {
            let producer = settings(&given).effective().unwrap().producer;
            assert_eq!(producer["linger.ms"], "8");
        }
        let url_first = [("sasl.mechanism", "PLAIN"), ("sasl.mechanisms", "GSSAPI")];
        let config = settings(&url_first).producer_config();
        assert_eq!(config.get("sasl.mechanism"), None);
        assert_eq!(config.get("sasl.mechanisms"), Some("GSSAPI"));
        let brokers = settings(&[("metadata.broker.list", "other:1")]).consumer_config();
        assert_eq!(brokers.get("bootstrap.servers"), None);
    }

    #[test]
    fn without_tls_the_error_names_the_feature() {
        if cfg!(feature = "tls") {
            return;
        }
        let ssl = settings(&[("security.protocol", "ssl")]);
        let scram = settings(&[
            ("security.protocol", "sasl_plaintext"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.username", "me"),
            ("sasl.password", "hunter2"),
        ]);
        for error in [ssl, scram].map(|settings| settings.effective().unwrap_err()) {
            assert!(error.is_usage());
            let told = error.to_string();
            assert!(told.ends_with("build with --features tls"), "{told}");
        }
    }

    #[test]
    fn an_unknown_property_names_its_flag() {
        let error = settings(&[("no.such.thing", "1")]).effective().unwrap_err();
        assert!(error.is_usage());
        assert!(
            error.to_string().starts_with("-X no.such.thing=1: "),
            "{error}"
        );
    }

    #[test]
    fn secrets_are_not_shown() {
        for key in ["sasl.password", "sasl.username"] {
            let effective = settings(&[(key, "hunter2")]).effective().unwrap();
            assert_eq!(effective.producer[key], "***");
            assert_eq!(effective.consumer[key], "***");
        }
    }

    #[test]
    fn a_refused_property_keeps_its_secret() {
        let error = settings(&[("no.such.password", "hunter2")])
            .effective()
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("-X no.such.password=***: "), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
