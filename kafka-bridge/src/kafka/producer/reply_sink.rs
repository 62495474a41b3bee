//! Produces replies and dead letters, and decides which are sent again, which wait, and which are refused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use tokio::time::sleep;
use tracing::{debug, warn};

use super::blame::{Attempts, Blame};
use super::client::{Client, Lane};
use super::dead_letter_topic;
use super::gates::{Gates, Late};
use super::new_partitions::NewPartitions;
use super::reply_topics::ReplyTopics;
use super::verdict::{Verdict, judge, may_lack_partition};
use crate::health::obstacles::Obstacles;
use crate::kafka::token::Tokens;
use crate::ports::{ProduceError, ReplySink};
use crate::telemetry::labels::BridgeLabel;
use crate::telemetry::metric_names;
use crate::{Origin, OutboundRecord};

/// How long to wait when the local queue is full. The client's own wait of 100 ms would be a latency cliff.
const QUEUE_FULL_WAIT: Duration = Duration::from_millis(2);
const FIRST_RETRY_WAIT: Duration = Duration::from_millis(50);
const LAST_RETRY_WAIT: Duration = Duration::from_secs(2);

const UNKNOWN_TOPIC: KafkaError = KafkaError::MessageProduction(Code::UnknownTopic);

/// Produces replies and dead letters. Cheap to clone.
#[derive(Clone)]
pub struct KafkaSink(Arc<Inner>);

struct Inner {
    /// The usual producer, which sends records in batches.
    together: Arc<Lane>,
    /// Sends each record in its own batch. Records that were refused in a shared batch go here.
    alone: Lane,
    topics: ReplyTopics,
    /// Topics that are allowed by their whole name, so each is expected to accept records.
    expected: BTreeMap<Arc<str>, Origin>,
    gates: Arc<Gates>,
    blame: Blame,
    new_partitions: NewPartitions,
    label: BridgeLabel,
}

/// The state of a record that is tried again because no broker has answered in time.
struct Trial {
    attempts: Attempts,
    wait: Duration,
    late: Option<Late>,
}

/// Why a record was not delivered, and what that means.
struct Failure {
    verdict: Verdict,
    error: KafkaError,
    /// The error that has ended the producer, if any.
    fatal: Option<String>,
}

impl From<KafkaError> for Failure {
    fn from(error: KafkaError) -> Self {
        let verdict = judge(&error);
        let fatal = None;
        Self {
            verdict,
            error,
            fatal,
        }
    }
}

impl std::fmt::Debug for KafkaSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaSink").finish_non_exhaustive()
    }
}

impl KafkaSink {
    /// Starts a producer, and looks for the dead-letter topic in the background.
    pub(in crate::kafka) fn start(
        config: ClientConfig,
        expected: impl IntoIterator<Item = (Arc<str>, Origin)>,
        dead_letter_topic: Option<&str>,
        obstacles: Obstacles,
        tokens: Option<Tokens>,
    ) -> Result<Self, KafkaError> {
        let blame = Blame::new(&config);
        let mut alone = config.clone();
        alone.set("batch.num.messages", "1");
        let together = Arc::new(Lane::new(config, tokens.clone()));
        // Reports now if librdkafka refuses the configuration.
        together.client()?;
        let dead_letter_topic = dead_letter_topic.map(Arc::from);
        if let Some(topic) = dead_letter_topic.clone() {
            dead_letter_topic::look_for(topic, &together, obstacles.clone())?;
        }
        Ok(Self(Arc::new(Inner {
            together,
            alone: Lane::new(alone, tokens),
            topics: ReplyTopics::default(),
            expected: (expected.into_iter())
                .chain(dead_letter_topic.map(|topic| (topic, Origin::Typed)))
                .collect(),
            label: obstacles.label().clone(),
            gates: Arc::new(Gates::new(obstacles)),
            blame,
            new_partitions: NewPartitions::default(),
        })))
    }
}

impl Inner {
    async fn attempt(&self, record: &OutboundRecord, alone: bool) -> Result<(), Failure> {
        let lane = if alone { &self.alone } else { &*self.together };
        let client = lane.client()?;
        self.may_produce(&client, &record.topic).await?;
        let Err(error) = client.send(record).await else {
            self.topics.delivered(&record.topic);
            return Ok(());
        };
        let mut failure = Failure::from(error);
        let names_topic = matches!(failure.verdict, Verdict::Missing | Verdict::Topic);
        if names_topic && self.is_given_up(failure.verdict, &record.topic, alone) {
            self.topics.missing(&record.topic);
        }
        if failure.verdict == Verdict::Fatal
            && let Some((code, text)) = client.fatal_error()
        {
            if code == Code::ClusterAuthorizationFailed {
                // This producer is useless from now on, but a new one may work: permissions can be restored.
                lane.renew(&client);
                failure.verdict = Verdict::Service;
            }
            failure.fatal = Some(format!("{code}: {text}"));
        }
        Err(failure)
    }

