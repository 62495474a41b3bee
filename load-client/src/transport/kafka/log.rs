//! The two topics that hold a run of several clients together: appends to them in order, and reads them from where a reader
//! asks.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, NewTopic};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use rdkafka::{ClientConfig, Offset, Timestamp, TopicPartitionList};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::transport::kafka::config::client_config;
use crate::transport::kafka::reply_topic::{self, DEFAULT_REPLICATION, Named};
use crate::transport::kafka::{Context, KafkaTransportError, short};

/// How long the cluster may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an append is tried: a broker that is restarted is back by then.
const APPEND_TIMEOUT_MS: &str = "120000";
/// How soon a reader notices that it should stop.
const POLL: Duration = Duration::from_millis(100);
/// Records that a reader may be ahead of whoever takes them.
const AHEAD: usize = 1024;
/// Results are keyed by worker; more partitions than this serve nobody.
const RESULT_PARTITIONS: i32 = 8;

/// Where the log is. Not `Debug`: properties hold secrets.
#[derive(Clone)]
pub(crate) struct LogSettings {
    /// `host:port`, comma separated.
    pub(crate) brokers: String,
    /// librdkafka's, of which those count that are about the connection.
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) control: String,
    pub(crate) results: String,
}

/// A record, as the log has it.
#[derive(Debug, Clone)]
pub(crate) struct Logged {
    pub(crate) offset: i64,
    /// In milliseconds since 1970: when the log took it by its leader's clock, or else when it was written by the writer's.
    pub(crate) appended_ms: i64,
    /// The time is the leader's.
    pub(crate) is_leaders_time: bool,
    /// When it was read.
    pub(crate) read: Instant,
    pub(crate) payload: Vec<u8>,
}

/// What a reader's thread tells.
#[derive(Debug)]
enum Read {
    Record(Logged),
    /// What was there when it began to read has been read.
    CaughtUp,
    /// It reads no more, because it may not, or the topic is gone.
    Failed(String),
}

/// Where a reader begins.
#[derive(Debug, Clone, Copy)]
pub(crate) enum From {
    Beginning,
    /// With what was appended from then on, in milliseconds since 1970.
    Time(i64),
}

/// Reads and appends.
pub(crate) struct KafkaLog {
    settings: LogSettings,
    producer: ThreadedProducer<Context>,
}

impl LogSettings {
    fn topics(&self) -> [Named<'_>; 2] {
        [
            (&self.control, "--control-topic"),
            (&self.results, "--results-topic"),
        ]
    }

    /// What shapes the load's own clients is not the log's.
    fn config(&self, own: &[(&str, &str)]) -> ClientConfig {
        const CONNECTION: [&str; 7] = [
            "security.",
            "sasl.",
            "ssl.",
            "enable.sasl.",
            "enable.ssl.",
            "socket.",
            "broker.",
        ];
        let properties = self.properties.iter();
        let of_connection = properties.filter(|(key, _)| {
            let mut own = CONNECTION.iter();
            own.any(|start| key.starts_with(start))
        });
        client_config(
            &self.brokers,
            &of_connection.cloned().collect::<Vec<_>>(),
            own,
        )
    }

    fn producer_config(&self) -> ClientConfig {
        self.config(&[
            ("enable.idempotence", "true"),
            ("linger.ms", "0"),
            ("message.timeout.ms", APPEND_TIMEOUT_MS),
            ("allow.auto.create.topics", "false"),
        ])
    }

    fn consumer_config(&self) -> ClientConfig {
        self.config(&[
            // Never joined: partitions are assigned by hand. librdkafka wants one all the same.
            ("group.id", "load-client-log"),
            ("enable.auto.commit", "false"),
            ("allow.auto.create.topics", "false"),
            ("auto.offset.reset", "earliest"),
        ])
    }
}

impl KafkaLog {
    /// Connects, and creates the topics where they are missing if `creates` says so. Waits on a thread of its own.
    pub(crate) async fn open(
        settings: LogSettings,
        creates: bool,
    ) -> Result<Arc<Self>, KafkaTransportError> {
        let (done, opened) = oneshot::channel();
        std::thread::spawn(move || {
            // Nobody may listen any more.
            drop(done.send(Self::connect(settings, creates)));
        });
        let opened = opened
            .await
            .unwrap_or(Err(KafkaTransportError::Interrupted));
        opened.map(Arc::new)
    }

    fn connect(settings: LogSettings, creates: bool) -> Result<Self, KafkaTransportError> {
        let producer: ThreadedProducer<Context> = settings
            .producer_config()
            .create_with_context(Context::default())
            .map_err(|error| KafkaTransportError::client("producer", error))?;
        let there = |topic| {
            let brokers = (&*settings.brokers, "--control");
            reply_topic::partitions(producer.client(), brokers, topic)
        };
        let [control, results] = settings.topics();
        let is_missing = |topic| matches!(there(topic), Err(KafkaTransportError::NoTopic(_)));
        let mut patience = Duration::ZERO;
        // Whoever may not create topics may use those that are there.
        if creates && (is_missing(control) || is_missing(results)) {
            create_topics(&settings)?;
            patience = PATIENCE;
        }
        let started = Instant::now();
        let partitions = loop {
            match there(results).and_then(|_| there(control)) {
                // It takes a while until all brokers know what was just created.
                Err(_) if started.elapsed() < patience => std::thread::sleep(POLL),
                found => break found?,
            }
        };
        if partitions.len() != 1 {
            return Err(KafkaTransportError::Unusable(format!(
                "topic {} has {} partitions, and its order needs exactly one: create another, and name it by --control-topic",
                settings.control,
                partitions.len()
            )));
        }
        Ok(Self { settings, producer })
    }

