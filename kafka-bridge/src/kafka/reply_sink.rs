//! Produces replies with librdkafka and waits for each one's delivery report.

use std::collections::HashSet;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use metrics::counter;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use tokio::sync::oneshot;
use tracing::warn;

use super::client_log::ClientLog;
use super::reply_topics::ReplyTopics;
use crate::ports::{ProduceError, ReplySink};
use crate::{OutboundRecord, metric_names};

/// How long to wait when the local queue is full; the client's own wait is 100 ms, a cliff.
const QUEUE_FULL_WAIT: Duration = Duration::from_millis(2);
const FIRST_RETRY_WAIT: Duration = Duration::from_millis(50);
const LAST_RETRY_WAIT: Duration = Duration::from_secs(2);
/// How long the list of all topics is waited for.
const LIST_WAIT: Duration = Duration::from_secs(5);

const UNKNOWN_TOPIC: KafkaError = KafkaError::MessageProduction(Code::UnknownTopic);

/// How long the thread that serves delivery reports waits for one; also how long it outlives the sink.
/// Each wait ends in up to a millisecond of spinning, because rdkafka rounds what is left of it down to
/// whole ones, so it must not be short: its own `FutureProducer` waits 100 ms, which costs an idle
/// process nearly a hundredth of a core.
const REPORT_WAIT: Duration = Duration::from_secs(1);

/// A producer of replies and dead letters; cheap to clone.
#[derive(Clone)]
pub struct KafkaSink {
    producer: Arc<BaseProducer<Reports>>,
    topics: Arc<ReplyTopics>,
}

/// Passes a record's delivery report to whoever waits for it.
struct Reports(ClientLog);

type Report = Result<(), KafkaError>;

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(&error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<oneshot::Sender<Report>>;

    fn delivery(&self, result: &DeliveryResult<'_>, waiting: Self::DeliveryOpaque) {
        let report = match result {
            Ok(_) => Ok(()),
            Err((error, _)) => Err(error.clone()),
        };
        // Who waited may have been abandoned meanwhile.
        let _ = waiting.send(report);
    }
}

impl std::fmt::Debug for KafkaSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaSink").finish_non_exhaustive()
    }
}

impl KafkaSink {
    /// Starts a producer, and the thread that serves its delivery reports until all clones are gone.
    pub(super) fn start(config: &ClientConfig) -> Result<Self, KafkaError> {
        let producer =
            BaseProducer::from_config_and_context(config, Reports(ClientLog::new("producer")))?;
        let producer = Arc::new(producer);
        let weak = Arc::downgrade(&producer);
        let serve = move || {
            while let Some(producer) = weak.upgrade() {
                producer.poll(REPORT_WAIT);
            }
        };
        let thread = thread::Builder::new().name("kafka-reports".to_owned());
        let started = thread.spawn(serve);
        started.map_err(|error| KafkaError::ClientCreation(error.to_string()))?;
        let topics = Arc::default();
        Ok(Self { producer, topics })
    }

    /// Returns whether a record may be given to librdkafka for a topic.
    async fn may_produce(&self, topic: &Arc<str>) -> Result<bool, KafkaError> {
        if self.topics.take(topic) {
            return Ok(true);
        }
        let producer = Arc::clone(&self.producer);
        let ask = move || -> Result<HashSet<String>, KafkaError> {
            let all = producer.client().fetch_metadata(None, LIST_WAIT)?;
            Ok(all
                .topics()
                .iter()
                .map(|one| one.name().to_owned())
                .collect())
        };
        let list = async || {
            let asked = tokio::task::spawn_blocking(ask).await;
            asked.unwrap_or(Err(KafkaError::Canceled))
        };
        self.topics.exists(topic, list).await
    }

    async fn attempt(&self, record: &OutboundRecord) -> Result<(), KafkaError> {
        let (waiting, report) = oneshot::channel();
        let mut message =
            BaseRecord::<[u8], [u8], _>::with_opaque_to(&record.topic, Box::new(waiting))
                .headers(headers(record));
        message.key = record.key.as_deref();
        message.payload = record.value.as_deref();
        message.partition = record.partition;
        self.producer.send(message).map_err(|(error, _)| error)?;
        report.await.unwrap_or(Err(KafkaError::Canceled))
    }
}

