//! Receives replies. The thread only polls, stamps and hands over.
//!
//! There is no consumer group. Each partition of the reply topic is assigned by hand, at the end offset that the broker
//! gave before the first request. All later replies are after that offset, so the fastest reply cannot be missed,
//! however long the first fetch takes. [`follow`] looks for partitions that are added during the run.
//!
//! A temporary fault does not end requests at once. A request without a reply by its time-out fails with the fault that
//! occurred meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::metadata::MetadataPartition;
use rdkafka::{Offset, TopicPartitionList};

use crate::transport::kafka::{
    Context, KafkaSettings, KafkaTransportError, readable, reply_topic, short,
};
use crate::transport::reply::{Bodies, beginning};
use crate::transport::wire::Wire;
use crate::transport::{Answer, Failure, Pending, Refusal};

/// How soon the thread notices that it should stop.
const POLL_PAUSE: Duration = Duration::from_millis(100);

type PolledConsumer = BaseConsumer<Context>;

/// The reply consumer. Dropping it stops and joins its threads.
pub(super) struct ReplyConsumer {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// State that is shared by the threads and their owner, which stops them.
struct Shared {
    consumer: PolledConsumer,
    stop: AtomicBool,
    unmatched: AtomicU64,
}

impl ReplyConsumer {
    /// Positions a consumer at the end of the reply topics and starts its threads: one receives replies, and one looks
    /// for new partitions unless replies come on one partition only.
    pub(super) fn connect(
        settings: &KafkaSettings,
        pending: Pending,
    ) -> Result<Self, KafkaTransportError> {
        let failed = |error| KafkaTransportError::client("consumer", error);
        let consumer: PolledConsumer = settings
            .consumer_config()
            .create_with_context(Context::default())
            .map_err(failed)?;
        let assignment = end_offsets(&consumer, settings)?;
        consumer.assign(&assignment).map_err(failed)?;
        let shared = Arc::new(Shared {
            consumer,
            stop: AtomicBool::default(),
            unmatched: AtomicU64::default(),
        });
        let mut own = Self {
            shared: Arc::clone(&shared),
            threads: Vec::new(),
        };
        let wire = settings.service.wire.clone();
        if wire.reply_partition.is_none() {
            let shared = Arc::clone(&shared);
            let follows = spawn("partitions", move || follow(&shared, &assignment));
            own.threads.push(follows?);
        }
        let topics: Vec<_> = settings.reply_topics().map(|(topic, _)| topic).collect();
        let receiver = Receiver {
            shared,
            pending,
            wire,
            topics: topics.join(", "),
            bodies: Bodies::default(),
            in_trouble: false,
        };
        let receives = spawn("replies", move || receiver.run());
        own.threads.push(receives?);
        Ok(own)
    }

    /// Returns the number of replies without a waiting request.
    pub(super) fn unmatched(&self) -> u64 {
        self.shared.unmatched.load(Ordering::Relaxed)
    }
}

impl Drop for ReplyConsumer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            // If the thread panicked, it has already failed the requests in flight.
            let _ = thread.join();
        }
    }
}

fn spawn(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, KafkaTransportError> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    let thread = thread.spawn(work);
    thread.map_err(|_| KafkaTransportError::Interrupted)
}

fn end_offsets(
    consumer: &PolledConsumer,
    settings: &KafkaSettings,
) -> Result<TopicPartitionList, KafkaTransportError> {
    let mut assignment = TopicPartitionList::new();
    let client = consumer.client();
    for topic in settings.reply_topics() {
        let mut partitions = reply_topic::partitions(client, settings.named(), topic)?;
        if let Some(partition) = settings.service.wire.reply_partition {
            partitions.retain(|own| own.id == partition);
            if partitions.is_empty() {
                let (topic, flag) = topic;
                return Err(KafkaTransportError::Unusable(format!(
                    "topic {topic} has no partition {partition}; change --reply-partition or {flag}"
                )));
            }
        }
        for partition in partitions {
            let end = reply_topic::end_offset(client, settings, topic, &partition)?;
            assignment
                .add_partition_offset(topic.0, partition.id, Offset::Offset(end))
                .map_err(|error| KafkaTransportError::client("consumer", error))?;
        }
    }
    Ok(assignment)
}

/// The state of the polling thread. Dropping it, also on a panic, fails the waiting requests.
struct Receiver {
    shared: Arc<Shared>,
    pending: Pending,
    wire: Wire,
    /// Names of the reply topics, for messages.
    topics: String,
    bodies: Bodies,
    /// Whether an outage is noted that no reply has ended yet.
    in_trouble: bool,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.pending.close("the reply consumer stopped");
    }
}

