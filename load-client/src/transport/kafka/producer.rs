//! Publishes requests. A failed delivery ends its request at once.

use std::collections::HashMap;
use std::time::Instant;

use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use uuid::Uuid;

use crate::scenario::Request;
use crate::transport::kafka::{Context, KafkaSettings, KafkaTransportError, reply_topic, short};
use crate::transport::wire::Wire;
use crate::transport::{Answer, Failure, Pending};

/// The producer, with the parts of a request that stay the same.
pub(super) struct RequestProducer {
    producer: ThreadedProducer<Context>,
    topic: String,
    reply_topic: String,
    wire: Wire,
    /// Headers that all requests with a reply topic share.
    headers: HashMap<String, OwnedHeaders>,
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<Uuid>;

    /// Called on the producer's polling thread.
    fn delivery(&self, result: &DeliveryResult<'_>, id: Box<Uuid>) {
        // The request may have ended already: a reply can overtake the delivery report, and a user may have given up.
        if let Err((error, _)) = result {
            self.refused.get_or_init(|| short(error));
            self.pending.complete(&id, Err(Failure::Send(short(error))));
            return;
        }
        let replied = Instant::now();
        self.pending.acknowledge(&id, replied);
        if self.publish_only {
            let answer = Answer { replied, bytes: 0 };
            self.pending.complete(&id, Ok(answer));
        }
    }
}

impl RequestProducer {
    pub(super) fn connect(
        settings: &KafkaSettings,
        pending: Pending,
    ) -> Result<Self, KafkaTransportError> {
        let context = Context {
            pending,
            publish_only: settings.publish_only,
            ..Context::default()
        };
        let producer: ThreadedProducer<Context> = settings
            .producer_config()
            .create_with_context(context)
            .map_err(|error| KafkaTransportError::client("producer", error))?;
        for topic in settings.topics() {
            let mut partitions =
                reply_topic::partitions(producer.client(), settings.named(), topic)?;
            // One partition of each leader is enough to know whether the leader can be reached.
            partitions.sort_unstable_by(|one, other| one.leader.cmp(&other.leader));
            partitions.dedup_by(|one, other| one.leader == other.leader);
            for partition in &partitions {
                reply_topic::end_offset(producer.client(), settings, topic, partition)?;
            }
        }
        let reply_topics = settings.reply_topics();
        let headers =
            reply_topics.map(|(topic, _)| (topic.into(), common_headers(settings, topic)));
        Ok(Self {
            producer,
            headers: headers.collect(),
            topic: settings.topic.clone(),
            reply_topic: settings.reply_topic.clone(),
            wire: settings.service.wire.clone(),
        })
    }

    /// Hands over one request.
    pub(super) fn send(&self, request: &Request) -> Result<(), String> {
        let topic = request.topic.as_deref().unwrap_or(&self.topic);
        let reply_topic = request.reply_topic.as_deref().unwrap_or(&self.reply_topic);
        let common = self.headers.get(reply_topic).ok_or_else(|| {
            format!(
                "nobody reads replies from {reply_topic}; add it to the settings' more_reply_topics"
            )
        })?;
        let mut headers = common.clone();
        let outgoing = self.wire.outgoing(request)?;
        for (key, value) in &outgoing.headers {
            headers = headers.insert(Header {
                key,
                value: Some(&**value),
            });
        }
        let id = Box::new(request.id);
        let mut record =
            BaseRecord::<[u8], [u8], Box<Uuid>>::with_opaque_to(topic, id).headers(headers);
        record.payload = outgoing.body.as_deref();
        record.key = outgoing.key.as_deref();
        self.producer
            .send(record)
            .map_err(|(error, _)| short(&error))
    }

    /// Returns the number of requests that are handed over and not yet reported on.
    pub(super) fn in_flight(&self) -> usize {
        usize::try_from(self.producer.in_flight_count()).unwrap_or(0)
    }
}

/// Returns the headers that all requests with a reply topic share.
fn common_headers(settings: &KafkaSettings, reply_topic: &str) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new();
    if !settings.publish_only {
        for (key, value) in settings.service.wire.constant_headers(reply_topic) {
            let value = Some(&value);
            headers = headers.insert(Header { key, value });
        }
    }
    for (key, value) in &settings.headers {
        let value = Some(value);
        headers = headers.insert(Header { key, value });
    }
    headers
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::mocking::MockCluster;
    use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

    use super::*;
    use crate::transport::Transport;
    use crate::transport::kafka::config::tests::settings;
    use crate::transport::kafka::{KafkaSettings, KafkaTransport};

    const PARTITIONS: i32 = 7;
    /// Results of `Utils.murmur2` of Java's client, from librdkafka's own test.
    const MURMUR2: [(&str, u32); 6] = [
        ("kafka", 0xd067_cf64),
        ("giberish123456789", 0x8f55_2b0c),
        ("1234", 0x9fc9_7b14),
        ("234", 0xe7c0_09ca),
        ("34", 0x8739_30da),
        ("4", 0x5a4b_5ca1),
    ];

    /// Returns the partition of each key, after a request with that key.
    fn partitions(own: &[(&str, &str)]) -> HashMap<String, i32> {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", PARTITIONS, 1).unwrap();
        let settings = KafkaSettings {
            brokers: cluster.bootstrap_servers(),
            topic: "t".to_owned(),
            publish_only: true,
            ..settings(own)
        };
        let transport = KafkaTransport::connect(&settings, || true).unwrap();
        for (key, _) in MURMUR2 {
            let mut request = Request::new(0);
            request.key = Some(key.into());
            transport.send(&request);
        }
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", cluster.bootstrap_servers());
        let consumer: BaseConsumer = config.set("group.id", "g").create().unwrap();
        let mut all = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            let begin = Offset::Offset(0);
            all.add_partition_offset("t", partition, begin).unwrap();
        }
        consumer.assign(&all).unwrap();
        let mut found = HashMap::new();
        while found.len() < MURMUR2.len() {
            let message = consumer.poll(Duration::from_secs(60)).unwrap().unwrap();
            let key = String::from_utf8(message.key().unwrap().to_vec()).unwrap();
            found.insert(key, message.partition());
        }
        found
    }

    #[test]
    fn a_keyed_request_goes_to_the_partition_that_javas_clients_choose() {
        let found = partitions(&[]);
        for (key, hash) in MURMUR2 {
            let chosen = i32::try_from(hash & 0x7fff_ffff).unwrap() % PARTITIONS;
            assert_eq!(found[key], chosen, "{key}");
        }
        assert_ne!(partitions(&[("partitioner", "consistent_random")]), found);
    }
}
