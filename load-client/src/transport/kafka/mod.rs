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

/// A connected transport: topics checked, reply consumer assigned and positioned.
pub struct KafkaTransport {
    producer: RequestProducer,
    /// `None` when only publishing. Dropping it stops its threads.
    consumer: Option<ReplyConsumer>,
    pending: Pending,
    /// Deleted when dropped. The last field, so that nobody reads from it any more by then.
    _own_topic: Option<OwnTopic>,
}

impl KafkaTransport {
    /// Blocks. Asks `may_create` before it creates a topic.
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

    /// Connects, checks the topics and positions the reply consumer. Waits for up to ten seconds, on a thread of
    /// its own, so that signals are seen meanwhile.
    ///
    /// # Errors
    ///
    /// When a setting is refused, no broker answers, or a topic cannot be used; the error names
    /// the flag to change.
    pub async fn connect_in_background(
        settings: Arc<KafkaSettings>,
    ) -> Result<Self, KafkaTransportError> {
        let (done, connected) = oneshot::channel();
        // Dropped with this future: by whoever stops the run before it has begun.
        let _setup = Setup::begin(move |may_create| {
            // What nobody listens for any more is dropped here, and its topic deleted.
            drop(done.send(Self::connect(&settings, may_create)));
        });
        connected
            .await
            .unwrap_or(Err(KafkaTransportError::Interrupted))
    }

    /// Replies that nobody waited for: late, or of somebody else.
    pub(crate) fn unmatched_replies(&self) -> u64 {
        self.consumer.as_ref().map_or(0, ReplyConsumer::unmatched)
    }

    /// Requests handed over to librdkafka and not yet acknowledged by a broker, at this moment.
    pub(crate) fn producer_queue(&self) -> usize {
        self.producer.in_flight()
    }
}

/// The thread that sets a transport up. Dropping this keeps the program from ending before a topic is deleted that
/// the thread has created, and keeps it from creating one later.
struct Setup {
    /// Whether a topic may be created, which is decided by whoever comes first.
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
            // A panic of the thread has already dropped what it created.
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
    /// librdkafka refuses a property, or was built without the OpenSSL that the URL or a property asks for.
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
    /// Whether the command line is at fault, rather than the cluster.
    pub(crate) fn is_usage(&self) -> bool {
        matches!(self, Self::Usage(_))
    }

    /// Why a client, a producer for example, could not be built; with secrets masked.
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

/// The context of every client.
#[derive(Default)]
struct Context {
    last_error: Mutex<Option<String>>,
    /// Why a record could not be delivered, the first of them.
    refused: OnceLock<String>,
    /// The table that a producer's delivery reports end requests in; other clients get an empty one.
    pending: Pending,
    /// A report of success is the answer itself.
    publish_only: bool,
}

impl Context {
    /// Why a call failed: what the connection said last, for example that it was refused, tells more than the
    /// call's own error.
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
        // Always at debug: what matters to the user is reported by the outcome of a request.
        tracing::debug!(?level, facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
        *self.lock() = Some(reason.to_owned());
    }
}

impl ConsumerContext for Context {}

/// The code of an error where it has one: `Local: Queue full` without the wrapping.
fn short(error: &KafkaError) -> String {
    let code = error.rdkafka_error_code();
    code.map_or_else(|| error.to_string(), |code| code.to_string())
}

/// How many headers of a reply are looked at; foreign records may have far more.
const MAX_HEADERS: usize = 256;

thread_local! {
    /// Whether this thread looks at a header just now.
    static LOOKING: Cell<bool> = const { Cell::new(false) };
}

/// Returns the headers whose names are text. At any other name rdkafka 0.39 panics: it has no call that gives the bytes.
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

/// Keeps replies with unreadable header names from writing to standard error, by a panic hook that passes over
/// them and hands all others to the hook that was there. For a program's `main`.
pub(crate) fn quiet_unreadable_headers() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let others = take_hook();
        set_hook(Box::new(move |panic| {
            // Where a panic aborts, its message is the process's last word.
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
        // From here on no acknowledgement arrives before the test is over.
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
            // Whoever does not wait for this is past it by then.
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
