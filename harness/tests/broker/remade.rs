//! Positions that are no longer in the log: the request topic is deleted and created again, or retention overtakes the
//! group.

use std::collections::BTreeMap;
use std::time::Duration;

use harness::stack::Stack;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::{Instant, sleep};

use crate::batch::{numbered, producer, send};
use crate::group::Group;
use crate::support::requester::Requester;
use crate::support::{self, LIMIT};
use crate::{stack, start, until_at_least};

const REMADE: &str = "kafka_bridge_remade_partitions_total";
const DELETED: &str = "kafka_bridge_deleted_unread_records_total";

fn admin(stack: &Stack) -> AdminClient<DefaultClientContext> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", stack.bootstrap_servers());
    config.create().unwrap()
}

async fn delete_topic(stack: &Stack, topic: &str) {
    let deleted = admin(stack)
        .delete_topics(&[topic], &AdminOptions::new())
        .await;
    assert!(deleted.unwrap().iter().all(Result::is_ok));
}

/// Deletes the topic and creates it again, as fast as the broker allows.
async fn remake(stack: &Stack, topic: &str, partitions: i32) {
    delete_topic(stack, topic).await;
    let admin = admin(stack);
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    let deadline = Instant::now() + LIMIT;
    loop {
        let created = admin.create_topics([&new], &AdminOptions::new()).await;
        if created.unwrap().iter().all(Result::is_ok) {
            return;
        }
        assert!(Instant::now() < deadline, "the topic is not created again");
    }
}

/// Sends all at once, by a client that has not seen the topic before.
fn send_at_once(stack: &Stack, requester: &Requester, topic: &str, ids: &[String]) {
    send(&producer(stack, &[]), requester, topic, ids);
}

async fn until_committed(group: &Group, wanted: &[(i32, i64)]) {
    let wanted: BTreeMap<i32, i64> = wanted.iter().copied().collect();
    let deadline = Instant::now() + LIMIT;
    while group.committed() != wanted {
        assert!(
            Instant::now() < deadline,
            "committed: {:?}, wanted: {wanted:?}",
            group.committed()
        );
        sleep(Duration::from_millis(50)).await;
    }
}

/// Requests that are sent while no member runs are found only through the committed offset.
#[tokio::test]
async fn h26_apache_kafka_only_a_topic_made_anew_while_the_service_idles_is_read_from_its_beginning()
 {
    let stack = stack().await;
    let (name, topic) = ("idle", "idle-createOrder");
    let requester = Requester::new(&stack, "idle-", 1).await;
    let service = start(&stack, name, &[]).await;
    let before = numbered("before", 30);
    send_at_once(&stack, &requester, topic, &before);
    requester.replies_to(&before).await;
    let group = Group::of(&stack, name, topic, 1);
    until_committed(&group, &[(0, 30)]).await;

    remake(&stack, topic, 1).await;
    // Positions are committed again every 10 s.
    sleep(Duration::from_secs(12)).await;
    assert_eq!(group.committed().get(&0).copied().unwrap_or(0), 0);
    assert_eq!(support::metric(service.admin(), REMADE).await, 1.0);
    service.stop().await.unwrap();
    let after = numbered("after", 50);
    send_at_once(&stack, &requester, topic, &after);
    let service = start(&stack, name, &[]).await;
    requester.replies_to(&after).await;
    until_committed(&group, &[(0, 50)]).await;
    assert_eq!(support::metric(service.admin(), REMADE).await, 0.0);
    service.stop().await.unwrap();
    stack.stop().await.unwrap();
}

