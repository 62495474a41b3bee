//! Fetches without progress: the service reports each cause, and nothing that only looks like one.

use std::time::Duration;

use harness::service::Service;
use harness::stack::{Right, StackOptions, authorizer};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::producer::Producer;
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use crate::batch::{numbered, producer, send};
use crate::support::requester::{ORDER, Requester};
use crate::support::{self, LIMIT};
use crate::{stack, stack_with, start, until_at_least};

const BLOCKED: &str = "kafka_bridge_blocked";
/// Statistics come often, so that the service notices soon.
const OFTEN: [&str; 2] = ["-X", "statistics.interval.ms=200"];

/// Waits for an answer of this status, and returns it.
async fn until_answered(service: &Service, path: &str, status: u16) -> String {
    let deadline = Instant::now() + LIMIT;
    loop {
        let answer = support::get(service.admin(), path).await;
        if answer.0 == status {
            return answer.1;
        }
        assert!(Instant::now() < deadline, "{path}: {answer:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn h24_apache_kafka_only_a_topic_of_zstd_batches_is_read() {
    let stack = stack().await;
    let topic = "zstd-createOrder";
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", stack.bootstrap_servers())
        .create()
        .unwrap();
    let compressed =
        NewTopic::new(topic, 1, TopicReplication::Fixed(1)).set("compression.type", "zstd");
    let created = admin
        .create_topics([&compressed], &AdminOptions::new())
        .await;
    assert!(created.unwrap().iter().all(Result::is_ok));
    let requester = Requester::new(&stack, "zstd-", 1).await;
    let service = start(&stack, "zstd", &OFTEN).await;
    let ids = numbered("request", 20);
    send(&producer(&stack, &[]), &requester, topic, &ids);
    requester.replies_to(&ids).await;
    assert_eq!(support::metric(service.admin(), BLOCKED).await, 0.0);
    service.stop().await.unwrap();
    stack.stop().await.unwrap();
}

/// Nothing is sent meanwhile: the service notices both without traffic.
#[tokio::test]
async fn h24_apache_kafka_only_a_permission_withdrawn_turns_readiness_red_until_it_is_given_back() {
    let stack = stack_with(StackOptions {
        broker_properties: authorizer(),
        ..StackOptions::default()
    })
    .await;
    let topic = "denied-createOrder";
    let requester = Requester::new(&stack, "denied-", 2).await;
    let service = start(&stack, "denied", &[]).await;
    requester.ask("first", ORDER).await;
    for right in [Right::Read, Right::Describe] {
        stack.withdraw(topic, right).await.unwrap();
        let answer = until_answered(&service, "/readyz", 503).await;
        assert!(answer.contains(topic), "{answer}");
        assert!(answer.contains("Topic authorization failed"), "{answer}");
        stack.give_back(topic).await.unwrap();
        until_answered(&service, "/readyz", 200).await;
        let id = format!("after-{right:?}");
        requester.ask_after_a_loss(&id, ORDER).await;
    }
    assert_eq!(support::metric(service.admin(), BLOCKED).await, 0.0);
    service.stop().await.unwrap();
    stack.stop().await.unwrap();
}

/// A batch on disk is damaged, so that the records behind it cannot be read.
#[tokio::test]
async fn h24_apache_kafka_only_a_corrupt_batch_turns_health_red_with_the_clients_words() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_string_lossy().into_owned();
    let mut stack = stack_with(StackOptions {
        broker_properties: vec![("log.dirs".to_owned(), data)],
        ..StackOptions::default()
    })
    .await;
    let topic = "corrupt-createOrder";
    let requester = Requester::new(&stack, "corrupt-", 1).await;
    let gzip = [("compression.codec", "gzip"), ("linger.ms", "1000")];
    send(
        &producer(&stack, &gzip),
        &requester,
        topic,
        &numbered("damaged", 50),
    );
    send(
        &producer(&stack, &[]),
        &requester,
        topic,
        &numbered("behind", 5),
    );

    let broker = stack.broker_process(0).unwrap();
    broker.signal(Signal::TERM);
    broker.wait().await.unwrap();
    let segment = folder
        .path()
        .join(format!("{topic}-0/00000000000000000000.log"));
    let mut bytes = std::fs::read(&segment).unwrap();
    // Behind the header of the batch, which has 61 bytes.
    bytes[100..140].fill(0xff);
    std::fs::write(&segment, bytes).unwrap();
    stack.respawn_broker(0).unwrap();
    // It answers again.
    requester
        .send_to(&requester.reply_topic, "x", None, &[])
        .await;

    let patience = ["--stuck-after", "8s", "--request-timeout", "1s"];
    let service = start(&stack, "corrupt", &[&OFTEN[..], &patience].concat()).await;
    let answer = until_answered(&service, "/readyz", 503).await;
    assert!(answer.contains("corrupt-createOrder[0]"), "{answer}");
    let answer = until_answered(&service, "/healthz", 503).await;
    assert!(answer.contains("Decompression"), "{answer}");
    service.stop().await.unwrap();
    stack.stop().await.unwrap();
}

/// A restart would not help, because a new process cannot join a group without brokers.
#[tokio::test]
async fn h27_apache_kafka_only_an_outage_above_the_session_time_out_is_no_fault_of_the_member() {
    let mut stack = stack().await;
    let requester = Requester::new(&stack, "away-", 1).await;
    let patience = [
        ("--stuck-after", "4s"),
        ("--request-timeout", "1s"),
        ("-X", "session.timeout.ms=6000"),
    ];
    let patience: Vec<_> = patience
        .iter()
        .flat_map(|(name, value)| [*name, *value])
        .collect();
    let service = start(&stack, "away", &[&OFTEN[..], &patience].concat()).await;
    requester.ask("before", ORDER).await;
    let broker = stack.broker_process(0).unwrap();
    broker.signal(Signal::TERM);
    broker.wait().await.unwrap();
    // It loses its partitions. Only its readiness is red, however long the outage is.
    until_answered(&service, "/readyz", 503).await;
    let lost = Instant::now();
    while lost.elapsed() < Duration::from_secs(12) {
        let answer = support::get(service.admin(), "/healthz").await;
        assert_eq!(answer.0, 200, "{answer:?}");
        sleep(Duration::from_millis(100)).await;
    }
    stack.respawn_broker(0).unwrap();
    until_answered(&service, "/readyz", 200).await;
    requester.ask_after_a_loss("after", ORDER).await;
    service.stop().await.unwrap();
    stack.stop().await.unwrap();
}

/// The end of the log is ahead of the last polled record, or records wait, but nothing is wrong.
#[tokio::test]
async fn h24_apache_kafka_only_markers_at_the_end_and_a_slow_store_are_no_obstacle() {
    let stack = stack().await;
    let topic = "gaps-createOrder";
    let requester = Requester::new(&stack, "gaps-", 1).await;
    let arguments = [&OFTEN[..], &["--max-in-flight", "4"]].concat();
    let service = start(&stack, "gaps", &arguments).await;
    let records = numbered("request", 200);
    let transactional = producer(&stack, &[("transactional.id", "gaps")]);
    transactional.init_transactions(LIMIT).unwrap();
    transactional.begin_transaction().unwrap();
    send(&transactional, &requester, topic, &records);
    transactional.commit_transaction(LIMIT).unwrap();
    requester.replies_to(&records).await;
    transactional.begin_transaction().unwrap();
    send(&transactional, &requester, topic, &numbered("aborted", 5));
    transactional.abort_transaction(LIMIT).unwrap();
    // Both need several checks.
    for _ in 0..2 {
        for _ in 0..20 {
            assert_eq!(support::metric(service.admin(), BLOCKED).await, 0.0);
            sleep(Duration::from_millis(100)).await;
        }
        send(
            &producer(&stack, &[]),
            &requester,
            topic,
            &numbered("late", 100),
        );
        support::stall(&stack, Duration::from_millis(2500));
    }
    let paused = "kafka_bridge_pauses_total";
    until_at_least(service.admin(), paused, 1.0).await;
    service.stop().await.unwrap();
    stack.stop().await.unwrap();
}
