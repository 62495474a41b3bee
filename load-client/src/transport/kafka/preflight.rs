//! Checks before the first request: does a broker answer, do the topics exist?

use std::time::{Duration, Instant};

use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;

use super::{KafkaSettings, KafkaTransportError};

/// How long a broker may take to answer at all.
pub(super) const BROKER_PATIENCE: Duration = Duration::from_secs(8);
/// How long a topic may take to appear: one that was just created is not known everywhere at once.
const TOPIC_PATIENCE: Duration = Duration::from_secs(2);
const TOPIC_RETRY_PAUSE: Duration = Duration::from_millis(100);

/// A partition, and the address of the broker that leads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Partition {
    pub(super) id: i32,
    pub(super) leader: String,
}

/// Asks the cluster for a topic until all its partitions can be used; answers them.
pub(super) fn partitions<C: ClientContext>(
    client: &Client<C>,
    settings: &KafkaSettings,
    topic: &str,
    flag: &'static str,
) -> Result<Vec<Partition>, KafkaTransportError> {
    let started = Instant::now();
    loop {
        let metadata = client
            .fetch_metadata(Some(topic), BROKER_PATIENCE)
            .map_err(|error| unreachable(settings, &error.to_string()))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let error = match found {
            None => Some(RDKafkaErrorCode::UnknownTopicOrPartition),
            Some(found) => found
                .error()
                .or_else(|| {
                    found
                        .partitions()
                        .iter()
                        .find_map(rdkafka::metadata::MetadataPartition::error)
                })
                .map(RDKafkaErrorCode::from),
        };
        let Some(error) = error else {
            let partitions = found.map_or(&[][..], |found| found.partitions());
            let partition = |own: &rdkafka::metadata::MetadataPartition| Partition {
                id: own.id(),
                leader: address(&metadata, own.leader()),
            };
            return Ok(partitions.iter().map(partition).collect());
        };
        if started.elapsed() >= TOPIC_PATIENCE || !may_pass(error) {
            return Err(refused(settings, topic, flag, error));
        }
        std::thread::sleep(TOPIC_RETRY_PAUSE);
    }
}

fn address(metadata: &Metadata, id: i32) -> String {
    let mut brokers = metadata.brokers().iter();
    let broker = brokers.find(|broker| broker.id() == id);
    broker.map_or_else(
        || format!("broker {id}"),
        |broker| format!("{}:{}", broker.host(), broker.port()),
    )
}

/// The first and the end offset of a partition, for which its leader is asked.
pub(super) fn watermarks<C: ClientContext>(
    client: &Client<C>,
    settings: &KafkaSettings,
    (topic, flag): (&str, &'static str),
    partition: &Partition,
    last_error: impl Fn() -> Option<String>,
) -> Result<(i64, i64), KafkaTransportError> {
    let found = client.fetch_watermarks(topic, partition.id, BROKER_PATIENCE);
    found.map_err(|error| match is_out_of_reach(&error) {
        true => KafkaTransportError::Advertised {
            brokers: settings.brokers.clone(),
            address: partition.leader.clone(),
            topic: topic.to_owned(),
            seconds: BROKER_PATIENCE.as_secs(),
            reason: last_error().unwrap_or_else(|| error.to_string()),
        },
        false => KafkaTransportError::UnusableTopic {
            topic: topic.to_owned(),
            reason: format!("its end offset is unknown ({error})"),
            flag,
        },
    })
}

fn is_out_of_reach(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::AllBrokersDown
        )
    )
}

pub(super) fn unreachable(settings: &KafkaSettings, reason: &str) -> KafkaTransportError {
    KafkaTransportError::Unreachable {
        brokers: settings.brokers.clone(),
        seconds: BROKER_PATIENCE.as_secs(),
        reason: reason.to_owned(),
    }
}

fn may_pass(error: RDKafkaErrorCode) -> bool {
    matches!(
        error,
        RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::LeaderNotAvailable
    )
}

fn refused(
    settings: &KafkaSettings,
    topic: &str,
    flag: &'static str,
    error: RDKafkaErrorCode,
) -> KafkaTransportError {
    let topic = topic.to_owned();
    match error {
        RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic => {
            KafkaTransportError::MissingTopic {
                topic,
                brokers: settings.brokers.clone(),
                flag,
            }
        }
        other => KafkaTransportError::UnusableTopic {
            topic,
            reason: other.to_string(),
            flag,
        },
    }
}
