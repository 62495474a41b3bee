//! A client of the service that uses none of this project's libraries: plain records with the article's header names.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::stack::{Stack, client_config};
use crate::wait;

const REPLY_LIMIT: Duration = Duration::from_secs(30);
const BODY: &str = r#"{"items":[{"sku":"id-1234","count":1}]}"#;

/// A record as it is on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireRecord {
    /// The topic.
    pub topic: String,
    /// The key, if it has one.
    pub key: Option<Vec<u8>>,
    /// Names and values, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// The value, if it has one.
    pub value: Option<Vec<u8>>,
}

/// One request and the reply to it.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) request: WireRecord,
    pub(super) reply: WireRecord,
}

impl Exchange {
    pub(super) async fn of_one_order(
        stack: &Stack,
        topic: &str,
        reply_topic: &str,
        stop: &CancellationToken,
    ) -> Result<Self> {
        let request_id = Uuid::new_v4().to_string();
        let request = request(topic, reply_topic, &request_id);
        // The consumer reads the topic from its beginning, so the reply cannot come too early.
        let consumer = consumer(stack, reply_topic)?;
        let waiting = async {
            send(stack, &request).await?;
            reply_to(&consumer, &request_id).await
        };
        let reply = wait::unless_stopped(stop, timeout(REPLY_LIMIT, waiting)).await?;
        let reply = reply
            .with_context(|| format!("no reply on {reply_topic} within {REPLY_LIMIT:?}"))??;
        Ok(Self { request, reply })
    }

    /// `order:<id>`, with the id from the reply's body.
    pub(super) fn order_key(&self) -> Option<String> {
        let body: serde_json::Value = serde_json::from_slice(self.reply.value.as_deref()?).ok()?;
        Some(format!("order:{}", body.get("id")?.as_str()?))
    }
}

fn request(topic: &str, reply_topic: &str, request_id: &str) -> WireRecord {
    let header = |name: &str, value: String| (name.to_owned(), Some(value.into_bytes()));
    WireRecord {
        topic: topic.to_owned(),
        key: None,
        headers: vec![
            header("reply-to", reply_topic.to_owned()),
            header("x-reply-set-header", format!("x-request-id:{request_id}")),
        ],
        value: Some(BODY.as_bytes().to_vec()),
    }
}

async fn send(stack: &Stack, record: &WireRecord) -> Result<()> {
    let producer: FutureProducer = client(stack)
        .set("linger.ms", "0")
        .create()
        .context("cannot make a producer")?;
    let mut headers = OwnedHeaders::new();
    for (key, value) in &record.headers {
        headers = headers.insert(Header {
            key,
            value: value.as_deref(),
        });
    }
    let mut message = FutureRecord::<[u8], [u8]>::to(&record.topic).headers(headers);
    message.payload = record.value.as_deref();
    message.key = record.key.as_deref();
    match producer.send(message, REPLY_LIMIT).await {
        Ok(_) => Ok(()),
        Err((error, _)) => Err(error).with_context(|| format!("cannot send to {}", record.topic)),
    }
}

/// A consumer without a group, assigned to every partition of the topic from its beginning.
fn consumer(stack: &Stack, topic: &str) -> Result<StreamConsumer> {
    let consumer: StreamConsumer = client(stack)
        // librdkafka needs a group id even without a group.
        .set("group.id", "unused")
        .set("enable.auto.commit", "false")
        .create()
        .context("cannot make a consumer")?;
    let mut partitions = TopicPartitionList::new();
    partitions
        .add_partition_offset(topic, 0, Offset::Beginning)
        .context("cannot position the consumer")?;
    consumer
        .assign(&partitions)
        .context("cannot assign the reply topic")?;
    Ok(consumer)
}

fn client(stack: &Stack) -> ClientConfig {
    client_config(stack.bootstrap_servers(), &stack.client_properties())
}

async fn reply_to(consumer: &StreamConsumer, request_id: &str) -> Result<WireRecord> {
    loop {
        let message = consumer
            .recv()
            .await
            .context("cannot read the reply topic")?;
        let record = wire_record(&message);
        if record
            .header("x-request-id")
            .is_some_and(|id| id == request_id.as_bytes())
        {
            return Ok(record);
        }
        if record.headers.is_empty() {
            bail!(
                "a record without headers on the reply topic {}",
                record.topic
            );
        }
    }
}

fn wire_record(message: &BorrowedMessage<'_>) -> WireRecord {
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    WireRecord {
        topic: message.topic().to_owned(),
        key: message.key().map(<[u8]>::to_vec),
        headers: headers
            .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
            .collect(),
        value: message.payload().map(<[u8]>::to_vec),
    }
}

impl WireRecord {
    fn header(&self, name: &str) -> Option<&[u8]> {
        let mut values = self.headers.iter().filter(|(key, _)| key == name);
        values.next()?.1.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_key_comes_from_the_replys_body() {
        let request = request("t", "t.reply", "id");
        let mut reply = request.clone();
        reply.value = Some(br#"{"id":"4711","items":[]}"#.to_vec());
        let exchange = Exchange { request, reply };
        assert_eq!(exchange.order_key().as_deref(), Some("order:4711"));
    }
}
