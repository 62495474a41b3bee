//! A requester that uses none of this project's libraries: it sends records with literal header names, and reads all
//! records of the reply topic.

use std::collections::BTreeMap;
use std::time::Duration;

use harness::stack::Stack;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};

use super::LIMIT;

pub(crate) const ORDER: &str = r#"{"items":[{"sku":"id-1234","count":1}]}"#;

/// A reply.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) key: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(own, _)| own == name);
        values.next().map(|(_, value)| &**value)
    }

    pub(crate) fn status(&self) -> &str {
        self.header("status-code").unwrap()
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.headers.iter().map(|(name, _)| &**name).collect()
    }
}

/// Sends to one topic by default, and reads the replies of another one.
pub(crate) struct Requester {
    producer: FutureProducer,
    consumer: StreamConsumer,
    topic: String,
    pub(crate) reply_topic: String,
}

impl Requester {
    /// Creates `<prefix>createOrder` and its reply topic, and reads the reply topic.
    pub(crate) async fn new(stack: &Stack, prefix: &str, partitions: i32) -> Self {
        let topic = format!("{prefix}createOrder");
        let reply_topic = format!("{topic}.reply");
        stack.create_topic(&topic, partitions).await.unwrap();
        stack.create_topic(&reply_topic, 1).await.unwrap();
        Self::on(stack, &topic, &reply_topic)
    }

    /// A requester with existing topics.
    pub(crate) fn on(stack: &Stack, topic: &str, reply_topic: &str) -> Self {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", stack.bootstrap_servers())
            .set("linger.ms", "0");
        config
            .set("group.id", "unused")
            .set("enable.auto.commit", "false");
        config.extend(stack.client_properties());
        let consumer = listen(&config, reply_topic);
        Self {
            producer: config.create().unwrap(),
            consumer,
            topic: topic.to_owned(),
            reply_topic: reply_topic.to_owned(),
        }
    }

    /// Sends exactly this record, waits until the broker has it, and returns its partition and offset.
    pub(crate) async fn send_raw(
        &self,
        key: &str,
        value: Option<&[u8]>,
        headers: &[(&str, &[u8])],
    ) -> (i32, i64) {
        self.send_to(&self.topic, key, value, headers).await
    }

    /// Sends exactly this record to any topic.
    pub(crate) async fn send_to(
        &self,
        topic: &str,
        key: &str,
        value: Option<&[u8]>,
        headers: &[(&str, &[u8])],
    ) -> (i32, i64) {
        let headers = headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| {
                headers.insert(Header {
                    key,
                    value: Some(*value),
                })
            });
        let mut record = FutureRecord::<str, [u8]>::to(topic)
            .key(key)
            .headers(headers);
        record.payload = value;
        let delivery = self.producer.send(record, LIMIT).await.unwrap();
        (delivery.partition, delivery.offset)
    }

    /// Sends a request with the seed's headers. Returns its partition and offset.
    pub(crate) async fn send(&self, id: &str, body: &str) -> (i32, i64) {
        let echo = format!("x-request-id:{id}");
        let headers: [(&str, &[u8]); 2] = [
            ("reply-to", self.reply_topic.as_bytes()),
            ("x-reply-set-header", echo.as_bytes()),
        ];
        self.send_raw(id, Some(body.as_bytes()), &headers).await
    }

    /// Waits for the next reply to any request.
    pub(crate) async fn next_reply(&self) -> Reply {
        // If the broker is down for a while, the consumer reports an error, and then reads on.
        let message = tokio::time::timeout(LIMIT, async {
            loop {
                match self.consumer.recv().await {
                    Err(KafkaError::MessageConsumption(
                        Code::AllBrokersDown | Code::BrokerTransportFailure,
                    )) => {}
                    received => return received.unwrap(),
                }
            }
        });
        let message = message.await.expect("a reply within the limit");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = message.headers().into_iter().flat_map(Headers::iter);
        Reply {
            key: message.key().map(text),
            headers: headers
                .map(|header| {
                    (
                        header.key.to_owned(),
                        text(header.value.unwrap_or_default()),
                    )
                })
                .collect(),
            body: message.payload().map(text).unwrap_or_default(),
        }
    }

    /// Sends a request, and waits for the reply with its key.
    pub(crate) async fn ask(&self, id: &str, body: &str) -> Reply {
        self.send(id, body).await;
        let reply = self.next_reply().await;
        assert_eq!(
            reply.key.as_deref(),
            Some(id),
            "the reply to another request: {reply:?}"
        );
        reply
    }

    /// Like `ask`, but earlier records may be answered again, because partitions were lost before a commit.
    pub(crate) async fn ask_after_a_loss(&self, id: &str, body: &str) -> Reply {
        self.send(id, body).await;
        loop {
            let reply = self.next_reply().await;
            if reply.key.as_deref() == Some(id) {
                return reply;
            }
        }
    }

    /// Collects replies by key until every id has at least one.
    pub(crate) async fn replies_to(&self, ids: &[String]) -> BTreeMap<String, Vec<Reply>> {
        let mut replies: BTreeMap<String, Vec<Reply>> = BTreeMap::new();
        while !ids.iter().all(|id| replies.contains_key(id)) {
            let reply = self.next_reply().await;
            replies
                .entry(reply.key.clone().unwrap_or_default())
                .or_default()
                .push(reply);
        }
        replies
    }

    /// Returns the number of replies in the topic, read or not.
    pub(crate) fn replies_in_all(&self) -> i64 {
        self.replies_in(0)
    }

    /// Returns the number of replies in a partition of the topic, read or not.
    pub(crate) fn replies_in(&self, partition: i32) -> i64 {
        let limit = Duration::from_secs(30);
        // The partition may be new.
        let topic = Some(&*self.reply_topic);
        self.consumer.fetch_metadata(topic, limit).unwrap();
        let (first, next) = self
            .consumer
            .fetch_watermarks(&self.reply_topic, partition, limit)
            .unwrap();
        next - first
    }

    /// Whether the cluster has a topic with that name. The question must not create it.
    pub(crate) fn topic_exists(&self, topic: &str) -> bool {
        let metadata = self
            .consumer
            .fetch_metadata(None, Duration::from_secs(30))
            .unwrap();
        metadata.topics().iter().any(|one| one.name() == topic)
    }
}

fn listen(config: &ClientConfig, topic: &str) -> StreamConsumer {
    let consumer: StreamConsumer = config.create().unwrap();
    let mut partitions = TopicPartitionList::new();
    partitions
        .add_partition_offset(topic, 0, Offset::Beginning)
        .unwrap();
    consumer.assign(&partitions).unwrap();
    consumer
}
