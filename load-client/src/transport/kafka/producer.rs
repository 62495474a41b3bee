//! Publishes requests. A delivery that fails ends its request at once.

use std::time::Instant;

use rdkafka::ClientContext;
use rdkafka::client::Client;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use uuid::Uuid;

use super::diagnostics::Diagnostics;
use super::{KafkaSettings, KafkaTransportError, preflight};
use crate::scenario::Request;
use crate::transport::wire::Wire;
use crate::transport::{Answer, Failure, Pending};

/// The producer, with the parts of a request that stay the same.
pub(super) struct RequestProducer {
    producer: ThreadedProducer<DeliveryReports>,
    pending: Pending,
    topic: String,
    wire: Wire,
    headers: ConstantHeaders,
}

/// Takes delivery reports, on the producer's polling thread.
struct DeliveryReports {
    pending: Pending,
    /// A report of success is the answer itself.
    publish_only: bool,
    diagnostics: Diagnostics,
}

impl ClientContext for DeliveryReports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.diagnostics.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.diagnostics.error(error, reason);
    }
}

impl ProducerContext for DeliveryReports {
    type DeliveryOpaque = Box<Uuid>;

    fn delivery(&self, result: &DeliveryResult<'_>, id: Box<Uuid>) {
        // Either may find nobody waiting: a reply overtakes its report, a user may have given up.
        match result {
            Err((error, _)) => {
                self.pending.complete(&id, Err(Failure::Send(short(error))));
            }
            Ok(_) => self.acknowledged(&id, Instant::now()),
        }
    }
}

impl DeliveryReports {
    fn acknowledged(&self, id: &Uuid, acked: Instant) {
        self.pending.acknowledge(id, acked);
        if self.publish_only {
            let answer = Answer {
                replied: acked,
                bytes: 0,
            };
            self.pending.complete(id, Ok(answer));
        }
    }
}

impl RequestProducer {
    pub(super) fn connect(
        settings: &KafkaSettings,
        pending: Pending,
    ) -> Result<Self, KafkaTransportError> {
        let diagnostics = Diagnostics::default();
        let context = DeliveryReports {
            pending: pending.clone(),
            publish_only: settings.publish_only,
            diagnostics: diagnostics.clone(),
        };
        let producer: ThreadedProducer<DeliveryReports> = settings
            .producer_config()
            .create_with_context(context)
            .map_err(|error| KafkaTransportError::client("producer", error))?;
        let client: &Client<DeliveryReports> = producer.client();
        for (topic, flag) in settings.topics() {
            let mut partitions = preflight::partitions(client, settings, topic, flag)
                .map_err(|error| error.because(diagnostics.last_error()))?;
            // One of each leader tells whether it can be reached.
            partitions.sort_unstable_by(|one, other| one.leader.cmp(&other.leader));
            partitions.dedup_by(|one, other| one.leader == other.leader);
            for partition in &partitions {
                let last_error = || diagnostics.last_error();
                preflight::watermarks(client, settings, (topic, flag), partition, last_error)?;
            }
        }
        Ok(Self {
            producer,
            pending,
            topic: settings.topic.clone(),
            wire: settings.service.wire.clone(),
            headers: ConstantHeaders::of(settings),
        })
    }

    /// Hands over one request that is registered.
    pub(super) fn send(&self, request: &Request) {
        if let Err(reason) = self.try_send(request) {
            self.pending
                .complete(&request.id, Err(Failure::Send(reason)));
        }
    }

    fn try_send(&self, request: &Request) -> Result<(), String> {
        let id = request.id;
        let mut headers = self.headers.to(request)?;
        let outgoing = self.wire.outgoing(request);
        let outgoing = outgoing.map_err(|error| error.to_string())?;
        for (key, value) in &outgoing.headers {
            headers = headers.insert(Header {
                key,
                value: Some(&**value),
            });
        }
        let topic = request.topic.as_deref().unwrap_or(&self.topic);
        let mut record = BaseRecord::<[u8], [u8], Box<Uuid>>::with_opaque_to(topic, Box::new(id))
            .headers(headers);
        record.payload = outgoing.body.as_deref();
        record.key = outgoing.key.as_deref();
        self.producer
            .send(record)
            .map_err(|(error, _)| short(&error))
    }

    /// Requests handed over and not yet reported on, at this moment.
    pub(super) fn in_flight(&self) -> usize {
        usize::try_from(self.producer.in_flight_count()).unwrap_or(0)
    }
}

/// The code of an error where it has one: `Local: Queue full` without the wrapping.
fn short(error: &KafkaError) -> String {
    let code = error.rdkafka_error_code();
    code.map_or_else(|| error.to_string(), |code| code.to_string())
}

/// Headers that requests have in common, made once for each reply topic.
struct ConstantHeaders {
    usual: OwnedHeaders,
    named: Vec<(String, OwnedHeaders)>,
}

impl ConstantHeaders {
    fn of(settings: &KafkaSettings) -> Self {
        let wire = &settings.service.wire;
        let made = |reply_topic: &str| {
            let mut headers = OwnedHeaders::new();
            if !settings.publish_only {
                for (key, value) in wire.constant_headers(reply_topic) {
                    let value = Some(&value);
                    headers = headers.insert(Header { key, value });
                }
            }
            for (key, value) in &settings.headers {
                let value = Some(value);
                headers = headers.insert(Header { key, value });
            }
            headers
        };
        let all = settings.reply_topics();
        Self {
            usual: made(&settings.reply_topic),
            named: all
                .map(|(topic, _)| (topic.to_owned(), made(topic)))
                .collect(),
        }
    }

    fn to(&self, request: &Request) -> Result<OwnedHeaders, String> {
        let Some(topic) = &request.reply_topic else {
            return Ok(self.usual.clone());
        };
        let found = self.named.iter().find(|(named, _)| **named == **topic);
        found.map(|(_, headers)| headers.clone()).ok_or_else(|| {
            format!("nobody reads replies from {topic}; add it to the settings' more_reply_topics")
        })
    }
}
