//! If the broker refuses a batch, its records are sent again. If it refuses the topic or the service, they wait.

use std::time::Duration;

use harness::service::Service;
use harness::stack::{Right, Stack, StackKind, StackOptions, authorizer};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use tokio::time::{Instant, sleep};

use crate::group::Group;
use crate::options;
use crate::support::requester::{ORDER, Requester};
use crate::support::{LIMIT, get, metric};

async fn kafka() -> Stack {
    let options = StackOptions {
        broker_properties: authorizer(),
        ..StackOptions::default()
    };
    Stack::start(StackKind::Native, options).await.unwrap()
}

fn admin(stack: &Stack) -> AdminClient<DefaultClientContext> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", stack.bootstrap_servers());
    config.create().unwrap()
}

/// Creates a topic that accepts batches of at most this number of bytes.
async fn create_narrow(stack: &Stack, name: &str, bytes: &str) {
    let topic = NewTopic::new(name, 1, TopicReplication::Fixed(1)).set("max.message.bytes", bytes);
    let made = admin(stack)
        .create_topics([&topic], &AdminOptions::new())
        .await;
    made.unwrap()[0].as_ref().unwrap();
    // The topic exists; this waits until it has a leader.
    stack.create_topic(name, 1).await.unwrap();
}

async fn until_readyz(service: &Service, status: u16, part: &str) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let (now, answer) = get(service.admin(), "/readyz").await;
        if now == status && answer.contains(part) {
            return;
        }
        assert!(Instant::now() < deadline, "not {status} {part}: {answer}");
        sleep(Duration::from_millis(50)).await;
    }
}

async fn send_all(
    requester: &Requester,
    prefix: &str,
    count: usize,
    reply_to: &str,
) -> Vec<String> {
    let ids: Vec<String> = (0..count)
        .map(|number| format!("{prefix}-{number}"))
        .collect();
    let headers = [("reply-to", reply_to.as_bytes())];
    let sent = ids
        .iter()
        .map(|id| requester.send_raw(id, Some(ORDER.as_bytes()), &headers));
    futures_util::future::join_all(sent).await;
    ids
}

#[tokio::test]
async fn h25_apache_kafka_only_small_records_of_a_batch_that_is_too_large_are_not_lost() {
    let stack = kafka().await;
    for (topic, bytes) in [("bulk-createOrder.reply", "1000"), ("bulk.dead", "1000")] {
        create_narrow(&stack, topic, bytes).await;
    }
    let requester = Requester::new(&stack, "bulk-", 1).await;
    let letters = Requester::on(&stack, "bulk-createOrder", "bulk.dead");
    let service = options("bulk", "tasks", &["--dead-letter-topic", "bulk.dead"]);
    // All at once, so that replies gather into batches.
    let ids = send_all(&requester, "small", 2000, &requester.reply_topic).await;
    let service = Service::start(&stack, service).await.unwrap();
    let replies = requester.replies_to(&ids).await;
    assert_eq!(replies.len(), ids.len());

    // The topic does not exist: each reply becomes a dead letter.
    let missing = "bulk-createOrder.reply.missing";
    let ids = send_all(&requester, "dead", 1000, missing).await;
    assert_eq!(letters.replies_to(&ids).await.len(), ids.len());

    // Too large even alone: the dead letter names what it leaves out.
    let large = "x".repeat(4000);
    let headers = [("reply-to", missing.as_bytes())];
    requester
        .send_raw("large", Some(large.as_bytes()), &headers)
        .await;
    let letter = letters.next_reply().await;
    assert_eq!(letter.key.as_deref(), Some("large"));
    assert_eq!(
        letter.header("dead-letter-value"),
        Some("left out, 4000 bytes")
    );
    assert!(
        letter
            .header("dead-letter-cause")
            .unwrap()
            .contains(missing)
    );
    assert_eq!(letter.body, "");
    let skipped = "kafka_bridge_records_total{topic=\"bulk-createOrder\",outcome=\"skipped\"";
    assert_eq!(metric(service.admin(), skipped).await, 0.0);
    service.stop().await.unwrap();
    stack.stop().await.unwrap();
}

