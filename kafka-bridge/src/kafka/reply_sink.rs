//! Produces replies with librdkafka and waits for each one's delivery report.

use std::time::Duration;

use metrics::counter;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use tracing::warn;

use super::client_config::ClientLog;
use crate::ports::{ProduceError, ReplySink};
use crate::{OutboundRecord, metric_names};

/// How long to wait when the local queue is full; the client's own wait is 100 ms, a cliff.
const QUEUE_FULL_WAIT: Duration = Duration::from_millis(2);
const FIRST_RETRY_WAIT: Duration = Duration::from_millis(50);
const LAST_RETRY_WAIT: Duration = Duration::from_secs(2);

/// A producer of replies and dead letters; cheap to clone.
#[derive(Clone)]
pub struct KafkaSink {
    producer: FutureProducer<ClientLog>,
}

impl std::fmt::Debug for KafkaSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaSink").finish_non_exhaustive()
    }
}

impl KafkaSink {
    pub(super) fn new(producer: FutureProducer<ClientLog>) -> Self {
        Self { producer }
    }

    async fn attempt(&self, record: &OutboundRecord) -> Result<(), KafkaError> {
        let mut message = FutureRecord::<[u8], [u8]>::to(&record.topic).headers(headers(record));
        message.key = record.key.as_deref();
        message.payload = record.value.as_deref();
        // A negative number is how librdkafka is told that any partition will do.
        message.partition = record.partition.filter(|number| *number >= 0);
        let report = self
            .producer
            .send_result(message)
            .map_err(|(error, _)| error)?;
        match report.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err((error, _))) => Err(error),
            Err(_) => Err(KafkaError::Canceled),
        }
    }
}

impl ReplySink for KafkaSink {
    async fn produce(&self, mut record: OutboundRecord) -> Result<(), ProduceError> {
        let mut wait = FIRST_RETRY_WAIT;
        loop {
            let Err(error) = self.attempt(&record).await else {
                return Ok(());
            };
            if let Some(partition) = record.partition
                && may_lack_partition(&error)
            {
                warn!(topic = %record.topic, partition, %error, "partition not found, any will do");
                counter!(metric_names::IGNORED_PARTITIONS, "reason" => "unknown").increment(1);
                record.partition = None;
                continue;
            }
            match judge(&error) {
                Verdict::Refused => return Err(ProduceError::Refused(error.to_string())),
                Verdict::Fatal => {
                    let fatal = self.producer.client().fatal_error();
                    let cause =
                        fatal.map_or(error.to_string(), |(code, text)| format!("{code}: {text}"));
                    return Err(ProduceError::Fatal(cause));
                }
                Verdict::QueueFull => tokio::time::sleep(QUEUE_FULL_WAIT).await,
                Verdict::Again => {
                    warn!(topic = %record.topic, %error, "produce failed, trying again");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LAST_RETRY_WAIT);
                }
            }
        }
    }
}

fn headers(record: &OutboundRecord) -> OwnedHeaders {
    let headers = OwnedHeaders::new_with_capacity(record.headers.len());
    record
        .headers
        .iter()
        .fold(headers, |headers, (key, value)| {
            headers.insert(Header {
                key,
                value: value.map(|value| &value[..]),
            })
        })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Refused,
    Fatal,
    QueueFull,
    Again,
}

/// Returns whether the topic may be there without the partition that was asked for.
fn may_lack_partition(error: &KafkaError) -> bool {
    let code = error.rdkafka_error_code();
    code.is_some_and(|code| matches!(code, Code::UnknownPartition | Code::UnknownTopicOrPartition))
}

/// Tells what an error means for the record: only what no later attempt can change is refused.
fn judge(error: &KafkaError) -> Verdict {
    match error.rdkafka_error_code() {
        Some(Code::QueueFull) => Verdict::QueueFull,
        Some(
            Code::UnknownTopic
            | Code::UnknownTopicOrPartition
            | Code::UnknownPartition
            | Code::InvalidTopic
            | Code::TopicAuthorizationFailed
            | Code::MessageSizeTooLarge
            | Code::InvalidMessage
            | Code::InvalidMessageSize
            | Code::InvalidRecord
            | Code::PolicyViolation,
        ) => Verdict::Refused,
        Some(
            Code::Fatal | Code::ClusterAuthorizationFailed | Code::PurgeQueue | Code::PurgeInflight,
        )
        | None => Verdict::Fatal,
        Some(_) => Verdict::Again,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hopeless_errors_are_given_up() {
        let judged = |code| judge(&KafkaError::MessageProduction(code));
        assert_eq!(judged(Code::UnknownTopicOrPartition), Verdict::Refused);
        assert_eq!(judged(Code::TopicAuthorizationFailed), Verdict::Refused);
        assert_eq!(judged(Code::MessageTimedOut), Verdict::Again);
        assert_eq!(judged(Code::NotEnoughReplicas), Verdict::Again);
        assert_eq!(judged(Code::QueueFull), Verdict::QueueFull);
        assert_eq!(judged(Code::Fatal), Verdict::Fatal);
        assert_eq!(judge(&KafkaError::Canceled), Verdict::Fatal);
    }
}
