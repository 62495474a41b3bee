//! Sends many requests at once, and keeps their ids.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};

/// Sends records with a hundred keys in turns.
pub(crate) struct Sender {
    producer: FutureProducer,
    topic: String,
    reply_topic: String,
    body: String,
    /// Key and id of each sent record.
    pub(crate) sent: Vec<(String, String)>,
}

const KEYS: usize = 100;

impl Sender {
    pub(crate) fn new(config: &ClientConfig, topic: &str, reply_topic: &str, body: String) -> Self {
        Self {
            producer: config.create().unwrap(),
            topic: topic.to_owned(),
            reply_topic: reply_topic.to_owned(),
            body,
            sent: Vec::new(),
        }
    }

    /// Sends this number of further records, and waits until the broker has them.
    pub(crate) async fn send(&mut self, count: usize) {
        let mut reports = Vec::new();
        for number in self.sent.len()..self.sent.len() + count {
            let (key, id) = (format!("key-{}", number % KEYS), format!("id-{number}"));
            let echo = format!("x-id:{id}");
            let headers: [(&str, &str); 4] = [
                ("reply-to", &self.reply_topic),
                ("x-reply-set-header", &echo),
                ("x-key", &key),
                ("x-id", &id),
            ];
            let headers = headers
                .iter()
                .fold(OwnedHeaders::new(), |headers, (key, value)| {
                    headers.insert(Header {
                        key,
                        value: Some(value.as_bytes()),
                    })
                });
            let record = FutureRecord::to(&self.topic)
                .key(&key)
                .payload(&self.body)
                .headers(headers);
            reports.push(
                self.producer
                    .send_result(record)
                    .map_err(|(error, _)| error)
                    .unwrap(),
            );
            self.sent.push((key, id));
        }
        for report in reports {
            report.await.unwrap().map_err(|(error, _)| error).unwrap();
        }
    }
}