    /// Fails if librdkafka must not get a record for this topic.
    async fn may_produce(&self, client: &Arc<Client>, topic: &Arc<str>) -> Result<(), Failure> {
        if self.is_typed(topic) || self.topics.take(topic) {
            return Ok(());
        }
        let list = async || {
            let client = Arc::clone(client);
            let asked = tokio::task::spawn_blocking(move || client.topics()).await;
            asked.unwrap_or(Err(KafkaError::Canceled))
        };
        match self.topics.exists(topic, list).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(UNKNOWN_TOPIC.into()),
            // The list is requested again, whatever failed.
            Err(error) => Err(Failure {
                verdict: Verdict::Again,
                error,
                fatal: None,
            }),
        }
    }

    /// Looks for a partition that the topic may have got recently. If it is not there even then, any partition is used.
    async fn find_partition(
        &self,
        record: &mut OutboundRecord,
        has_looked: bool,
        error: &KafkaError,
    ) {
        let topic = &record.topic;
        if !has_looked && let Ok(client) = self.together.client() {
            return self.new_partitions.look_for(topic, &client).await;
        }
        warn!(%topic, partition = record.partition, %error, "partition not found, using any partition");
        let own = [("reason", "unknown".into())];
        self.label.count(metric_names::IGNORED_PARTITIONS, own);
        record.partition = None;
    }

    /// Returns whether there is no further attempt. A topic that only one requester has named, and that never accepted
    /// a record, is that requester's problem: waiting for it would let anyone stop the others.
    fn is_given_up(&self, verdict: Verdict, topic: &Arc<str>, alone: bool) -> bool {
        match verdict {
            Verdict::Record => alone,
            // The requester may have removed a topic that has gone.
            Verdict::Missing => !self.is_typed(topic),
            Verdict::Topic => !self.expected.contains_key(topic) && !self.topics.is_proven(topic),
            Verdict::Service | Verdict::Fatal | Verdict::QueueFull | Verdict::Again => false,
        }
    }

    /// Returns whether the operator has typed the topic, and so says that it exists.
    fn is_typed(&self, topic: &Arc<str>) -> bool {
        self.expected.get(topic) == Some(&Origin::Typed)
    }

    /// Returns whether only one requester is responsible for a topic.
    fn is_requesters(&self, topic: &Arc<str>) -> bool {
        !self.is_typed(topic) && !self.topics.is_proven(topic)
    }

    /// Fails if a topic was recently abandoned: each attempt would hold up others.
    fn check_pause(&self, topic: &Arc<str>) -> Result<(), ProduceError> {
        let pause = match self.is_typed(topic) {
            true => None,
            false => self.blame.pause(topic),
        };
        match pause {
            Some(left) if self.is_requesters(topic) => Err(ProduceError::Refused(format!(
                "the topic has accepted no record in time, and is not tried for another {}s",
                left.as_secs() + 1
            ))),
            _ => Ok(()),
        }
    }

    /// Waits before another attempt, because no broker has answered in time. Fails if other topics could be written
    /// meanwhile and this topic is only the requester's: one requester must not stop all others.
    async fn wait_for_answer(
        &self,
        trial: &mut Trial,
        topic: &Arc<str>,
        cause: &str,
    ) -> Result<(), ProduceError> {
        if self.is_requesters(topic) {
            let others = self.topics.has_delivered_since(trial.attempts.latest());
            let is_own = match others {
                true => Some(true),
                false => self.blame.asked_of_brokers(topic, &self.together).await,
            };
            if is_own == Some(false) {
                trial.attempts.absolve();
            }
            if is_own == Some(true) && self.blame.note(topic, &mut trial.attempts) {
                let text = format!("the topic accepts no record in time, unlike others: {cause}");
                return Err(ProduceError::Refused(text));
            }
        }
        warn!(%topic, cause, "produce failed, trying again");
        if self.blame.is_long(&trial.attempts) {
            trial.late = Some(self.gates.late(trial.late.take(), topic, cause));
        }
        sleep(trial.wait).await;
        trial.wait = (trial.wait * 2).min(LAST_RETRY_WAIT);
        trial.attempts.begin_another();
        Ok(())
    }
}

impl ReplySink for KafkaSink {
    async fn produce(&self, mut record: OutboundRecord) -> Result<(), ProduceError> {
        let sink = &*self.0;
        sink.check_pause(&record.topic)?;
        let (mut alone, mut has_looked) = (false, false);
        let mut turn = sink.gates.pass(&record.topic).await;
        let mut trial = Trial {
            attempts: Attempts::begin(),
            wait: FIRST_RETRY_WAIT,
            late: None,
        };
        loop {
            let Err(failure) = sink.attempt(&record, alone).await else {
                if let Some(turn) = turn {
                    turn.open();
                }
                return Ok(());
            };
            let Failure {
                verdict,
                error,
                fatal,
            } = failure;
            if record.partition.is_some() && may_lack_partition(&error) {
                let has_looked = std::mem::replace(&mut has_looked, true);
                sink.find_partition(&mut record, has_looked, &error).await;
                continue;
            }
            if sink.is_given_up(verdict, &record.topic, alone) {
                return Err(ProduceError::Refused(error.to_string()));
            }
            let cause = fatal.unwrap_or_else(|| error.to_string());
            match verdict {
                Verdict::Record => {
                    debug!(topic = %record.topic, cause, "refused in a batch, sent alone");
                    alone = true;
                }
                Verdict::Missing | Verdict::Topic | Verdict::Service => {
                    turn = sink.gates.wait(turn, &record.topic, cause).await;
                    trial.attempts = Attempts::begin();
                }
                Verdict::Fatal => return Err(ProduceError::Fatal(cause)),
                Verdict::QueueFull => {
                    sleep(QUEUE_FULL_WAIT).await;
                    trial.attempts.begin_another();
                }
                Verdict::Again => {
                    sink.wait_for_answer(&mut trial, &record.topic, &cause)
                        .await?;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
