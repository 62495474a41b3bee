//! Receives replies. Its thread polls, stamps and hands over, and does nothing else.
//!
//! No group: every partition of the reply topic is assigned by hand, at the end offset that the
//! broker named before the first request. Whatever is written afterwards lies behind that offset,
//! so the fastest reply cannot be missed, however long the first fetch takes. Partitions that are added
//! while it runs are looked for by [`follow`].
//!
//! A fault that passes ends nothing at once: a request that gets no reply by its time-out fails by the fault
//! that fell into its time.

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

use crate::transport::kafka::expectations::Expectations;
use crate::transport::kafka::reply_topic;
use crate::transport::kafka::{Diagnostics, KafkaSettings, KafkaTransportError, readable};
use crate::transport::{
    Answer, Bodies, Failure, Pending, Refusal, Reply, ReplyReader, ReplyRecord, beginning,
};

/// How soon the thread notices that it should stop.
const POLL_PAUSE: Duration = Duration::from_millis(100);

pub(super) type PolledConsumer = BaseConsumer<Diagnostics>;

/// The reply consumer. Dropping it stops and joins its thread.
pub(super) struct ReplyConsumer {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// Shared by the thread, which counts, and the owner, which stops it.
struct Shared {
    reader: ReplyReader,
    expectations: Expectations,
    stop: AtomicBool,
    unmatched: AtomicU64,
}

impl ReplyConsumer {
    /// Positions a consumer at the end of the reply topic and starts its thread.
    pub(super) fn connect(
        settings: &KafkaSettings,
        pending: Pending,
        expectations: Expectations,
    ) -> Result<Self, KafkaTransportError> {
        let failed = |error| KafkaTransportError::client("consumer", error);
        let consumer: PolledConsumer = settings
            .consumer_config()
            .create_with_context(Diagnostics::default())
            .map_err(failed)?;
        let assignment = end_offsets(&consumer, settings)?;
        consumer.assign(&assignment).map_err(failed)?;
        let consumer = Arc::new(consumer);
        let shared = Arc::new(Shared {
            reader: ReplyReader::new(settings.service.wire.clone()),
            expectations,
            stop: AtomicBool::default(),
            unmatched: AtomicU64::default(),
        });
        let topics: Vec<_> = settings.reply_topics().map(|(topic, _)| topic).collect();
        let mut own = Self {
            shared: Arc::clone(&shared),
            threads: Vec::new(),
        };
        if settings.service.wire.reply_partition.is_none() {
            let (consumer, shared) = (Arc::clone(&consumer), Arc::clone(&shared));
            own.spawn("partitions", move || {
                follow(&consumer, assignment, &shared.stop);
            })?;
        }
        let topic = topics.join(", ");
        own.spawn("replies", move || {
            receive(&consumer, &pending, &shared, &topic);
        })?;
        Ok(own)
    }

    fn spawn(
        &mut self,
        name: &str,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<(), KafkaTransportError> {
        let thread = std::thread::Builder::new().name(name.to_owned());
        let thread = thread.spawn(work);
        self.threads
            .push(thread.map_err(|_| KafkaTransportError::Interrupted)?);
        Ok(())
    }

    /// Replies that nobody waited for.
    pub(super) fn unmatched(&self) -> u64 {
        self.shared.unmatched.load(Ordering::Relaxed)
    }
}

impl Drop for ReplyConsumer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            // A panic of the thread has already failed the requests in flight.
            let _ = thread.join();
        }
    }
}

fn end_offsets(
    consumer: &PolledConsumer,
    settings: &KafkaSettings,
) -> Result<TopicPartitionList, KafkaTransportError> {
    let mut assignment = TopicPartitionList::new();
    let (client, diagnostics) = (consumer.client(), consumer.context());
    for topic in settings.reply_topics() {
        let mut partitions = reply_topic::partitions(client, diagnostics, settings, topic)?;
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
            let (_, end) =
                reply_topic::watermarks(client, diagnostics, settings, topic, &partition)?;
            assignment
                .add_partition_offset(topic.0, partition.id, Offset::Offset(end))
                .map_err(|error| KafkaTransportError::client("consumer", error))?;
        }
    }
    Ok(assignment)
}

fn receive(consumer: &PolledConsumer, pending: &Pending, shared: &Shared, topic: &str) {
    // Also on a panic: whoever waits must learn that no reply will come.
    let _close = CloseOnExit(pending);
    let mut in_trouble = false;
    let mut bodies = Bodies::default();
    while !shared.stop.load(Ordering::Relaxed) {
        match consumer.poll(POLL_PAUSE) {
            None => {}
            Some(Ok(message)) => {
                hand_over(&message, Instant::now(), pending, shared, &mut bodies);
                if std::mem::take(&mut in_trouble) {
                    pending.calm();
                }
            }
            Some(Err(error)) => {
                let (cause, now) = (cause(&error, topic), Instant::now());
                tracing::debug!(%error, "reply consumer");
                match severity(&error) {
                    Severity::Passing => {}
                    Severity::Stuck => pending.trouble(&cause, now, false),
                    Severity::Outage => {
                        in_trouble = true;
                        pending.trouble(&cause, now, true);
                    }
                    Severity::Fatal => return pending.close(&cause),
                }
            }
        }
    }
}

struct CloseOnExit<'a>(&'a Pending);

impl Drop for CloseOnExit<'_> {
    fn drop(&mut self) {
        self.0.close("the reply consumer stopped");
    }
}

