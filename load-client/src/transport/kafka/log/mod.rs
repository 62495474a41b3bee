//! The two topics that hold a run of several clients together: appends to them in order, and reads them from where a reader
//! asks.

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
/// How long an append is tried: a broker that is restarted is back by then.
const APPEND_TIMEOUT_MS: &str = "120000";
/// Of a record: a second of a thousand kinds of request is larger than Kafka's default of 1 MB.
const MOST_BYTES: &str = "8388608";
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
            ("message.max.bytes", MOST_BYTES),
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
            // A transaction of somebody else must hold up nobody.
            ("isolation.level", "read_uncommitted"),
            ("enable.partition.eof", "true"),
            ("fetch.message.max.bytes", MOST_BYTES),
        ])
    }
}

impl KafkaLog {
    /// Connects, and creates the topics where they are missing if `creates` says so. Waits on a thread of its own.
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
        // Whoever may not create topics may use those that are there.
        if creates && (is_missing(control) || is_missing(results)) {
            create_topics(&settings)?;
            patience = PATIENCE;
        }
        let started = Instant::now();
        let partitions = loop {
            match there(results).and_then(|_| there(control)) {
                // It takes a while until all brokers know what was just created.
                Err(_) if started.elapsed() < patience => std::thread::sleep(RETRY_PAUSE),
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

/// Waits for the cluster on a thread of its own. Whoever gives up does not wait for it.
async fn on_its_own<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KafkaTransportError> + Send + 'static,
) -> Result<T, KafkaTransportError> {
    let (done, finished) = oneshot::channel();
    std::thread::spawn(move || {
        // Nobody may listen any more.
        drop(done.send(work()));
    });
    finished
        .await
        .unwrap_or(Err(KafkaTransportError::Interrupted))
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
