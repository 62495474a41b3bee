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
use crate::transport::{Answer, Failure, Pending};

/// The producer, with the parts of a request that stay the same.
pub(super) struct RequestProducer {
    producer: ThreadedProducer<DeliveryReports>,
    pending: Pending,
    topic: String,
    headers: OwnedHeaders,
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
        preflight::partitions(client, settings, &settings.topic, "--topic")
            .map_err(|error| error.because(diagnostics.last_error()))?;
        Ok(Self {
            producer,
            pending,
            topic: settings.topic.clone(),
            headers: constant_headers(settings),
        })
    }

    /// Hands over one request that is registered.
    pub(super) fn send(&self, request: &Request) {
        let id = request.id;
        let echo = format!("x-request-id:{id}");
        let mut headers = self.headers.clone();
        for (key, value) in &request.headers {
            headers = headers.insert(Header {
                key,
                value: Some(&**value),
            });
        }
        let headers = headers.insert(Header {
            key: "x-reply-set-header",
            value: Some(&echo),
        });
        let mut record =
            BaseRecord::<[u8], [u8], Box<Uuid>>::with_opaque_to(&self.topic, Box::new(id))
                .headers(headers);
        record.payload = request.body.as_deref();
        record.key = request.key.as_deref();
        if let Err((error, _)) = self.producer.send(record) {
            self.pending
                .complete(&id, Err(Failure::Send(short(&error))));
        }
    }
}

/// The code of an error where it has one: `Local: Queue full` without the wrapping.
fn short(error: &KafkaError) -> String {
    let code = error.rdkafka_error_code();
    code.map_or_else(|| error.to_string(), |code| code.to_string())
}

fn constant_headers(settings: &KafkaSettings) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new();
    if !settings.publish_only {
        headers = headers.insert(Header {
            key: "reply-to",
            value: Some(&settings.reply_topic),
        });
    }
    for (key, value) in &settings.headers {
        headers = headers.insert(Header {
            key,
            value: Some(value),
        });
    }
    headers
}
