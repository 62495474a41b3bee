//! Offsets have gaps: the commit has to pass offsets that no consumer gets.

use std::collections::BTreeSet;
use std::time::Duration;

use harness::stack::{Stack, StackOptions};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::sleep;

use crate::group::Group;
use crate::support::requester::{ORDER, Requester};
use crate::support::{self, LIMIT};
use crate::{stack, stack_with, start};

/// The aborted records and the markers are gaps in the offsets.
#[tokio::test]
async fn h2_apache_kafka_only_transactions_leave_gaps_that_the_commit_passes() {
    let stack = stack().await;
    let group = "transactions";
    let requester = Requester::new(&stack, "transactions-", 1).await;
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", stack.bootstrap_servers())
        .set("transactional.id", group)
        .create()
        .unwrap();
    producer.init_transactions(LIMIT).unwrap();
    let mut visible = Vec::new();
    for (transaction, commits) in [true, false, true, false, true].into_iter().enumerate() {
        producer.begin_transaction().unwrap();
        for number in 0..5 {
            let id = format!("{transaction}-{number}");
            let headers = OwnedHeaders::new().insert(Header {
                key: "reply-to",
                value: Some(&requester.reply_topic),
            });
            let record = BaseRecord::to("transactions-createOrder")
                .key(&id)
                .payload(ORDER)
                .headers(headers);
            producer.send(record).map_err(|(error, _)| error).unwrap();
            visible.extend(commits.then_some(id));
        }
        if commits {
            producer.commit_transaction(LIMIT).unwrap();
        } else {
            producer.flush(LIMIT).unwrap();
            producer.abort_transaction(LIMIT).unwrap();
        }
    }
    let service = start(&stack, group, &[]).await;
    let replies = requester.replies_to(&visible).await;
    assert_eq!(replies.len(), visible.len(), "an aborted one was answered");
    // The last record of the log is a marker, which no consumer gets.
    Group::of(&stack, group, "transactions-createOrder", 1)
        .until_lag_is_at_most(1)
        .await;
    service.stop().await.unwrap();
    stack.stop().await.unwrap();
}

async fn create_compacted(stack: &Stack, topic: &str) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", stack.bootstrap_servers())
        .create()
        .unwrap();
    let topic = NewTopic::new(topic, 1, TopicReplication::Fixed(1))
        .set("cleanup.policy", "compact")
        .set("segment.ms", "100")
        .set("min.cleanable.dirty.ratio", "0.01");
    let created = admin.create_topics([&topic], &AdminOptions::new()).await;
    assert!(created.unwrap().iter().all(Result::is_ok));
}

/// The offsets that a consumer gets, from the first to the last.
fn visible_offsets(stack: &Stack, topic: &str) -> Vec<i64> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", stack.bootstrap_servers())
        .set("group.id", "unused")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let (_, end) = consumer.fetch_watermarks(topic, 0, LIMIT).unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Beginning)
        .unwrap();
    consumer.assign(&list).unwrap();
    let mut offsets = Vec::new();
    // The last record is in the active segment, which is never compacted.
    while offsets.last() != Some(&(end - 1)) {
        let message = consumer.poll(LIMIT).expect("a record within the limit");
        offsets.push(message.unwrap().offset());
    }
    offsets
}

#[tokio::test]
async fn h2_apache_kafka_only_compaction_leaves_gaps_that_the_commit_passes() {
    let often = ("log.cleaner.backoff.ms".to_owned(), "200".to_owned());
    let stack = stack_with(StackOptions {
        broker_properties: vec![often],
        ..StackOptions::default()
    })
    .await;
    let (group, topic) = ("compacted", "compacted-createOrder");
    create_compacted(&stack, topic).await;
    let requester = Requester::new(&stack, "compacted-", 1).await;
    let mut sent = Vec::new();
    for round in 0..4 {
        for key in 0..10 {
            let id = format!("{round}-{key}");
            let wish = format!("x-request-id:{id}");
            let headers: [(&str, &[u8]); 2] = [
                ("reply-to", requester.reply_topic.as_bytes()),
                ("x-reply-set-header", wish.as_bytes()),
            ];
            // Half of the keys come back in each round, so that compaction may remove their earlier records.
            let key = format!("key-{}", if key % 2 == 0 { key } else { 100 * round + key });
            let at = requester
                .send_raw(&key, Some(ORDER.as_bytes()), &headers)
                .await;
            sent.push((id, at.1));
        }
        // The next record begins a new segment, because only closed segments are compacted.
        sleep(Duration::from_millis(300)).await;
    }
    support::wait_for("a gap", || {
        visible_offsets(&stack, topic).len() < sent.len()
    });

    let service = start(&stack, group, &[]).await;
    Group::of(&stack, group, topic, 1)
        .until_lag_is_at_most(0)
        .await;
    let visible: BTreeSet<i64> = visible_offsets(&stack, topic).into_iter().collect();
    let mut unanswered: BTreeSet<String> = sent
        .into_iter()
        .filter(|(_, offset)| visible.contains(offset))
        .map(|(id, _)| id)
        .collect();
    while !unanswered.is_empty() {
        let reply = requester.next_reply().await;
        unanswered.remove(reply.header("x-request-id").unwrap());
    }
    service.stop().await.unwrap();
    stack.stop().await.unwrap();
}
