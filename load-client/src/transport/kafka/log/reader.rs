//! Reads a topic of the log on a thread.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, Timestamp, TopicPartitionList};
use tokio::sync::mpsc;

use super::{LogSettings, PATIENCE};
use crate::transport::kafka::{Context, KafkaTransportError, short};

/// How long the leader of a partition may take to answer.
const ANSWER: Duration = Duration::from_secs(1);
/// How soon a reader notices that it should stop.
const POLL: Duration = Duration::from_millis(100);
/// Most records that wait to be taken from a reader.
const AHEAD: usize = 1024;

/// A record of the log.
#[derive(Debug, Clone)]
pub(crate) struct Logged {
    pub(crate) offset: i64,
    /// Milliseconds since 1970: when the log appended it, by the leader's clock, or when it was written, by the
    /// writer's clock.
    pub(crate) appended_ms: i64,
    /// Whether the time is by the leader's clock.
    pub(crate) is_leaders_time: bool,
    /// When the record was read.
    pub(crate) read: Instant,
    pub(crate) payload: Vec<u8>,
}

/// A message of a reader's thread.
#[derive(Debug)]
enum Read {
    Record(Logged),
    /// The records that existed when the reader began are read.
    CaughtUp,
    /// The reader has stopped, because it has no rights or the topic is gone.
    Failed(String),
}

/// Where a reader begins.
#[derive(Debug, Clone, Copy)]
pub(crate) enum From {
    Beginning,
    /// With the records that were appended since this time, in milliseconds since 1970.
    Time(i64),
}

/// A thread that reads a topic. Dropping it stops the thread.
pub(crate) struct LogReader {
    topic: String,
    records: mpsc::Receiver<Read>,
    consumer: Arc<BaseConsumer<Context>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl LogReader {
    pub(super) fn start(
        settings: &LogSettings,
        topic: &str,
        from: From,
    ) -> Result<Self, KafkaTransportError> {
        let consumer: BaseConsumer<Context> = settings
            .consumer_config()
            .create_with_context(Context::default())
            .map_err(|error| KafkaTransportError::client("consumer", error))?;
        let started = Instant::now();
        let positioned = loop {
            match position(&consumer, topic, from) {
                // Not all brokers know the leader of a new topic yet.
                Err(error) if may_pass(&error) && started.elapsed() < PATIENCE => {
                    std::thread::sleep(POLL);
                }
                positioned => break positioned,
            }
        };
        let behind = positioned.map_err(|error| {
            let reason = consumer.context().reason(&error);
            KafkaTransportError::Unusable(format!("topic {topic} cannot be read: {reason}"))
        })?;
        let (consumer, stop) = (Arc::new(consumer), Arc::<AtomicBool>::default());
        let (sender, records) = mpsc::channel(AHEAD);
        let reading = (Arc::clone(&consumer), Arc::clone(&stop));
        let thread = std::thread::Builder::new().name("log".to_owned());
        let thread = thread.spawn(move || read(&reading.0, behind, &sender, &reading.1));
        let thread = thread.map_err(|error| {
            KafkaTransportError::Unusable(format!("the log cannot be read: {error}"))
        })?;
        Ok(Self {
            topic: topic.to_owned(),
            records,
            consumer,
            stop,
            thread: Some(thread),
        })
    }

    /// Returns the next record, or `None` once the reader has read the records that existed when it began. Fails when
    /// the reader has no rights, or the topic is gone.
    pub(crate) async fn next(&mut self) -> Result<Option<Logged>, KafkaTransportError> {
        match self.records.recv().await {
            Some(Read::Record(logged)) => Ok(Some(logged)),
            Some(Read::CaughtUp) => Ok(None),
            Some(Read::Failed(reason)) => {
                let topic = &self.topic;
                let told = format!(
                    "topic {topic} cannot be read: {reason}; change the rights of this client"
                );
                Err(KafkaTransportError::Unusable(told))
            }
            None => std::future::pending().await,
        }
    }

    /// Returns the last error of the connection since the last record, or `None` if the topic's leader answers. Blocks
    /// for at most a second.
    pub(crate) fn trouble(&self) -> Option<String> {
        let told = self.consumer.context().lock().clone()?;
        let answer = self.consumer.fetch_watermarks(&self.topic, 0, ANSWER);
        if answer.is_ok() {
            *self.consumer.context().lock() = None;
            return None;
        }
        Some(told)
    }
}

impl Drop for LogReader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.records.close();
        if let Some(thread) = self.thread.take() {
            // If the thread panicked, the channel is closed.
            let _ = thread.join();
        }
    }
}

