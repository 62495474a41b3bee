//! Passes librdkafka's log lines and errors on to `tracing`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use tracing::{Level, debug, error, info, warn};

/// How long a repeated error is not logged again. librdkafka does the same with its own lines.
const SILENCE: Duration = Duration::from_secs(30);

/// Logs the lines and errors of one client. While a broker is away there is an error for each attempt to connect, and
/// rdkafka reports a producer's errors twice.
#[derive(Debug)]
pub(super) struct ClientLog {
    client: &'static str,
    told: Mutex<HashMap<String, Instant>>,
}

impl ClientLog {
    /// Creates the log of the client with this name.
    pub(super) fn new(client: &'static str) -> Self {
        Self {
            client,
            told: Mutex::default(),
        }
    }

    /// Logs one of librdkafka's log lines.
    pub(super) fn line(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let client = self.client;
        // Both clients get all properties, and each warns about those of the other.
        if facility == "CONFWARN" {
            debug!(client, facility, message, "librdkafka");
            return;
        }
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error => error!(client, facility, message, "librdkafka"),
            RDKafkaLogLevel::Warning => warn!(client, facility, message, "librdkafka"),
            // These lines are only enabled for users who read debug lines, and for this crate, which only listens.
            _ if !tracing::enabled!(Level::DEBUG) => {}
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                info!(client, facility, message, "librdkafka");
            }
            RDKafkaLogLevel::Debug => debug!(client, facility, message, "librdkafka"),
        }
    }

    /// Logs an error, unless it was logged recently.
    pub(super) fn error(&self, error: &KafkaError, reason: &str) {
        let client = self.client;
        if self.is_news(format!("{error} {reason}"), Instant::now()) {
            warn!(client, %error, reason, "kafka");
        } else {
            debug!(client, %error, reason, "kafka, repeated");
        }
    }

    fn is_news(&self, text: String, now: Instant) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        // Old entries are dropped, so that the map stays small.
        told.retain(|_, at| now.duration_since(*at) < SILENCE);
        let is_news = !told.contains_key(&text);
        if is_news {
            told.insert(text, now);
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_once_in_a_while_and_each_other_one_at_once() {
        let log = ClientLog::new("consumer");
        let start = Instant::now();
        let is_news = |text: &str, seconds| {
            log.is_news(text.to_owned(), start + Duration::from_secs(seconds))
        };
        assert!(is_news("down", 0));
        assert!(!is_news("down", 0));
        assert!(is_news("unknown topic", 1));
        assert!(!is_news("down", 29));
        assert!(is_news("down", 30), "it still is, after a while");
        assert!(!is_news("unknown topic", 30));
        assert!(is_news("unknown topic", 61));
        assert_eq!(log.told.lock().unwrap().len(), 1, "the rest is forgotten");
    }
}
