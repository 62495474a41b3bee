//! Checks before the first request: does a broker answer, do the topics exist?

use std::time::{Duration, Instant};

use rdkafka::client::{Client, ClientContext};
use rdkafka::error::RDKafkaErrorCode;

use super::{KafkaSettings, KafkaTransportError};

/// How long a broker may take to answer at all.
pub(super) const BROKER_PATIENCE: Duration = Duration::from_secs(8);
/// How long a topic may take to appear: one that was just created is not known everywhere at once.
const TOPIC_PATIENCE: Duration = Duration::from_secs(2);
const TOPIC_RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Asks the cluster for a topic until all its partitions can be used; answers their numbers.
pub(super) fn partitions<C: ClientContext>(
    client: &Client<C>,
    settings: &KafkaSettings,
    topic: &str,
    flag: &'static str,
) -> Result<Vec<i32>, KafkaTransportError> {
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
            return Ok(partitions
                .iter()
                .map(rdkafka::metadata::MetadataPartition::id)
                .collect());
        };
        if started.elapsed() >= TOPIC_PATIENCE || !may_pass(error) {
            return Err(refused(settings, topic, flag, error));
        }
        std::thread::sleep(TOPIC_RETRY_PAUSE);
    }
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
