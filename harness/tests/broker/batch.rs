//! Requests in one batch, from the test's own client.

use harness::stack::Stack;
use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::support::LIMIT;
use crate::support::requester::{ORDER, Requester};

pub(crate) fn producer(stack: &Stack, properties: &[(&str, &str)]) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", stack.bootstrap_servers());
    for (name, value) in properties {
        config.set(*name, *value);
    }
    config.create().unwrap()
}

/// Sends all in one batch, and waits until the broker has them.
pub(crate) fn send(producer: &BaseProducer, requester: &Requester, topic: &str, ids: &[String]) {
    for id in ids {
        let headers = OwnedHeaders::new().insert(Header {
            key: "reply-to",
            value: Some(&requester.reply_topic),
        });
        let record = BaseRecord::to(topic)
            .key(id)
            .payload(ORDER)
            .headers(headers);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(LIMIT).unwrap();
}

pub(crate) fn numbered(name: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("{name}-{number}"))
        .collect()
}
