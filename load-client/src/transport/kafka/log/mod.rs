//! The two topics that coordinate a run of several clients: appends records in order, and reads from a given position.

mod reader;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, NewTopic};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::transport::kafka::config::client_config;
use crate::transport::kafka::reply_topic::{self, DEFAULT_REPLICATION, Named};
use crate::transport::kafka::{Context, KafkaTransportError, short};

pub(crate) use reader::{From, LogReader, Logged};

/// How long the cluster may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// How long an append is tried. A broker that restarts is back by then.
const APPEND_TIMEOUT_MS: &str = "120000";
/// Largest record. A second with a thousand kinds of request is larger than Kafka's default of 1 MB.
const MOST_BYTES: &str = "8388608";
/// Partitions of the results, which are keyed by worker. More partitions would not help.
const RESULT_PARTITIONS: i32 = 8;

/// Where the log is. Not `Debug`: properties hold secrets.
#[derive(Clone)]
pub(crate) struct LogSettings {
    /// `host:port`, comma separated.
    pub(crate) brokers: String,
    /// librdkafka properties. Only those for the connection are used.
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) control: String,
    pub(crate) results: String,
}

/// The log of runs of several clients.
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

    /// Returns the settings of a client. Properties that shape the load do not apply to the log.
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
            ("message.max.bytes", MOST_BYTES),
            ("allow.auto.create.topics", "false"),
        ])
    }

    fn consumer_config(&self) -> ClientConfig {
        self.config(&[
            // The group is never joined, because partitions are assigned by hand. librdkafka still requires an id.
            ("group.id", "load-client-log"),
            ("enable.auto.commit", "false"),
            ("allow.auto.create.topics", "false"),
            ("auto.offset.reset", "earliest"),
            // An open transaction of another client must not block the reader.
            ("isolation.level", "read_uncommitted"),
            ("enable.partition.eof", "true"),
            ("fetch.message.max.bytes", MOST_BYTES),
        ])
    }
}

impl KafkaLog {
    /// Connects. If `creates` is set, creates missing topics. Waits on a separate thread.
    pub(crate) async fn open(
        settings: LogSettings,
        creates: bool,
    ) -> Result<Arc<Self>, KafkaTransportError> {
        let opened = on_its_own(move || Self::connect(settings, creates)).await;
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
        // A client without the right to create topics can still use existing ones.
        if creates && (is_missing(control) || is_missing(results)) {
            create_topics(&settings)?;
            patience = PATIENCE;
        }
        let started = Instant::now();
        let partitions = loop {
            match there(results).and_then(|_| there(control)) {
                // It takes some time until all brokers know a new topic.
                Err(_) if started.elapsed() < patience => std::thread::sleep(RETRY_PAUSE),
                found => break found?,
            }
        };
        if partitions.len() != 1 {
            return Err(KafkaTransportError::Unusable(format!(
                "topic {} has {} partitions, but must have one: create another topic, and name it by --control-topic",
                settings.control,
                partitions.len()
            )));
        }
        Ok(Self { settings, producer })
    }

    /// Returns the brokers, for error messages.
    pub(crate) fn brokers(&self) -> &str {
        &self.settings.brokers
    }

    /// Appends a record to the control log. Returns at once; [`Self::flush`] waits.
    pub(crate) fn control(&self, run: &str, payload: &[u8]) -> Result<(), String> {
        self.append(&self.settings.control, run, payload)
    }

    /// Appends a record to the results.
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

    /// Waits until all records are appended, for at most `patience`. Fails when a record could not be appended.
    pub(crate) fn flush(&self, patience: Duration) -> Result<(), String> {
        let flushed = self.producer.flush(patience);
        self.check()?;
        let reason = |error: &KafkaError| self.refused(&self.producer.context().reason(error));
        flushed.map_err(|error| reason(&error))
    }

    /// Reads the control log.
    pub(crate) async fn read_control(&self, from: From) -> Result<LogReader, KafkaTransportError> {
        let (settings, topic) = (self.settings.clone(), self.settings.control.clone());
        on_its_own(move || LogReader::start(&settings, &topic, from)).await
    }

    /// Reads the results.
    pub(crate) async fn read_results(&self, from: From) -> Result<LogReader, KafkaTransportError> {
        let (settings, topic) = (self.settings.clone(), self.settings.results.clone());
        on_its_own(move || LogReader::start(&settings, &topic, from)).await
    }
}

/// Waits for the cluster on a separate thread. A caller that gives up does not wait for that thread.
async fn on_its_own<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KafkaTransportError> + Send + 'static,
) -> Result<T, KafkaTransportError> {
    let (done, finished) = oneshot::channel();
    std::thread::spawn(move || {
        // The receiver may be gone.
        drop(done.send(work()));
    });
    finished
        .await
        .unwrap_or(Err(KafkaTransportError::Interrupted))
}

/// Creates both topics with their settings. An existing topic is left unchanged.
fn create_topics(settings: &LogSettings) -> Result<(), KafkaTransportError> {
    let admin: AdminClient<Context> = settings
        .config(&[])
        .create_with_context(Context::default())
        .map_err(|error| KafkaTransportError::client("admin client", error))?;
    let topic = |name, partitions| {
        NewTopic::new(name, partitions, DEFAULT_REPLICATION)
            .set("message.timestamp.type", "LogAppendTime")
            .set("max.message.bytes", MOST_BYTES)
    };
    let topics = [
        topic(&settings.control, 1),
        topic(&settings.results, RESULT_PARTITIONS),
    ];
    let options = reply_topic::options();
    let results = reply_topic::on_a_thread(admin.create_topics(&topics, &options));
    let refused = |topic: &str, reason: &str| {
        KafkaTransportError::Unusable(format!(
            "topic {topic} could not be created ({reason}): create it yourself with \
             message.timestamp.type=LogAppendTime, --control-topic with one partition, or name other topics by \
             --control-topic and --results-topic"
        ))
    };
    let results = results.map_err(|reason| refused(&settings.control, &reason))?;
    let mut failed = results.into_iter().filter_map(Result::err);
    let failed = failed.find(|(_, code)| *code != RDKafkaErrorCode::TopicAlreadyExists);
    failed.map_or(Ok(()), |(topic, code)| {
        Err(refused(&topic, &code.to_string()))
    })
}
