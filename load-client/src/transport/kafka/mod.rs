//! Requests and replies as records on a Kafka cluster. Only this folder names `rdkafka`.

mod config;
mod log;
mod producer;
mod replies;
mod reply_topic;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::{Arc, Mutex, MutexGuard, Once, OnceLock, PoisonError};
use std::thread::JoinHandle;

use kafka_cluster_url::masked_refusal;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedHeaders, Headers as _};
use tokio::sync::oneshot;

use self::producer::RequestProducer;
use self::replies::ReplyConsumer;
use self::reply_topic::OwnTopic;
use crate::scenario::Request;
use crate::transport::{Failure, Pending, Transport};

pub use config::{KafkaSettings, ServiceSettings, built_in_features};

// internal: for the program
pub(crate) use config::{ClientSettings, OWN_REPLY_TOPIC_INFIX, librdkafka_version};
pub(crate) use log::{From, KafkaLog, LogReader, LogSettings, Logged};

/// A connected transport. Its topics are checked, and its reply consumer is assigned and positioned.
pub struct KafkaTransport {
    producer: RequestProducer,
    /// The reply consumer; `None` with `--publish-only`. Dropping it stops its threads.
    consumer: Option<ReplyConsumer>,
    pending: Pending,
    /// The run's own reply topic, deleted on drop. It is the last field, so that the consumer is dropped before.
    _own_topic: Option<OwnTopic>,
}

impl KafkaTransport {
    /// Connects, and blocks meanwhile. It asks `may_create` before it creates a topic.
    fn connect(
        settings: &KafkaSettings,
        may_create: impl FnOnce() -> bool,
    ) -> Result<Self, KafkaTransportError> {
        let pending = Pending::default();
        let producer = RequestProducer::connect(settings, pending.clone())?;
        let (mut consumer, mut own_topic) = (None, None);
        if !settings.publish_only {
            if let Some(partitions) = settings.service.own_reply_topic {
                if !may_create() {
                    return Err(KafkaTransportError::Interrupted);
                }
                own_topic = Some(OwnTopic::create(settings, partitions)?);
            }
            consumer = Some(ReplyConsumer::connect(settings, pending.clone())?);
        }
        Ok(Self {
            producer,
            consumer,
            pending,
            _own_topic: own_topic,
        })
    }

    /// Connects, checks the topics and positions the reply consumer. It waits for up to ten seconds on a separate
    /// thread, so that signals are handled meanwhile.
    ///
    /// # Errors
    ///
    /// Fails when a setting is refused, no broker answers, or a topic cannot be used. The error names the flag to
    /// change.
    pub async fn connect_in_background(
        settings: Arc<KafkaSettings>,
    ) -> Result<Self, KafkaTransportError> {
        let (done, connected) = oneshot::channel();
        // Dropped with this future, when the run is stopped before it has begun.
        let _setup = Setup::begin(move |may_create| {
            // If the receiver is gone, the transport is dropped here and its topic is deleted.
            drop(done.send(Self::connect(&settings, may_create)));
        });
        connected
            .await
            .unwrap_or(Err(KafkaTransportError::Interrupted))
    }

    /// Returns the number of replies without a waiting request: they are late, or answer another client.
    pub(crate) fn unmatched_replies(&self) -> u64 {
        self.consumer.as_ref().map_or(0, ReplyConsumer::unmatched)
    }

    /// Returns the number of requests that librdkafka has and no broker has acknowledged yet.
    pub(crate) fn producer_queue(&self) -> usize {
        self.producer.in_flight()
    }
}

/// The thread that sets up a transport. Dropping this waits until a topic that the thread has created is deleted, or
/// keeps the thread from creating one later.
struct Setup {
    /// Whether a topic may be created. The first one to ask decides.
    may_create: Arc<OnceLock<bool>>,
    thread: Option<JoinHandle<()>>,
}

impl Setup {
    fn begin(work: impl FnOnce(&dyn Fn() -> bool) + Send + 'static) -> Self {
        let may_create = Arc::<OnceLock<bool>>::default();
        let asked = Arc::clone(&may_create);
        let thread = std::thread::spawn(move || work(&|| *asked.get_or_init(|| true)));
        Self {
            may_create,
            thread: Some(thread),
        }
    }
}

impl Drop for Setup {
    fn drop(&mut self) {
        let creates = *self.may_create.get_or_init(|| false);
        if let Some(thread) = self.thread.take().filter(|_| creates) {
            // If the thread panicked, it has already deleted its topic.
            let _ = thread.join();
        }
    }
}

impl Transport for KafkaTransport {
    fn pending(&self) -> &Pending {
        &self.pending
    }

    fn send(&self, request: &Request) {
        if let Err(reason) = self.producer.send(request) {
            let failure = Failure::Send(reason);
            self.pending.complete(&request.id, Err(failure));
        }
    }
}

/// Why the transport could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum KafkaTransportError {
    /// librdkafka refuses a property, or was built without the OpenSSL that the URL or a property needs.
    #[error("{0}")]
    Usage(String),
    /// The cluster or one of its topics cannot be used. The text says what to change.
    #[error("{0}")]
    Unusable(String),
    /// A topic does not exist. The text says what to change.
    #[error("{0}")]
    NoTopic(String),
    /// The set-up was given up.
    #[error("the set-up of the Kafka clients was interrupted")]
    Interrupted,
}

