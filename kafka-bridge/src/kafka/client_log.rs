//! What a client of librdkafka has to say, told to `tracing`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use tracing::{Level, debug, error, info, warn};

/// How long an error is not told again; librdkafka does the same with its own lines.
const SILENCE: Duration = Duration::from_secs(30);

/// Tells lines and errors of one client. While a broker is away there is an error for each attempt to
/// connect, and rdkafka passes a producer's on twice.
#[derive(Debug)]
pub(super) struct ClientLog {
    client: &'static str,
    told: Mutex<HashMap<String, Instant>>,
}

impl ClientLog {
    /// Names the client, as its errors will.
    pub(super) fn new(client: &'static str) -> Self {
        Self {
            client,
            told: Mutex::default(),
        }
    }

    /// Tells one of librdkafka's log lines.
    pub(super) fn line(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let client = self.client;
        // Properties are given to both clients, and each warns of those that only the other one has.
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
            // Asked for by whoever wants to read debug lines, and by this crate, which only listens.
            _ if !tracing::enabled!(Level::DEBUG) => {}
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                info!(client, facility, message, "librdkafka");
            }
            RDKafkaLogLevel::Debug => debug!(client, facility, message, "librdkafka"),
        }
    }

    /// Tells an error, unless it was told just now.
    pub(super) fn error(&self, error: &KafkaError, reason: &str) {
        let client = self.client;
        if self.is_news(format!("{error} {reason}"), Instant::now()) {
            warn!(client, %error, reason, "kafka");
        } else {
            debug!(client, %error, reason, "kafka, again");
        }
    }

    fn is_news(&self, text: String, now: Instant) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        // What was told long ago is forgotten, so that this never holds more than a while brings.
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