#[tokio::test]
async fn h25_apache_kafka_only_a_reply_topic_that_may_not_be_written_keeps_its_requests() {
    let stack = kafka().await;
    let requester = Requester::new(&stack, "deny-", 1).await;
    let own = "deny-createOrder.reply.own";
    stack.create_topic(own, 1).await.unwrap();
    let others = Requester::on(&stack, "deny-createOrder", own);
    let group = Group::of(&stack, "deny", "deny-createOrder", 1);
    let service = options("deny", "tasks", &[]);
    let service = Service::start(&stack, service).await.unwrap();
    assert_eq!(requester.ask("before", ORDER).await.status(), "200");

    let reply_topic = &*requester.reply_topic;
    // First the one topic, then all topics, which denies the producer's identity too.
    for all in [false, true] {
        let before = group.end(0);
        stack.withdraw(reply_topic, Right::Write).await.unwrap();
        let ids = send_all(&requester, "kept", 50, reply_topic).await;
        if all {
            stack.withdraw("*", Right::Write).await.unwrap();
        }
        until_readyz(&service, 503, &format!("producing to {reply_topic}")).await;
        let blocked = metric(service.admin(), "kafka_bridge_blocked{").await;
        assert_eq!(blocked, 1.0);
        if !all {
            assert_eq!(others.ask("meanwhile", ORDER).await.status(), "200");
        }
        // Long enough for a few attempts.
        sleep(Duration::from_secs(6)).await;
        assert!(group.committed().get(&0).is_none_or(|&next| next <= before));
        for topic in ["*", reply_topic] {
            stack.give_back(topic).await.unwrap();
        }
        let replies = requester.replies_to(&ids).await;
        assert_eq!(replies.len(), ids.len());
        until_readyz(&service, 200, "").await;
        assert_eq!(metric(service.admin(), "kafka_bridge_blocked{").await, 0.0);
    }
    service.stop().await.unwrap();
    stack.stop().await.unwrap();
}

#[tokio::test]
async fn h25_apache_kafka_only_a_dead_letter_topic_that_is_missing_is_named_and_waited_for() {
    let stack = kafka().await;
    let requester = Requester::new(&stack, "typo-", 1).await;
    let group = Group::of(&stack, "typo", "typo-createOrder", 1);
    let options = options("typo", "tasks", &["--dead-letter-topic", "typo.daed"]);
    let service = Service::spawn(&stack, &options).unwrap();
    let deadline = Instant::now() + LIMIT;
    while get_if_up(service.admin(), "/readyz")
        .await
        .is_none_or(|answer| !answer.contains("--dead-letter-topic: producing to typo.daed"))
    {
        assert!(Instant::now() < deadline, "the topic is not named");
        sleep(Duration::from_millis(50)).await;
    }
    let missing = "typo-createOrder.reply.missing";
    send_all(&requester, "dead", 1, missing).await;
    // Other requests are served.
    assert_eq!(requester.ask("meanwhile", ORDER).await.status(), "200");
    sleep(Duration::from_secs(5)).await;
    assert_eq!(group.committed().get(&0).copied().unwrap_or(0), 0);

    stack.create_topic("typo.daed", 1).await.unwrap();
    let letters = Requester::on(&stack, "typo-createOrder", "typo.daed");
    assert_eq!(letters.next_reply().await.key.as_deref(), Some("dead-0"));
    until_readyz(&service, 200, "").await;
    group.until_lag_is_at_most(0).await;
    service.stop().await.unwrap();
    stack.stop().await.unwrap();
}

/// An answer, if the service is up.
async fn get_if_up(address: &str, path: &str) -> Option<String> {
    drop(tokio::net::TcpStream::connect(address).await.ok()?);
    Some(get(address, path).await.1)
}

#[tokio::test]
async fn apache_kafka_only_a_reply_goes_to_a_partition_that_its_topic_got_just_now() {
    let stack = kafka().await;
    let requester = Requester::new(&stack, "grown-", 1).await;
    // The service keeps what it knows about the topic for longer than this test.
    let properties = ["-X", "topic.metadata.refresh.interval.ms=600000"];
    let arguments = ["--profile", "spring", properties[0], properties[1]];
    let service = Service::start(&stack, options("grown", "tasks", &arguments));
    let service = service.await.unwrap();
    let send = async |partition: i32| {
        let partition = partition.to_be_bytes();
        let headers: [(&str, &[u8]); 2] = [
            ("kafka_replyTopic", requester.reply_topic.as_bytes()),
            ("kafka_replyPartition", &partition),
        ];
        let order = Some(ORDER.as_bytes());
        requester.send_raw("grown", order, &headers).await;
    };
    send(0).await;
    requester.next_reply().await;

    let two = NewPartitions::new(&requester.reply_topic, 2);
    let admin = admin(&stack);
    let grown = admin.create_partitions([&two], &AdminOptions::new());
    grown.await.unwrap()[0].as_ref().unwrap();
    send(1).await;
    let deadline = Instant::now() + LIMIT;
    while requester.replies_in(0) + requester.replies_in(1) < 2 {
        assert!(Instant::now() < deadline, "no second reply");
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(requester.replies_in(1), 1);

    // A partition that does not exist even then is ignored.
    send(7).await;
    while requester.replies_in(0) + requester.replies_in(1) < 3 {
        assert!(Instant::now() < deadline, "no third reply");
        sleep(Duration::from_millis(50)).await;
    }
    service.stop().await.unwrap();
    stack.stop().await.unwrap();
}