impl ReplySink for KafkaSink {
    async fn produce(&self, mut record: OutboundRecord) -> Result<(), ProduceError> {
        let mut wait = FIRST_RETRY_WAIT;
        loop {
            let attempt = match self.may_produce(&record.topic).await {
                Ok(true) => self.attempt(&record).await,
                Ok(false) => return Err(ProduceError::Refused(UNKNOWN_TOPIC.to_string())),
                // The list is asked for again, whatever it was that failed.
                Err(error) => {
                    warn!(topic = %record.topic, %error, "topics not listed, trying again");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LAST_RETRY_WAIT);
                    continue;
                }
            };
            let Err(error) = attempt else {
                self.topics.delivered(&record.topic);
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
                Verdict::Refused => {
                    if is_missing(&error) {
                        self.topics.missing(&record.topic);
                    }
                    return Err(ProduceError::Refused(error.to_string()));
                }
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

/// Returns whether librdkafka goes on looking for the topic, which is not there or not for us.
fn is_missing(error: &KafkaError) -> bool {
    let code = error.rdkafka_error_code();
    code.is_some_and(|code| {
        matches!(
            code,
            Code::UnknownTopic
                | Code::UnknownTopicOrPartition
                | Code::InvalidTopic
                | Code::TopicAuthorizationFailed
        )
    })
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
    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::DefaultProducerContext;
    use tokio::task::JoinSet;

    use super::super::reply_topics::MAX_UNPROVEN;
    use super::*;
    use crate::Headers;
    use crate::kafka::client_config;

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

    /// A cluster in this process whose topic `r` has two partitions, and a sink for it.
    fn cluster() -> (MockCluster<'static, DefaultProducerContext>, KafkaSink) {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("r", 2, 1).unwrap();
        let config = client_config::producer(&cluster.bootstrap_servers(), &[]);
        let sink = KafkaSink::start(&config).unwrap();
        (cluster, sink)
    }

    /// Returns how many records the partitions of `r` hold.
    fn counts(cluster: &MockCluster<'static, DefaultProducerContext>) -> [i64; 2] {
        let config = client_config::consumer(&cluster.bootstrap_servers(), "g", &[]);
        let consumer: BaseConsumer = config.create().unwrap();
        [0, 1].map(|partition| {
            let ends = consumer.fetch_watermarks("r", partition, Duration::from_secs(30));
            ends.unwrap().1
        })
    }

    fn reply(topic: &str, partition: Option<i32>) -> OutboundRecord {
        OutboundRecord {
            topic: topic.into(),
            key: None,
            value: Some("v".into()),
            headers: Headers::default(),
            partition,
        }
    }

    #[tokio::test]
    async fn h15_a_partition_that_the_topic_lacks_is_a_wish_and_not_the_end_of_the_reply() {
        let (cluster, sink) = cluster();
        sink.produce(reply("r", Some(1))).await.unwrap();
        assert_eq!(counts(&cluster), [0, 1]);
        for beyond in [2, 1_000_000, i32::MAX, -1, i32::MIN] {
            sink.produce(reply("r", Some(beyond))).await.unwrap();
        }
        let after = counts(&cluster);
        assert_eq!(after.iter().sum::<i64>(), 6, "{after:?}");
    }

    #[tokio::test]
    async fn h15_a_missing_topic_is_refused_with_and_without_a_partition() {
        let (_cluster, sink) = cluster();
        for partition in [None, Some(0)] {
            let refused = sink.produce(reply("missing", partition)).await.unwrap_err();
            assert!(matches!(refused, ProduceError::Refused(_)), "{refused}");
        }
    }
    /// Else librdkafka would keep each name, and look for all of them every second.
    #[tokio::test]
    async fn h15_made_up_topics_do_not_pile_up_and_those_that_exist_are_served_all_the_same() {
        let (cluster, sink) = cluster();
        let mut replies = JoinSet::new();
        for number in 0..MAX_UNPROVEN + 30 {
            let sink = sink.clone();
            let reply = reply(&format!("made-up.{number}"), None);
            replies.spawn(async move { sink.produce(reply).await });
        }
        while let Some(refused) = replies.join_next().await {
            let refused = refused.unwrap().unwrap_err();
            assert!(matches!(refused, ProduceError::Refused(_)), "{refused}");
        }
        assert_eq!(sink.topics.unproven(), MAX_UNPROVEN);
        for partition in [Some(1), None] {
            sink.produce(reply("r", partition)).await.unwrap();
        }
        cluster.create_topic("new", 1, 1).unwrap();
        sink.produce(reply("new", None)).await.unwrap();
        let refused = sink.produce(reply("made-up.1000", Some(0))).await;
        assert!(matches!(refused, Err(ProduceError::Refused(_))));
        assert_eq!(sink.topics.unproven(), MAX_UNPROVEN);
    }
}