fn may_pass(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{
        LeaderNotAvailable, NotLeaderForPartition, UnknownPartition, UnknownTopicOrPartition,
    };
    let code = error.rdkafka_error_code();
    code.is_some_and(|code| {
        let passing = [
            LeaderNotAvailable,
            NotLeaderForPartition,
            UnknownPartition,
            UnknownTopicOrPartition,
        ];
        passing.contains(&code)
    })
}

/// Returns whether reading may go on after an error.
fn passes(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{TopicAuthorizationFailed, UnknownTopicOrPartition};
    let code = error.rdkafka_error_code();
    code.is_none_or(|code| ![TopicAuthorizationFailed, UnknownTopicOrPartition].contains(&code))
}

/// Offsets that a reader must still reach, by partition.
type Behind = HashMap<i32, i64>;

/// Assigns all partitions.
fn position(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    from: From,
) -> Result<Behind, KafkaError> {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
    let partitions = metadata.topics().iter().flat_map(|own| own.partitions());
    let (mut starts, mut behind) = (TopicPartitionList::new(), Behind::new());
    let mut ends = HashMap::new();
    for partition in partitions {
        // Ask for the end before the offsets of the times: records that arrive in between are after this end, and are
        // read.
        let (low, end) = consumer.fetch_watermarks(topic, partition.id(), PATIENCE)?;
        ends.insert(partition.id(), end);
        let offset = match from {
            From::Beginning => low,
            From::Time(since_ms) => since_ms,
        };
        starts.add_partition_offset(topic, partition.id(), Offset::Offset(offset))?;
    }
    if matches!(from, From::Time(_)) {
        starts = consumer.offsets_for_times(starts, PATIENCE)?;
    }
    for mut element in starts.elements() {
        let end = ends.get(&element.partition()).copied().unwrap_or(0);
        let start = match element.offset() {
            Offset::Offset(offset) if offset >= 0 => offset.min(end),
            // No record is that late.
            _ => end,
        };
        element.set_offset(Offset::Offset(start))?;
        if start < end {
            behind.insert(element.partition(), end);
        }
    }
    consumer.assign(&starts)?;
    Ok(behind)
}

fn read(
    consumer: &BaseConsumer<Context>,
    mut behind: Behind,
    sender: &mpsc::Sender<Read>,
    stop: &AtomicBool,
) {
    let mut is_behind = true;
    while !stop.load(Ordering::Relaxed) {
        if behind.is_empty()
            && std::mem::take(&mut is_behind)
            && sender.blocking_send(Read::CaughtUp).is_err()
        {
            return;
        }
        let record = match consumer.poll(POLL) {
            None => continue,
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                // The end also covers offsets without a record, such as the marker of a transaction.
                behind.remove(&partition);
                continue;
            }
            Some(Err(error)) if passes(&error) => {
                // If the error lasts, the context of the connection reports it.
                tracing::debug!(%error, "reading the log");
                continue;
            }
            Some(Err(error)) => {
                // The receiver may be gone.
                drop(sender.blocking_send(Read::Failed(short(&error))));
                return;
            }
            Some(Ok(record)) => record,
        };
        *consumer.context().lock() = None;
        if behind
            .get(&record.partition())
            .is_some_and(|end| record.offset() + 1 >= *end)
        {
            behind.remove(&record.partition());
        }
        if sender.blocking_send(Read::Record(logged(&record))).is_err() {
            return;
        }
    }
}

fn logged(record: &BorrowedMessage<'_>) -> Logged {
    let (appended_ms, is_leaders_time) = match record.timestamp() {
        Timestamp::LogAppendTime(time) => (time, true),
        Timestamp::CreateTime(time) => (time, false),
        Timestamp::NotAvailable => (0, false),
    };
    Logged {
        offset: record.offset(),
        appended_ms,
        is_leaders_time,
        read: Instant::now(),
        payload: record.payload().unwrap_or_default().to_vec(),
    }
}
