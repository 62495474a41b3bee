//! Publishes requests. A delivery that fails ends its request at once.

use std::time::Instant;

use rdkafka::ClientContext;
use rdkafka::client::Client;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use uuid::Uuid;

use super::{KafkaSettings, KafkaTransportError, preflight};
use crate::transport::{Failure, Pending};

/// The producer, with the parts of a request that stay the same.
pub(super) struct RequestProducer {
    producer: ThreadedProducer<DeliveryReports>,
    pending: Pending,
    topic: String,
    body: bytes::Bytes,
    headers: OwnedHeaders,
}

/// Takes delivery reports, on the producer's polling thread.
struct DeliveryReports {
    pending: Pending,
    /// A report of success is the answer itself.
    publish_only: bool,
}

impl ClientContext for DeliveryReports {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "producer");
    }
}

impl ProducerContext for DeliveryReports {
    type DeliveryOpaque = Box<Uuid>;

    fn delivery(&self, result: &DeliveryResult<'_>, id: Box<Uuid>) {
        // Either may find nobody waiting: a reply overtakes its report, a user may have given up.
        match result {
            Err((error, _)) => {
                let cause = error
                    .rdkafka_error_code()
                    .map_or_else(|| error.to_string(), |code| code.to_string());
                self.pending.complete(&id, Err(Failure::Send(cause)));
            }
            Ok(_) if self.publish_only => {
                self.pending.complete(&id, Ok(Instant::now()));
            }
            Ok(_) => {}
        }
    }
}

impl RequestProducer {
    pub(super) fn connect(
        settings: &KafkaSettings,
        pending: Pending,
    ) -> Result<Self, KafkaTransportError> {
        let context = DeliveryReports {
            pending: pending.clone(),
            publish_only: settings.publish_only,
        };
        let producer: ThreadedProducer<DeliveryReports> = settings
            .producer_config()
            .create_with_context(context)
            .map_err(|error| KafkaTransportError::client("producer", error))?;
        let client: &Client<DeliveryReports> = producer.client();
        preflight::partitions(client, settings, &settings.topic, "--topic")?;
        Ok(Self {
            producer,
            pending,
            topic: settings.topic.clone(),
            body: settings.body.clone(),
            headers: constant_headers(settings),
        })
    }

    /// Hands one registered request over; answers when.
    pub(super) fn send(&self, id: Uuid) -> Instant {
        let echo = format!("x-request-id:{id}");
        let headers = self.headers.clone().insert(Header {
            key: "x-reply-set-header",
            value: Some(&echo),
        });
        let record = BaseRecord::<(), [u8], Box<Uuid>>::with_opaque_to(&self.topic, Box::new(id))
            .payload(&self.body)
            .headers(headers);
        let sent = Instant::now();
        if let Err((error, _)) = self.producer.send(record) {
            let cause = error
                .rdkafka_error_code()
                .map_or_else(|| error.to_string(), |code| code.to_string());
            self.pending.complete(&id, Err(Failure::Send(cause)));
        }
        sent
    }
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
