//! Reads replies and dead letters as they come, and keeps them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, StreamConsumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep, timeout};

use super::evidence::{Answer, Outcome};

const ANSWER_LIMIT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);
/// How long it may take to read to the end of a topic, on a busy machine.
const END_LIMIT: Duration = Duration::from_secs(60);

/// Answers of all topics of a round, in the order of reading.
pub(super) type Log = Arc<Mutex<Vec<Answer>>>;

/// The answers so far.
pub(super) fn so_far(log: &Log) -> Vec<Answer> {
    log.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Adds the answers that were read since.
pub(super) fn catch_up(log: &Log, known: &mut Vec<Answer>) {
    let log = log.lock().unwrap_or_else(PoisonError::into_inner);
    known.extend(log.iter().skip(known.len()).cloned());
}

/// A reader of one topic. Dropping it ends it.
pub(super) struct Reader {
    consumer: Arc<StreamConsumer>,
    topic: String,
    partitions: i32,
    /// The next offset of each partition.
    next: Arc<Mutex<BTreeMap<i32, i64>>>,
    task: JoinHandle<()>,
}

impl Reader {
    /// Reads the topic from its beginning.
    pub(super) fn start(servers: &str, topic: &str, partitions: i32, log: &Log) -> Result<Self> {
        let consumer: StreamConsumer = config(servers, "reader").create()?;
        consumer.assign(&all_of(topic, partitions)?)?;
        let consumer = Arc::new(consumer);
        let next = Arc::new(Mutex::new(BTreeMap::new()));
        let task = tokio::spawn(read(Arc::clone(&consumer), Arc::clone(&next), log.clone()));
        Ok(Self {
            consumer,
            topic: topic.to_owned(),
            partitions,
            next,
            task,
        })
    }

    /// Waits until it has read all records that are in the topic now.
    pub(super) async fn until_end(&self) -> Result<()> {
        let deadline = Instant::now() + END_LIMIT;
        let consumer = Arc::clone(&self.consumer);
        let (topic, partitions) = (self.topic.clone(), self.partitions);
        let ends = spawn_blocking(move || ends(consumer.as_ref(), &topic, partitions)).await??;
        while !self.has_read(&ends) {
            if Instant::now() > deadline {
                bail!(
                    "{} could not be read to its end in {END_LIMIT:?}",
                    self.topic
                );
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    fn has_read(&self, ends: &BTreeMap<i32, i64>) -> bool {
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        ends.iter()
            .all(|(partition, end)| next.get(partition).unwrap_or(&0) >= end)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A client that reads and never commits. It logs nothing, because the broker may be down.
pub(crate) fn config(servers: &str, group: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", servers)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        .set("allow.auto.create.topics", "false")
        .set("reconnect.backoff.max.ms", "1000")
        .set("log_level", "0");
    config
}

pub(crate) fn all_of(topic: &str, partitions: i32) -> Result<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    Ok(list)
}

/// The end of each partition.
pub(super) fn ends(
    consumer: &impl Consumer<rdkafka::consumer::DefaultConsumerContext>,
    topic: &str,
    partitions: i32,
) -> Result<BTreeMap<i32, i64>> {
    (0..partitions)
        .map(|partition| {
            let ends = consumer.fetch_watermarks(topic, partition, ANSWER_LIMIT);
            let (_, end) = ends.with_context(|| format!("no end of {topic}/{partition}"))?;
            Ok((partition, end))
        })
        .collect()
}

async fn read(consumer: Arc<StreamConsumer>, next: Arc<Mutex<BTreeMap<i32, i64>>>, log: Log) {
    loop {
        match consumer.recv().await {
            Ok(message) => {
                if let Some(answer) = answer(&message) {
                    log.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(answer);
                }
                next.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(message.partition(), message.offset() + 1);
            }
            // The broker is down. The client reconnects by itself.
            Err(_) => sleep(PAUSE).await,
        }
    }
}

/// The value of the last header with that name, because the service's own headers come last.
pub(super) fn header(message: &BorrowedMessage<'_>, name: &str) -> Option<String> {
    let headers = message.headers()?;
    let own = headers.iter().filter(|header| header.key == name);
    let value = own.last()?.value?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// The id that the service has to echo.
pub(super) fn echoed(value: &str) -> Option<String> {
    let id = value.strip_prefix("x-request-id:")?;
    Some(id.trim_start().to_owned())
}

fn answer(message: &BorrowedMessage<'_>) -> Option<Answer> {
    let at = message.timestamp().to_millis()?;
    if let Some(cause) = header(message, "dead-letter-cause") {
        return Some(Answer {
            id: echoed(&header(message, "x-reply-set-header")?)?,
            outcome: Outcome::DeadLetter { cause },
            at,
        });
    }
    let status = header(message, "status-code")?.parse().ok()?;
    let body = message.payload().unwrap_or_default();
    let body: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let order = body.and_then(|body| Some(body.get("id")?.as_str()?.to_owned()));
    Some(Answer {
        id: header(message, "x-request-id")?,
        outcome: Outcome::Reply { status, order },
        at,
    })
}

/// Reads a topic to its end, and passes each record to `take`. It blocks.
pub(super) fn read_whole<T>(
    servers: &str,
    topic: &str,
    partitions: i32,
    take: impl Fn(&BorrowedMessage<'_>) -> Option<T>,
) -> Result<Vec<T>> {
    let consumer: BaseConsumer = config(servers, "reader").create()?;
    let ends = ends(&consumer, topic, partitions)?;
    consumer.assign(&all_of(topic, partitions)?)?;
    let mut left: i64 = ends.values().sum();
    let mut taken = Vec::new();
    let begin = std::time::Instant::now();
    while left > 0 {
        if begin.elapsed() > END_LIMIT {
            bail!("{topic} could not be read to its end in {END_LIMIT:?}, {left} records are left");
        }
        let Some(Ok(message)) = consumer.poll(PAUSE) else {
            continue;
        };
        if message.offset() < ends.get(&message.partition()).copied().unwrap_or(0) {
            left -= 1;
            taken.extend(take(&message));
        }
    }
    Ok(taken)
}

/// Runs blocking work with a time limit, so that a broker that is down does not stop a round.
pub(super) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let limit = END_LIMIT * 2;
    let done = timeout(limit, spawn_blocking(work)).await;
    done.context("the broker does not answer")??
}
