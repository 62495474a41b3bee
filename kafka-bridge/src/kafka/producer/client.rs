//! Wraps librdkafka's producer, so that each record waits for its delivery report.

use std::collections::HashSet;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::client::OAuthToken;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::metadata::MetadataPartition;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use tokio::sync::oneshot;

use crate::OutboundRecord;
use crate::kafka::client_log::ClientLog;
use crate::kafka::token::{self, Tokens};

/// How long to wait for an answer about topics.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// How long the thread that serves delivery reports waits for one, and how long it outlives the sink. Each wait ends in
/// up to a millisecond of spinning, because rdkafka rounds the rest down to whole milliseconds, so it must not be
/// short. rdkafka's own `FutureProducer` waits 100 ms, which costs an idle process nearly a hundredth of a core.
const REPORT_WAIT: Duration = Duration::from_secs(1);

/// How often the thread looks for the first token.
const TOKEN_WAIT: Duration = Duration::from_millis(20);

/// Creates a producer at its first use, and again after a failure.
pub(super) struct Lane {
    config: ClientConfig,
    tokens: Option<Tokens>,
    client: Mutex<Option<Arc<Client>>>,
}

impl Lane {
    pub(super) fn new(config: ClientConfig, tokens: Option<Tokens>) -> Self {
        let client = Mutex::default();
        Self {
            config,
            tokens,
            client,
        }
    }

    /// Returns the producer, and creates it if there is none.
    pub(super) fn client(&self) -> Result<Arc<Client>, KafkaError> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        match &*client {
            Some(client) => Ok(Arc::clone(client)),
            None => {
                let started = Client::start(&self.config, self.tokens.clone())?;
                Ok(Arc::clone(client.insert(started)))
            }
        }
    }

    /// Drops a producer that accepts no record any more, unless another one has replaced it.
    pub(super) fn renew(&self, failed: &Arc<Client>) {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        client.take_if(|current| Arc::ptr_eq(current, failed));
    }
}

/// A producer, and the thread that serves its delivery reports while it lives.
pub(super) struct Client(Arc<BaseProducer<Reports>>);

/// Passes each delivery report to the record's sender.
struct Reports {
    log: ClientLog,
    tokens: Option<Tokens>,
}

type Report = Result<(), KafkaError>;

impl ClientContext for Reports {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        token::answer(self.tokens.as_ref())
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.log.line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.log.error(&error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<oneshot::Sender<Report>>;

    fn delivery(&self, result: &DeliveryResult<'_>, waiting: Self::DeliveryOpaque) {
        let report = match result {
            Ok(_) => Ok(()),
            Err((error, _)) => Err(error.clone()),
        };
        // The sender may have been abandoned meanwhile.
        let _ = waiting.send(report);
    }
}

impl Client {
    fn start(config: &ClientConfig, tokens: Option<Tokens>) -> Result<Arc<Self>, KafkaError> {
        let reports = Reports {
            log: ClientLog::new("producer"),
            tokens: tokens.clone(),
        };
        let producer = BaseProducer::from_config_and_context(config, reports)?;
        let producer = Arc::new(producer);
        let weak = Arc::downgrade(&producer);
        let serve = move || {
            // Nothing is sent without a token, so there are no reports.
            while weak.strong_count() > 0 && tokens.as_ref().is_some_and(Tokens::is_first_awaited) {
                thread::sleep(TOKEN_WAIT);
            }
            drop(tokens);
            while let Some(producer) = weak.upgrade() {
                producer.poll(REPORT_WAIT);
            }
        };
        let thread = thread::Builder::new().name("kafka-reports".to_owned());
        let started = thread.spawn(serve);
        started.map_err(|error| KafkaError::ClientCreation(error.to_string()))?;
        Ok(Arc::new(Self(producer)))
    }

    /// Hands a record to librdkafka and waits for its delivery report.
    pub(super) async fn send(&self, record: &OutboundRecord) -> Result<(), KafkaError> {
        let (waiting, report) = oneshot::channel();
        let mut message =
            BaseRecord::<[u8], [u8], _>::with_opaque_to(&record.topic, Box::new(waiting))
                .headers(headers(record));
        message.key = record.key.as_deref();
        message.payload = record.value.as_deref();
        message.partition = record.partition;
        self.0.send(message).map_err(|(error, _)| error)?;
        report.await.unwrap_or(Err(KafkaError::Canceled))
    }

    /// Returns the error that has ended this producer, if any.
    pub(super) fn fatal_error(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.0.client().fatal_error()
    }

    /// Asks the brokers for the names of all topics. Blocks.
    pub(super) fn topics(&self) -> Result<HashSet<String>, KafkaError> {
        let all = self.0.client().fetch_metadata(None, ANSWER_WAIT)?;
        Ok(all
            .topics()
            .iter()
            .map(|one| one.name().to_owned())
            .collect())
    }

    /// Asks the brokers whether a topic accepts nothing although the brokers are well. That is so if each of its
    /// partitions has all of its replicas, or if it has no leader while other topics have one. Blocks.
    ///
    /// This asks librdkafka for all topics, because it would keep the name of a single one.
    pub(super) fn is_topics_own_problem(&self, topic: &str) -> Result<bool, KafkaError> {
        let all = self.0.client().fetch_metadata(None, ANSWER_WAIT)?;
        let (mut own, mut others) = (None, false);
        for one in all.topics() {
            if one.name() == topic {
                own = Some(one);
            } else {
                others |= one.partitions().iter().any(|part| part.leader() >= 0);
            }
        }
        let Some(own) = own else {
            return Ok(false);
        };
        let parts = own.partitions();
        let has_no_leader = parts.iter().any(|part| part.leader() < 0);
        let is_whole = |part: &MetadataPartition| part.isr().len() >= part.replicas().len();
        Ok(if has_no_leader {
            others
        } else {
            parts.iter().all(is_whole)
        })
    }

    /// Asks the brokers for one topic, whose name librdkafka then keeps. Returns why the topic cannot be used, if so.
    /// Blocks.
    pub(super) fn look_for(&self, topic: &str) -> Result<Option<RDKafkaErrorCode>, KafkaError> {
        let found = self.0.client().fetch_metadata(Some(topic), ANSWER_WAIT)?;
        let mut found = found.topics().iter();
        Ok(found.find_map(|one| one.error()).map(Into::into))
    }
}

fn headers(record: &OutboundRecord) -> OwnedHeaders {
    let headers = OwnedHeaders::new_with_capacity(record.headers.len());
    record
        .headers
        .iter()
        .fold(headers, |headers, (key, value)| {
            headers.insert(Header {
                key,
                value: value.map(|value| &value[..]),
            })
        })
}
