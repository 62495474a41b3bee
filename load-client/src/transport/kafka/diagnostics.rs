//! What librdkafka says of itself: logged for whoever asks, and the last of it kept for messages.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;

/// The context of the consumer, and part of the producer's. Clones share the last error.
#[derive(Debug, Clone, Default)]
pub(super) struct Diagnostics {
    last_error: Arc<Mutex<Option<String>>>,
}

impl Diagnostics {
    /// The most recent error of the connection, for example that it was refused.
    pub(super) fn last_error(&self) -> Option<String> {
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