impl KafkaTransportError {
    /// Returns whether the error is the fault of the command line, not of the cluster.
    pub(crate) fn is_usage(&self) -> bool {
        matches!(self, Self::Usage(_))
    }

    /// Returns why a client, for example a producer, could not be built. Secrets are masked.
    #[must_use]
    pub fn client(role: &'static str, source: KafkaError) -> Self {
        match source {
            KafkaError::ClientConfig(_, reason, key, value) => {
                let (value, reason) = masked_refusal(&key, &value, &reason);
                Self::Usage(format!("-X {key}={value}: {reason}"))
            }
            cause => Self::Unusable(format!("the Kafka {role} could not be started: {cause}")),
        }
    }
}

/// The librdkafka context of every client.
#[derive(Default)]
struct Context {
    last_error: Mutex<Option<String>>,
    /// Why the first record that failed could not be delivered.
    refused: OnceLock<String>,
    /// The table for the producer's delivery reports; empty for other clients.
    pending: Pending,
    /// Whether the delivery report is the answer.
    publish_only: bool,
}

impl Context {
    /// Returns why a call failed. The last error of the connection, for example that it was refused, is more useful
    /// than the error of the call.
    fn reason(&self, error: &KafkaError) -> String {
        let last = self.lock().clone();
        last.unwrap_or_else(|| error.to_string())
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        let last = self.last_error.lock();
        last.unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // Always at level debug, because the outcome of a request reports what matters to the user.
        tracing::debug!(?level, facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
        *self.lock() = Some(reason.to_owned());
    }
}

impl ConsumerContext for Context {}

/// Returns the code of an error if it has one, for example `Local: Queue full`.
fn short(error: &KafkaError) -> String {
    let code = error.rdkafka_error_code();
    code.map_or_else(|| error.to_string(), |code| code.to_string())
}

/// Most headers of a reply that are read. Foreign records may have far more.
const MAX_HEADERS: usize = 256;

thread_local! {
    /// Whether this thread is reading a header.
    static LOOKING: Cell<bool> = const { Cell::new(false) };
}

/// Returns the headers whose names are text. rdkafka 0.39 panics at any other name, and has no call that returns bytes.
fn readable(headers: &BorrowedHeaders) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
    let indices = 0..headers.count().min(MAX_HEADERS);
    let seen = indices.filter_map(|index| look(|| headers.try_get(index))?);
    seen.map(|header| (header.key, header.value))
}

fn look<T>(at: impl FnOnce() -> T) -> Option<T> {
    LOOKING.set(true);
    let seen = catch_unwind(AssertUnwindSafe(at));
    LOOKING.set(false);
    seen.ok()
}

/// Installs a panic hook that ignores the panics of unreadable header names, so that they do not write to standard
/// error. It passes all other panics to the previous hook. For a program's `main`.
pub(crate) fn quiet_unreadable_headers() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let others = take_hook();
        set_hook(Box::new(move |panic| {
            // If a panic aborts the process, its message must be printed.
            if cfg!(panic = "abort") || !LOOKING.get() {
                others(panic);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rdkafka::mocking::MockCluster;

    use super::*;

    #[test]
    fn the_queue_holds_what_no_broker_has_acknowledged() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("createOrder", 1, 1).unwrap();
        let settings = KafkaSettings {
            brokers: cluster.bootstrap_servers(),
            publish_only: true,
            ..config::tests::settings(&[])
        };
        let transport = KafkaTransport::connect(&settings, || true).unwrap();
        assert_eq!(transport.producer_queue(), 0);
        // From here on, no acknowledgement arrives before the test ends.
        cluster
            .broker_round_trip_time(1, Duration::from_secs(600))
            .unwrap();
        (0..3).for_each(|_| transport.send(&Request::new(0)));
        assert_eq!(transport.producer_queue(), 3);
    }

    #[test]
    fn what_is_given_up_before_it_begins_is_not_created() {
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let setup = Setup::begin(move |may_create| {
            let _ = gone.recv();
            tell.send(may_create()).unwrap();
        });
        drop(setup);
        drop(go);
        assert_eq!(told.recv(), Ok(false));
    }

    #[test]
    fn giving_up_waits_until_what_was_created_is_gone() {
        let (begun, creating) = std::sync::mpsc::channel();
        let ended = Arc::new(OnceLock::new());
        let seen = Arc::clone(&ended);
        let setup = Setup::begin(move |may_create| {
            begun.send(may_create()).unwrap();
            // A caller that does not wait for this thread has gone on by then.
            std::thread::sleep(Duration::from_millis(50));
            ended.set(()).unwrap();
        });
        assert_eq!(creating.recv(), Ok(true));
        drop(setup);
        assert!(seen.get().is_some());
    }

    #[test]
    fn an_unreadable_header_costs_itself_only() {
        let seen = (0..3).filter_map(|index| {
            look(|| {
                if index == 1 {
                    panic!("as rdkafka does")
                } else {
                    index
                }
            })
        });
        assert_eq!(seen.collect::<Vec<_>>(), [0, 2]);
    }
}