fn hand_over(
    message: &BorrowedMessage<'_>,
    received: Instant,
    pending: &Pending,
    shared: &Shared,
    bodies: &mut Bodies,
) {
    let reply = read_message(message, &shared.reader);
    let matched = reply.is_some_and(|reply| {
        pending.complete_with(&reply.id, received, |flight| {
            let answer = Answer {
                replied: received,
                bytes: u32::try_from(message.payload_len()).unwrap_or(u32::MAX),
            };
            let expected = shared.expectations.take(&reply.id);
            let mut refusal = |reason: String| {
                let is_wanted = bodies.wants(flight.kind, &reason, received);
                let body = message.payload().filter(|_| is_wanted);
                Refusal {
                    reason,
                    answer,
                    body: beginning(body.unwrap_or_default()),
                }
            };
            match reply.answer.judged(&expected.statuses) {
                Err(reason) => Err(Failure::Status(refusal(reason))),
                Ok(()) => match expected.body.broken_by(message.payload()) {
                    Some(reason) => Err(Failure::Check(refusal(reason))),
                    None => Ok(answer),
                },
            }
        })
    });
    if !matched {
        shared.unmatched.fetch_add(1, Ordering::Relaxed);
    }
}

fn read_message(message: &BorrowedMessage<'_>, reader: &ReplyReader) -> Option<Reply> {
    let headers = message.headers().into_iter().flat_map(readable);
    reader.read(ReplyRecord {
        key: message.key(),
        body: message.payload(),
        headers,
    })
}

enum Severity {
    /// librdkafka recovers by itself.
    Passing,
    /// What it fetched cannot be read; it fetches and fails again, and other partitions may go on.
    Stuck,
    /// No broker is there. That may heal within any request's time.
    Outage,
    /// No reply can arrive any more.
    Fatal,
}

fn severity(error: &KafkaError) -> Severity {
    if matches!(error, KafkaError::MessageConsumptionFatal(_)) {
        return Severity::Fatal;
    }
    match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::Fatal
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownPartition
            | RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::SaslAuthenticationFailed,
        ) => Severity::Fatal,
        Some(RDKafkaErrorCode::AllBrokersDown) => Severity::Outage,
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
        | None => Severity::Passing,
        Some(_) => Severity::Stuck,
    }
}

fn cause(error: &KafkaError, topic: &str) -> String {
    let reason = match error.rdkafka_error_code() {
        // What librdkafka says of a batch whose codec it does not know, without its own words for it.
        Some(code @ RDKafkaErrorCode::NotImplemented) => {
            format!("{code}; replies are compressed in a way that this client cannot read")
        }
        Some(code) => code.to_string(),
        None => error.to_string(),
    };
    format!("the reply consumer of {topic} failed: {reason}")
}

// Looks for partitions that are added to a reply topic while a run goes on. librdkafka does not look when
// partitions are assigned by hand, and replies on new ones would all seem to be time-outs.

/// How often it looks. Well below the usual time-out, so that replies on new partitions are late, not lost.
const LOOK_INTERVAL: Duration = Duration::from_secs(3);
/// How long one look may take, and with it the end of a run without brokers.
const METADATA_TIMEOUT: Duration = Duration::from_secs(1);

/// Reads new partitions from their beginning, until it is to stop. Runs on a thread of its own: the one that
/// stamps replies must not wait for metadata.
pub(super) fn follow(consumer: &PolledConsumer, assigned: TopicPartitionList, stop: &AtomicBool) {
    let mut known = BTreeMap::<String, Vec<i32>>::new();
    for partition in assigned.elements() {
        let topic = known.entry(partition.topic().to_owned()).or_default();
        topic.push(partition.partition());
    }
    loop {
        std::thread::park_timeout(LOOK_INTERVAL);
        if stop.load(Ordering::Relaxed) {
            return;
        }
        for (topic, partitions) in &mut known {
            // What fails now is tried again.
            let Ok(metadata) = consumer
                .client()
                .fetch_metadata(Some(topic), METADATA_TIMEOUT)
            else {
                continue;
            };
            let mut found = metadata.topics().iter();
            let found = found.find(|found| found.name() == topic);
            let there = found.map_or(&[][..], |found| found.partitions());
            let there = there.iter().filter(|own| own.error().is_none());
            let fresh = added(partitions, there.map(MetadataPartition::id));
            if !fresh.is_empty() && read(consumer, topic, &fresh) {
                partitions.extend(fresh);
            }
        }
    }
}

fn added(known: &[i32], there: impl Iterator<Item = i32>) -> Vec<i32> {
    there.filter(|id| !known.contains(id)).collect()
}

fn read(consumer: &PolledConsumer, topic: &str, partitions: &[i32]) -> bool {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        // It came into being after the first request, so that nothing on it is older.
        let added = list.add_partition_offset(topic, *partition, Offset::Beginning);
        if added.is_err() {
            return false;
        }
    }
    match consumer.incremental_assign(&list) {
        Ok(()) => {
            tracing::warn!(
                topic,
                ?partitions,
                "the reply topic has new partitions; replies on them were read late"
            );
            true
        }
        Err(error) => {
            tracing::warn!(topic, %error, "new partitions of the reply topic cannot be read yet");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_not_there_before_is_new() {
        assert_eq!(added(&[0, 1], [0, 1, 2, 3].into_iter()), [2, 3]);
        assert_eq!(added(&[0, 2], [1, 2].into_iter()), [1]);
        assert_eq!(added(&[0], std::iter::empty()), [0; 0]);
    }
}