    /// The brokers, for errors.
    pub(crate) fn brokers(&self) -> &str {
        &self.settings.brokers
    }

    /// Appends to the control log. Returns at once; [`Self::flush`] waits.
    pub(crate) fn control(&self, run: &str, payload: &[u8]) -> Result<(), String> {
        self.append(&self.settings.control, run, payload)
    }

    /// Appends to the results.
    pub(crate) fn result(&self, worker: &str, payload: &[u8]) -> Result<(), String> {
        self.append(&self.settings.results, worker, payload)
    }

    fn append(&self, topic: &str, key: &str, payload: &[u8]) -> Result<(), String> {
        let record = BaseRecord::<str, [u8], Box<Uuid>>::with_opaque_to(topic, Box::default())
            .key(key)
            .payload(payload);
        let sent = self.producer.send(record);
        sent.map_err(|(error, _)| format!("topic {topic}: {}", short(&error)))
    }

    /// Fails when a record could not be appended.
    pub(crate) fn check(&self) -> Result<(), String> {
        let refused = self.producer.context().refused.get();
        refused.map_or(Ok(()), |reason| Err(self.refused(reason)))
    }

    fn refused(&self, reason: &str) -> String {
        format!(
            "the log at {} takes no records: {reason}",
            self.settings.brokers
        )
    }

    /// Waits until all is appended, that long at most. Fails when something could not be.
    pub(crate) fn flush(&self, patience: Duration) -> Result<(), String> {
        let flushed = self.producer.flush(patience);
        self.check()?;
        let reason = |error: &KafkaError| self.refused(&self.producer.context().reason(error));
        flushed.map_err(|error| reason(&error))
    }

    /// Reads the control log.
    pub(crate) fn read_control(&self, from: From) -> Result<LogReader, KafkaTransportError> {
        LogReader::start(&self.settings, &self.settings.control, from)
    }

    /// Reads the results.
    pub(crate) fn read_results(&self, from: From) -> Result<LogReader, KafkaTransportError> {
        LogReader::start(&self.settings, &self.settings.results, from)
    }
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
    fn start(settings: &LogSettings, topic: &str, from: From) -> Result<Self, KafkaTransportError> {
        let consumer: BaseConsumer<Context> = settings
            .consumer_config()
            .create_with_context(Context::default())
            .map_err(|error| KafkaTransportError::client("consumer", error))?;
        let started = Instant::now();
        let positioned = loop {
            match position(&consumer, topic, from) {
                // A topic that was just created has no leader everywhere yet.
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

    /// The next record; `None` once the reader has caught up with what was there when it began. Fails when it reads no more,
    /// because it may not, or the topic is gone.
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

    /// What the connection complained of since the last record.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.consumer.context().lock().clone()
    }
}

impl Drop for LogReader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.records.close();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has closed the channel.
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

/// Whether reading may go on after an error.
fn passes(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{TopicAuthorizationFailed, UnknownTopicOrPartition};
    let code = error.rdkafka_error_code();
    code.is_none_or(|code| ![TopicAuthorizationFailed, UnknownTopicOrPartition].contains(&code))
}

/// Offsets that a reader has still to come to, by partition.
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
        // Before the times are looked for: what comes in between is behind this end, and is read.
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
            // Nothing was as late.
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
            Some(Err(error)) if passes(&error) => {
                // The connection's context tells it, if it lasts.
                tracing::debug!(%error, "reading the log");
                continue;
            }
            Some(Err(error)) => {
                // Nobody may listen any more.
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

/// Creates both topics, with what they need. One that is there already is left as it is.
fn create_topics(settings: &LogSettings) -> Result<(), KafkaTransportError> {
    let admin: AdminClient<Context> = settings
        .config(&[])
        .create_with_context(Context::default())
        .map_err(|error| KafkaTransportError::client("admin client", error))?;
    let topic = |name, partitions| {
        NewTopic::new(name, partitions, DEFAULT_REPLICATION)
            .set("message.timestamp.type", "LogAppendTime")
    };
    let topics = [
        topic(&settings.control, 1),
        topic(&settings.results, RESULT_PARTITIONS),
    ];
    let options = reply_topic::options();
    let results = reply_topic::on_a_thread(admin.create_topics(&topics, &options));
    let refused = |topic: &str, reason: &str| {
        KafkaTransportError::Unusable(format!(
            "topic {topic} could not be created ({reason}): create it by hand with message.timestamp.type=LogAppendTime, \
             --control-topic with one partition, or name others by --control-topic and --results-topic"
        ))
    };
    let results = results.map_err(|reason| refused(&settings.control, &reason))?;
    let mut failed = results.into_iter().filter_map(Result::err);
    let failed = failed.find(|(_, code)| *code != RDKafkaErrorCode::TopicAlreadyExists);
    failed.map_or(Ok(()), |(topic, code)| {
        Err(refused(&topic, &code.to_string()))
    })
}