impl Receiver {
    fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        while !shared.stop.load(Ordering::Relaxed) {
            match shared.consumer.poll(POLL_PAUSE) {
                None => {}
                Some(Ok(message)) => {
                    self.hand_over(&message, Instant::now());
                    if std::mem::take(&mut self.in_trouble) {
                        self.pending.calm();
                    }
                }
                Some(Err(error)) => self.note(&error, Instant::now()),
            }
        }
    }

    fn note(&mut self, error: &KafkaError, now: Instant) {
        tracing::debug!(%error, "reply consumer");
        let cause = cause(error, &self.topics);
        match error.rdkafka_error_code() {
            // Replies can no longer arrive.
            _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => self.give_up(&cause),
            Some(
                RDKafkaErrorCode::Fatal
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::Authentication
                | RDKafkaErrorCode::SaslAuthenticationFailed,
            ) => self.give_up(&cause),
            // No broker answers. That may change within the time of each request.
            Some(RDKafkaErrorCode::AllBrokersDown) => {
                self.in_trouble = true;
                self.pending.trouble(&cause, now, true);
            }
            // librdkafka recovers by itself.
            Some(
                RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::RequestTimedOut
                | RDKafkaErrorCode::NetworkException
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::BrokerNotAvailable
                | RDKafkaErrorCode::ReplicaNotAvailable
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::FencedLeaderEpoch
                | RDKafkaErrorCode::UnknownLeaderEpoch
                | RDKafkaErrorCode::PartitionEOF,
            )
            | None => {}
            // The fetched records cannot be read. The consumer fetches them and fails again; other partitions may go
            // on.
            Some(_) => self.pending.trouble(&cause, now, false),
        }
    }

    fn give_up(&self, cause: &str) {
        self.pending.close(cause);
        self.shared.stop.store(true, Ordering::Relaxed);
    }

    fn hand_over(&mut self, message: &BorrowedMessage<'_>, replied: Instant) {
        let (key, body) = (message.key(), message.payload());
        let headers = message.headers().into_iter().flat_map(readable);
        let reply = self.wire.read_reply(key, body, headers);
        let matched = reply.is_some_and(|reply| {
            let id = reply.id;
            self.pending.complete_with(&id, Some(replied), |request| {
                let answer = Answer {
                    replied,
                    bytes: u32::try_from(message.payload_len()).unwrap_or(u32::MAX),
                };
                let mut refusal = |reason: String| {
                    let is_wanted = self.bodies.wants(request.flight.kind, &reason, replied);
                    let body = body.filter(|_| is_wanted).unwrap_or_default();
                    Refusal {
                        reason,
                        answer,
                        body: beginning(body),
                    }
                };
                let (usual, statuses) = (&self.wire, request.expect.as_deref());
                if let Err(reason) = reply.judged(statuses.unwrap_or(&usual.expect_status)) {
                    return Err(Failure::Status(refusal(reason)));
                }
                let checks = request.expect_body.as_deref();
                match checks.unwrap_or(&usual.expect_body).broken_by(body) {
                    Some(reason) => Err(Failure::Check(refusal(reason))),
                    None => Ok(answer),
                }
            })
        });
        if !matched {
            self.shared.unmatched.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn cause(error: &KafkaError, topic: &str) -> String {
    let hint = match error.rdkafka_error_code() {
        // This is librdkafka's error for a batch with an unknown codec.
        Some(RDKafkaErrorCode::NotImplemented) => {
            "; replies are compressed in a way that this client cannot read"
        }
        _ => "",
    };
    let reason = short(error);
    format!("the reply consumer of {topic} failed: {reason}{hint}")
}

// Looks for partitions that are added to a reply topic during a run. librdkafka does not look for them when partitions
// are assigned by hand, and all replies on new partitions would seem to be time-outs.

/// How often it looks: well below the usual time-out, so that replies on new partitions are late, but not lost.
const LOOK_INTERVAL: Duration = Duration::from_secs(3);
/// How long one look may take. It may delay the end of a run without brokers by this time.
const METADATA_TIMEOUT: Duration = Duration::from_secs(1);

/// Reads new partitions from their beginning, until it must stop. It has a separate thread, because the thread that
/// stamps replies must not wait for metadata.
fn follow(shared: &Shared, assigned: &TopicPartitionList) {
    let mut known = BTreeMap::<String, Vec<i32>>::new();
    for partition in assigned.elements() {
        let topic = known.entry(partition.topic().to_owned()).or_default();
        topic.push(partition.partition());
    }
    loop {
        std::thread::park_timeout(LOOK_INTERVAL);
        if shared.stop.load(Ordering::Relaxed) {
            return;
        }
        for (topic, partitions) in &mut known {
            let client = shared.consumer.client();
            // A look that fails is tried again.
            let Ok(metadata) = client.fetch_metadata(Some(topic), METADATA_TIMEOUT) else {
                continue;
            };
            let mut found = metadata.topics().iter();
            let found = found.find(|found| found.name() == topic);
            let there = found.map_or(&[][..], |found| found.partitions());
            let there = there.iter().filter(|own| own.error().is_none());
            let fresh = there.map(MetadataPartition::id);
            let fresh: Vec<i32> = fresh.filter(|id| !partitions.contains(id)).collect();
            if fresh.is_empty() {
                continue;
            }
            match assign(&shared.consumer, topic, &fresh) {
                Ok(()) => {
                    tracing::warn!(
                        topic,
                        partitions = ?fresh,
                        "the reply topic has new partitions; replies on them were read late"
                    );
                    partitions.extend(fresh);
                }
                Err(error) => {
                    tracing::warn!(topic, %error, "new partitions of the reply topic cannot be read yet");
                }
            }
        }
    }
}

fn assign(consumer: &PolledConsumer, topic: &str, partitions: &[i32]) -> Result<(), KafkaError> {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        // The partition was created after the first request, so it has no older replies.
        list.add_partition_offset(topic, *partition, Offset::Beginning)?;
    }
    consumer.incremental_assign(&list)
}
