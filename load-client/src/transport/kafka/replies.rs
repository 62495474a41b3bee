//! Receives replies. Its thread polls, stamps and hands over, and does nothing else.
//!
//! No group: every partition of the reply topic is assigned by hand, at the end offset that the
//! broker named before the first request. Whatever is written afterwards lies behind that offset,
//! so the fastest reply cannot be missed, however long the first fetch takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};

use super::diagnostics::Diagnostics;
use super::expectations::Expectations;
use super::unreadable::readable;
use super::{KafkaSettings, KafkaTransportError, preflight};
use crate::transport::{Answer, Failure, Pending, Reply, ReplyReader, ReplyRecord};

/// How soon the thread notices that it should stop.
const POLL_PAUSE: Duration = Duration::from_millis(100);

type PolledConsumer = BaseConsumer<Diagnostics>;

/// The reply consumer. Dropping it stops and joins its thread.
pub(super) struct ReplyConsumer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
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
        let shared = Arc::new(Shared {
            reader: ReplyReader::new(settings.service.wire.clone()),
            expectations,
            stop: AtomicBool::default(),
            unmatched: AtomicU64::default(),
        });
        let thread = {
            let topics: Vec<_> = settings.reply_topics().map(|(topic, _)| topic).collect();
            let (shared, topic) = (Arc::clone(&shared), topics.join(", "));
            std::thread::Builder::new()
                .name("replies".to_owned())
                .spawn(move || receive(&consumer, &pending, &shared, &topic))
                .map_err(|_| KafkaTransportError::Interrupted)?
        };
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Replies that nobody waited for.
    pub(super) fn unmatched(&self) -> u64 {
        self.shared.unmatched.load(Ordering::Relaxed)
    }
}

impl Drop for ReplyConsumer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
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
    for (topic, flag) in settings.reply_topics() {
        for partition in partitions(consumer, settings, topic, flag)? {
            let (_, end) = consumer
                .fetch_watermarks(topic, partition, preflight::BROKER_PATIENCE)
                .map_err(|error| KafkaTransportError::UnusableTopic {
                    topic: topic.to_owned(),
                    reason: format!("its end offset is unknown ({error})"),
                    flag,
                })?;
            assignment
                .add_partition_offset(topic, partition, Offset::Offset(end))
                .map_err(|error| KafkaTransportError::client("consumer", error))?;
        }
    }
    Ok(assignment)
}

/// The partitions that replies come on.
fn partitions(
    consumer: &PolledConsumer,
    settings: &KafkaSettings,
    topic: &str,
    flag: &'static str,
) -> Result<Vec<i32>, KafkaTransportError> {
    let all = preflight::partitions(consumer.client(), settings, topic, flag)?;
    match settings.service.wire.reply_partition {
        None => Ok(all),
        Some(partition) if all.contains(&partition) => Ok(vec![partition]),
        Some(partition) => Err(KafkaTransportError::MissingPartition {
            topic: topic.to_owned(),
            partition,
            flag,
        }),
    }
}

fn receive(consumer: &PolledConsumer, pending: &Pending, shared: &Shared, topic: &str) {
    // Also on a panic: whoever waits must learn that no reply will come.
    let _close = CloseOnExit(pending);
    while !shared.stop.load(Ordering::Relaxed) {
        match consumer.poll(POLL_PAUSE) {
            None => {}
            Some(Ok(message)) => hand_over(&message, Instant::now(), pending, shared),
            Some(Err(error)) => match severity(&error) {
                Severity::Passing => tracing::debug!(%error, "reply consumer"),
                Severity::Outage => pending.fail_all(&cause(&error, topic)),
                Severity::Fatal => return pending.close(&cause(&error, topic)),
            },
        }
    }
}

struct CloseOnExit<'a>(&'a Pending);

impl Drop for CloseOnExit<'_> {
    fn drop(&mut self) {
        self.0.close("the reply consumer stopped");
    }
}

fn hand_over(message: &BorrowedMessage<'_>, received: Instant, pending: &Pending, shared: &Shared) {
    let reply = read_message(message, &shared.reader);
    let matched = reply.is_some_and(|reply| {
        let answer = Answer {
            replied: received,
            bytes: u32::try_from(message.payload_len()).unwrap_or(u32::MAX),
        };
        let expected = shared.expectations.take(&reply.id);
        let ending = match reply.answer.judged(&expected) {
            Ok(()) => Ok(answer),
            Err(error) => Err(Failure::Status(error, answer)),
        };
        pending.complete(&reply.id, ending)
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
    /// Replies of now are lost or late; later ones may arrive.
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
        _ => Severity::Passing,
    }
}

fn cause(error: &KafkaError, topic: &str) -> String {
    let reason = error
        .rdkafka_error_code()
        .map_or_else(|| error.to_string(), |code| code.to_string());
    format!("the reply consumer of {topic} failed: {reason}")
}
