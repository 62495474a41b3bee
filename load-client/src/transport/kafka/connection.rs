//! The two clients joined to one transport.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::producer::RequestProducer;
use super::replies::ReplyConsumer;
use super::{KafkaSettings, KafkaTransportError};
use crate::scenario::Request;
use crate::transport::{Pending, Transport};

/// A connected transport: topics checked, reply consumer assigned and positioned.
pub struct KafkaTransport {
    producer: RequestProducer,
    /// `None` when only publishing. Dropping it stops its thread.
    consumer: Option<ReplyConsumer>,
    pending: Pending,
}

impl KafkaTransport {
    /// Connects, checks the topics and positions the reply consumer. Blocks for up to ten seconds.
    ///
    /// # Errors
    ///
    /// When a setting is refused, no broker answers, or a topic cannot be used; the error names
    /// the flag to change.
    pub fn connect(settings: &KafkaSettings) -> Result<Self, KafkaTransportError> {
        let pending = Pending::default();
        let producer = RequestProducer::connect(settings, pending.clone())?;
        let consumer = if settings.publish_only {
            None
        } else {
            Some(ReplyConsumer::connect(settings, pending.clone())?)
        };
        Ok(Self {
            producer,
            consumer,
            pending,
        })
    }

    /// As [`KafkaTransport::connect`], on a thread of its own, so that signals are seen meanwhile.
    ///
    /// # Errors
    ///
    /// As [`KafkaTransport::connect`].
    pub async fn connect_in_background(
        settings: Arc<KafkaSettings>,
    ) -> Result<Self, KafkaTransportError> {
        let (done, connected) = oneshot::channel();
        std::thread::spawn(move || {
            // Nobody listens when the run was stopped before it began.
            let _ = done.send(Self::connect(&settings));
        });
        connected
            .await
            .unwrap_or(Err(KafkaTransportError::Interrupted))
    }

    /// Why no reply can arrive any more, once that is certain.
    #[must_use]
    pub fn defunct(&self) -> Option<String> {
        self.pending.defunct()
    }

    /// Replies that nobody waited for: late, or of somebody else.
    #[must_use]
    pub fn unmatched_replies(&self) -> u64 {
        self.consumer.as_ref().map_or(0, ReplyConsumer::unmatched)
    }
}

impl Transport for KafkaTransport {
    fn pending(&self) -> &Pending {
        &self.pending
    }

    fn send(&self, request: &Request) {
        self.producer.send(request);
    }
}
