//! Requests and replies as records on a Kafka cluster. Only this folder names `rdkafka`.

mod config;
mod expectations;
mod producer;
mod replies;
mod reply_topic;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Instant;

use kafka_cluster_url::{NeedsTls, masked_refusal};
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedHeaders, Headers as _};
use tokio::sync::oneshot;

use self::expectations::{Expectations, Expected};
use self::producer::RequestProducer;
use self::replies::ReplyConsumer;
use self::reply_topic::{OwnTopic, SetupGuard};
use crate::scenario::Request;
use crate::transport::{Pending, Transport};

pub use config::{KafkaSettings, ServiceSettings, built_in_features};

// internal: for the program
pub(crate) use config::{ClientSettings, OWN_REPLY_TOPIC_INFIX, librdkafka_version};

/// A connected transport: topics checked, reply consumer assigned and positioned.
pub struct KafkaTransport {
    producer: RequestProducer,
    /// `None` when only publishing. Dropping it stops its thread.
    consumer: Option<ReplyConsumer>,
    pending: Pending,
    expectations: Expectations,
    /// Deleted when dropped. The last field, so that nobody reads from it any more by then.
    _own_topic: Option<OwnTopic>,
}

impl KafkaTransport {
    /// Blocks; a run that is given up meanwhile creates nothing.
    fn connect_unless(
        guard: &SetupGuard,
        settings: &KafkaSettings,
    ) -> Result<Self, KafkaTransportError> {
        let pending = Pending::default();
        let wire = &settings.service.wire;
        let expected = Expected {
            statuses: Arc::new(wire.expect_status.clone()),
            body: Arc::new(wire.expect_body.clone()),
        };
        let expectations = Expectations::new(expected, settings.timeout);
        let producer = RequestProducer::connect(settings, pending.clone())?;
        let (mut consumer, mut own_topic) = (None, None);
        if !settings.publish_only {
            if !guard.begin() {
                return Err(KafkaTransportError::Interrupted);
            }
            own_topic = OwnTopic::create(settings)?;
            let (pending, expectations) = (pending.clone(), expectations.clone());
            consumer = Some(ReplyConsumer::connect(settings, pending, expectations)?);
        }
        Ok(Self {
            producer,
            consumer,
            pending,
            expectations,
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
        let creates = settings.service.own_reply_topic.is_some();
        let guard = SetupGuard::default();
        // Dropped with this future: by whoever stops the run before it has begun.
        let _waits = WaitsForDeletion(creates.then(|| guard.clone()));
        std::thread::spawn(move || {
            let connected = Self::connect_unless(&guard, &settings);
            // What nobody listens for any more is dropped here, and its topic deleted.
            drop(done.send(connected));
            guard.end();
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

/// Keeps the program from ending before a topic is deleted that it has created.
struct WaitsForDeletion(Option<SetupGuard>);

impl Drop for WaitsForDeletion {
    fn drop(&mut self) {
        if let Some(guard) = &self.0 {
            guard.abandon();
        }
    }
}

impl Transport for KafkaTransport {
    fn pending(&self) -> &Pending {
        &self.pending
    }

    fn send(&self, request: &Request) {
        if self.consumer.is_some() {
            self.expectations.enter(request, Instant::now());
        }
        self.producer.send(request);
    }
}

/// Why the transport could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum KafkaTransportError {
    /// librdkafka refuses a property.
    #[error("-X {key}={value}: {reason}")]
    Property {
        /// The property.
        key: String,
        /// The value given; masked if it is a secret.
        value: String,
        /// What librdkafka says.
        reason: String,
    },
    /// The URL or a property asks for TLS or SCRAM, and librdkafka was built without OpenSSL.
    #[error(transparent)]
    WithoutTls(#[from] NeedsTls),
    /// The cluster or one of its topics cannot be used. The text says what to change.
    #[error("{0}")]
    Unusable(String),
    /// A client could not be built.
    #[error("the Kafka {role} could not be started: {cause}")]
    Client {
        /// Producer, consumer or another.
        role: &'static str,
        /// What librdkafka says.
        cause: KafkaError,
    },
    /// The set-up was given up.
    #[error("the set-up of the Kafka clients was interrupted")]
    Interrupted,
}

impl KafkaTransportError {
    /// Whether the command line is at fault, rather than the cluster.
    pub(crate) fn is_usage(&self) -> bool {
        matches!(self, Self::Property { .. } | Self::WithoutTls(_))
    }

    /// Why a client could not be built, with secrets masked.
    #[must_use]
    pub fn client(role: &'static str, source: KafkaError) -> Self {
        match source {
            KafkaError::ClientConfig(_, reason, key, value) => {
                let (value, reason) = masked_refusal(&key, &value, &reason);
                Self::Property { key, value, reason }
            }
            cause => Self::Client { role, cause },
        }
    }
}

/// The context of the consumer, and part of the producer's. Clones share the last error.
#[derive(Debug, Clone, Default)]
struct Diagnostics {
    last_error: Arc<Mutex<Option<String>>>,
}

impl Diagnostics {
    /// The most recent error of the connection, for example that it was refused.
    fn last_error(&self) -> Option<String> {
        self.last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl ClientContext for Diagnostics {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // Always at debug: what matters to the user is reported by the outcome of a request.
        tracing::debug!(?level, facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
        *self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
    }
}

impl ConsumerContext for Diagnostics {}

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
            topic: "createOrder".to_owned(),
            reply_topic: "createOrder.reply".to_owned(),
            body: bytes::Bytes::new(),
            headers: Vec::new(),
            timeout: Duration::from_secs(60),
            publish_only: true,
            properties: Vec::new(),
            run_id: "test".to_owned(),
            service: ServiceSettings::default(),
        };
        let transport = KafkaTransport::connect_unless(&SetupGuard::default(), &settings).unwrap();
        assert_eq!(transport.producer_queue(), 0);
        // From here on no acknowledgement arrives before the test is over.
        cluster
            .broker_round_trip_time(1, Duration::from_secs(600))
            .unwrap();
        (0..3).for_each(|_| transport.send(&Request::new(0)));
        assert_eq!(transport.producer_queue(), 3);
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