/// The new topic may grow past the old position before the member reads it.
#[tokio::test]
async fn h26_apache_kafka_only_what_is_sent_at_once_to_a_topic_made_anew_is_all_answered() {
    let stack = stack().await;
    for (protocol, remade) in [("classic", 6.0), ("consumer", 0.0)] {
        let name = &format!("running-{protocol}");
        let topic = &format!("{name}-createOrder");
        let requester = Requester::new(&stack, &format!("{name}-"), 2).await;
        let protocol = format!("group.protocol={protocol}");
        let service = start(&stack, name, &["-X", &protocol]).await;
        let group = Group::of(&stack, name, topic, 2);
        for round in 0..3 {
            let before = numbered(&format!("before-{round}"), 100);
            send_at_once(&stack, &requester, topic, &before);
            requester.replies_to(&before).await;
            remake(&stack, topic, 2).await;
            let after = numbered(&format!("after-{round}"), 1000);
            send_at_once(&stack, &requester, topic, &after);
            requester.replies_to(&after).await;
            group.until_lag_is_at_most(0).await;
        }
        // If the broker assigns the partitions, it may assign those of the new topic as new ones.
        until_at_least(service.admin(), REMADE, remade).await;
        service.stop().await.unwrap();
    }
    stack.stop().await.unwrap();
}

/// The commit of another member names the topic that it belongs to.
#[tokio::test]
async fn h26_apache_kafka_only_a_position_of_the_old_topic_is_not_taken_for_one_of_the_new() {
    let stack = stack().await;
    let (name, topic) = ("stale", "stale-createOrder");
    let requester = Requester::new(&stack, "stale-", 1).await;
    let service = start(&stack, name, &[]).await;
    let before = numbered("before", 30);
    send_at_once(&stack, &requester, topic, &before);
    requester.replies_to(&before).await;
    let group = Group::of(&stack, name, topic, 1);
    until_committed(&group, &[(0, 30)]).await;
    let old = group.commits();
    service.stop().await.unwrap();

    remake(&stack, topic, 1).await;
    let after = numbered("after", 50);
    send_at_once(&stack, &requester, topic, &after);
    // Like a member that does not know about the new topic yet.
    group.commit(&old);
    let service = start(&stack, name, &[]).await;
    requester.replies_to(&after).await;
    until_committed(&group, &[(0, 50)]).await;
    assert_eq!(support::metric(service.admin(), REMADE).await, 1.0);
    service.stop().await.unwrap();
    stack.stop().await.unwrap();
}

async fn delete_records(stack: &Stack, topic: &str, before: i64) {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(before))
        .unwrap();
    let deleted = admin(stack)
        .delete_records(&list, &AdminOptions::new())
        .await;
    deleted.unwrap();
}

#[tokio::test]
async fn h26_apache_kafka_only_records_that_were_deleted_unread_are_counted_once() {
    let stack = stack().await;
    let (name, topic) = ("retention", "retention-createOrder");
    let requester = Requester::new(&stack, "retention-", 1).await;
    let group = Group::of(&stack, name, topic, 1);
    let service = start(&stack, name, &[]).await;
    let read = numbered("read", 10);
    send_at_once(&stack, &requester, topic, &read);
    requester.replies_to(&read).await;
    until_committed(&group, &[(0, 10)]).await;
    service.stop().await.unwrap();

    let unread = numbered("unread", 30);
    send_at_once(&stack, &requester, topic, &unread);
    delete_records(&stack, topic, 25).await;
    let service = start(&stack, name, &[]).await;
    requester.replies_to(&unread[15..]).await;
    until_committed(&group, &[(0, 40)]).await;
    assert_eq!(support::metric(service.admin(), DELETED).await, 15.0);
    assert_eq!(support::metric(service.admin(), REMADE).await, 0.0);
    service.stop().await.unwrap();

    // No record is left to handle, but the group still goes on to the beginning of the log.
    send_at_once(&stack, &requester, topic, &numbered("gone", 20));
    delete_records(&stack, topic, 60).await;
    let service = start(&stack, name, &[]).await;
    until_at_least(service.admin(), DELETED, 20.0).await;
    until_committed(&group, &[(0, 60)]).await;
    assert_eq!(support::metric(service.admin(), DELETED).await, 20.0);
    service.stop().await.unwrap();
    stack.stop().await.unwrap();
}
