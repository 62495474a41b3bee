mod partitioning;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr as Resp};
use tokio::task::JoinSet;

use super::super::reply_topics::MAX_UNPROVEN;
use super::*;
use crate::health::obstacles::Blocked;
use crate::kafka::client_config;
use crate::testing::MemoryBroker;
use crate::{Bridge, Dispatch, Headers, Operation, Record, TopicPartition};

type Cluster = MockCluster<'static, DefaultProducerContext>;

/// A cluster in this process whose topic `r` has two partitions, and its sink.
fn cluster() -> (Cluster, KafkaSink) {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("r", 2, 1).unwrap();
    let sink = sink(&cluster, &[], Obstacles::default());
    (cluster, sink)
}

fn sink(cluster: &Cluster, named: &[&str], obstacles: Obstacles) -> KafkaSink {
    let config = client_config::producer(&cluster.bootstrap_servers(), &[]);
    sink_of(config, named, obstacles)
}

/// A sink with short timeouts.
fn hasty_sink(cluster: &Cluster, named: &[&str], obstacles: Obstacles) -> KafkaSink {
    let mut config = client_config::producer(&cluster.bootstrap_servers(), &[]);
    // Above the waits between attempts to connect.
    config.set("message.timeout.ms", "1000");
    config.set("reconnect.backoff.max.ms", "100");
    sink_of(config, named, obstacles)
}

fn sink_of(config: ClientConfig, named: &[&str], obstacles: Obstacles) -> KafkaSink {
    let named = named.iter().map(|name| (Arc::from(*name), Origin::Typed));
    KafkaSink::start(config, named, None, obstacles, None).unwrap()
}

/// Returns how many records the partitions of `r` hold.
fn counts(cluster: &Cluster) -> [i64; 2] {
    let config = client_config::consumer(&cluster.bootstrap_servers(), "g", &[]);
    let consumer: BaseConsumer = config.create().unwrap();
    [0, 1].map(|partition| {
        let ends = consumer.fetch_watermarks("r", partition, Duration::from_secs(30));
        ends.unwrap().1
    })
}

fn reply(topic: &str, partition: Option<i32>) -> OutboundRecord {
    OutboundRecord {
        topic: topic.into(),
        key: None,
        value: Some("v".into()),
        headers: Headers::default(),
        partition,
    }
}

#[tokio::test]
async fn h15_a_partition_that_the_topic_lacks_is_a_wish_and_not_the_end_of_the_reply() {
    let (cluster, sink) = cluster();
    sink.produce(reply("r", Some(1))).await.unwrap();
    assert_eq!(counts(&cluster), [0, 1]);
    for beyond in [2, 1_000_000, i32::MAX, -1, i32::MIN] {
        sink.produce(reply("r", Some(beyond))).await.unwrap();
    }
    let after = counts(&cluster);
    assert_eq!(after.iter().sum::<i64>(), 6, "{after:?}");
}

#[tokio::test]
async fn h15_a_missing_topic_is_refused_with_and_without_a_partition() {
    let (_cluster, sink) = cluster();
    for partition in [None, Some(0)] {
        let refused = sink.produce(reply("missing", partition)).await.unwrap_err();
        assert!(matches!(refused, ProduceError::Refused(_)), "{refused}");
    }
}
/// Otherwise librdkafka would keep each name, and look for all of them every second.
#[tokio::test]
async fn h15_made_up_topics_do_not_pile_up_and_those_that_exist_are_served_all_the_same() {
    let (cluster, sink) = cluster();
    let mut replies = JoinSet::new();
    for number in 0..MAX_UNPROVEN + 30 {
        let sink = sink.clone();
        let reply = reply(&format!("made-up.{number}"), None);
        replies.spawn(async move { sink.produce(reply).await });
    }
    while let Some(refused) = replies.join_next().await {
        let refused = refused.unwrap().unwrap_err();
        assert!(matches!(refused, ProduceError::Refused(_)), "{refused}");
    }
    assert_eq!(sink.0.topics.unproven(), MAX_UNPROVEN);
    for partition in [Some(1), None] {
        sink.produce(reply("r", partition)).await.unwrap();
    }
    cluster.create_topic("new", 1, 1).unwrap();
    sink.produce(reply("new", None)).await.unwrap();
    let refused = sink.produce(reply("made-up.1000", Some(0))).await;
    assert!(matches!(refused, Err(ProduceError::Refused(_))));
    assert_eq!(sink.0.topics.unproven(), MAX_UNPROVEN);
}

/// Answers the next produce requests with these errors.
fn refuse(cluster: &Cluster, errors: &[Resp]) {
    cluster.request_errors(RDKafkaApiKey::Produce, errors);
}

#[tokio::test]
async fn h25_what_is_refused_in_a_batch_is_sent_again_alone_and_given_up_only_then() {
    let refusals = [
        Resp::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
        Resp::RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE,
        Resp::RD_KAFKA_RESP_ERR_INVALID_RECORD,
    ];
    for refusal in refusals {
        let (cluster, sink) = cluster();
        refuse(&cluster, &[refusal]);
        sink.produce(reply("r", None)).await.unwrap();
        assert_eq!(counts(&cluster).iter().sum::<i64>(), 1);
        refuse(&cluster, &[refusal, refusal]);
        let refused = sink.produce(reply("r", None)).await.unwrap_err();
        assert!(matches!(refused, ProduceError::Refused(_)), "{refused}");
    }
}

/// Waits until the only obstacle, if any, is the expected one.
async fn until_obstacle(obstacles: &Obstacles, topic: Option<&str>) {
    let wanted: Vec<_> = topic
        .map(|topic| Blocked::Produce(topic.into()))
        .into_iter()
        .collect();
    loop {
        let list = obstacles.list().into_iter();
        if list.map(|one| one.blocked).collect::<Vec<_>>() == wanted {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn h25_a_topic_that_the_operator_named_is_waited_for_and_is_an_obstacle_meanwhile() {
    for refusal in [
        Resp::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        Resp::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
        Resp::RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
        Resp::RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP,
    ] {
        let (cluster, _) = cluster();
        cluster.create_topic("other", 1, 1).unwrap();
        let obstacles = Obstacles::default();
        let sink = sink(&cluster, &["r"], obstacles.clone());
        refuse(&cluster, &[refusal; 4]);
        let mut waiting = JoinSet::new();
        for _ in 0..3 {
            let sink = sink.clone();
            waiting.spawn(async move { sink.produce(reply("r", None)).await });
        }
        until_obstacle(&obstacles, Some("r")).await;
        while let Some(produced) = waiting.join_next().await {
            produced.unwrap().unwrap();
        }
        until_obstacle(&obstacles, None).await;
        assert_eq!(counts(&cluster).iter().sum::<i64>(), 3);
        // Nobody waits for a topic that only a requester has named, until it has accepted a record.
        refuse(&cluster, &[refusal]);
        let other = sink.produce(reply("other", None)).await;
        let is_for_all = refusal == Resp::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
        assert_eq!(other.is_ok(), is_for_all, "{other:?}");
        // librdkafka does not notice at once that a topic accepts records again.
        while sink.produce(reply("other", None)).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
        refuse(&cluster, &[refusal]);
        sink.produce(reply("other", None)).await.unwrap();
    }
}

/// The operator created it: if the service may not write to it now, that is not the requesters' fault.
#[tokio::test]
async fn h25_a_derived_topic_that_exists_is_waited_for_before_it_took_a_record() {
    let (cluster, _) = cluster();
    let config = client_config::producer(&cluster.bootstrap_servers(), &[]);
    let expected = ["r", "gone"].map(|topic| (topic.into(), Origin::Derived));
    let sink = KafkaSink::start(config, expected, None, Obstacles::default(), None).unwrap();
    refuse(
        &cluster,
        &[Resp::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED; 2],
    );
    assert_eq!(sink.produce(reply("r", None)).await, Ok(()));
    let missing = sink.produce(reply("gone", None)).await;
    assert!(
        matches!(missing, Err(ProduceError::Refused(_))),
        "{missing:?}"
    );
}

#[tokio::test]
async fn h25_a_named_topic_that_is_missing_is_waited_for_until_nobody_waits() {
    let (cluster, _) = cluster();
    let obstacles = Obstacles::default();
    let sink = sink(&cluster, &["late"], obstacles.clone());
    let produce = |sink: KafkaSink| async move { sink.produce(reply("late", None)).await };
    let waiting = [(); 2].map(|()| tokio::spawn(produce(sink.clone())));
    until_obstacle(&obstacles, Some("late")).await;
    // An abandoned record holds nothing up, even if it was the one that tried.
    for one in waiting {
        one.abort();
    }
    until_obstacle(&obstacles, None).await;
    let waiting = [(); 2].map(|()| tokio::spawn(produce(sink.clone())));
    until_obstacle(&obstacles, Some("late")).await;
    cluster.create_topic("late", 1, 1).unwrap();
    for one in waiting {
        one.await.unwrap().unwrap();
    }
    until_obstacle(&obstacles, None).await;
}

#[tokio::test]
async fn h25_a_dead_letter_topic_that_is_missing_is_told_before_a_letter_needs_it() {
    let (cluster, _) = cluster();
    let obstacles = Obstacles::default();
    let config = client_config::producer(&cluster.bootstrap_servers(), &[]);
    let sink = KafkaSink::start(config, [], Some("dead"), obstacles.clone(), None).unwrap();
    until_obstacle(&obstacles, Some("dead")).await;
    let cause = obstacles.list().remove(0).cause;
    assert!(
        cause.contains("the dead-letter topic does not exist"),
        "{cause}"
    );
    cluster.create_topic("dead", 1, 1).unwrap();
    until_obstacle(&obstacles, None).await;
    sink.produce(reply("dead", None)).await.unwrap();
}

#[tokio::test]
async fn h25_what_waits_for_a_topic_keeps_neither_a_revocation_nor_a_stop() {
    let (cluster, _) = cluster();
    let obstacles = Obstacles::default();
    let sink = sink(&cluster, &["t.reply"], obstacles.clone());
    let app = axum::Router::new().route("/", axum::routing::post(|| async { "done" }));
    let (broker, source) = MemoryBroker::new();
    let bridge = Bridge::builder(app)
        .operation(Operation::post("t", "/").unwrap())
        .dispatch(Dispatch::Tasks)
        .drain_timeout(Duration::from_millis(200))
        .with_ports(source, sink)
        .unwrap();
    let partition = TopicPartition::new("t", 0);
    broker.assign([partition.clone()], 0);
    broker.send(Record::new("t", 0, 0).with_header("reply-to", "t.reply"));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(bridge.with_graceful_shutdown(async {
        let _ = stopped.await;
    }));
    until_obstacle(&obstacles, Some("t.reply")).await;
    let positions = broker.revoke([partition]).await;
    assert_eq!(positions[0].next_offset, 0, "it is for the next owner");
    // Nothing waits for the topic any more.
    until_obstacle(&obstacles, None).await;
    stop.send(()).unwrap();
    let summary = running.await.unwrap().unwrap();
    assert_eq!((summary.abandoned, summary.replied), (0, 0));
    assert_eq!(broker.commits().next_offset("t", 0), Some(0));
}

const LIMIT: Duration = Duration::from_secs(30);

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(LIMIT, future).await;
    ended.expect("an end in time")
}

#[tokio::test]
async fn h25_a_requesters_topic_that_takes_nothing_in_time_is_given_up_where_brokers_are_there() {
    let (cluster, _) = cluster();
    cluster.create_topic("own", 1, 1).unwrap();
    for is_leaderless in [true, false] {
        let obstacles = Obstacles::default();
        let sink = hasty_sink(&cluster, &[], obstacles.clone());
        if is_leaderless {
            cluster.partition_leader("own", 0, None).unwrap();
        } else {
            cluster.partition_leader("own", 0, Some(1)).unwrap();
            refuse(
                &cluster,
                &[Resp::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS; 500],
            );
        }
        let refused = in_time(sink.produce(reply("own", None))).await.unwrap_err();
        assert!(refused.to_string().contains("unlike others"), "{refused}");
        // The next record holds up nobody.
        let next =
            tokio::time::timeout(Duration::from_millis(100), sink.produce(reply("own", None)));
        let refused = next.await.expect("no attempt").unwrap_err();
        assert!(refused.to_string().contains("not tried"), "{refused}");
        assert_eq!(obstacles.list(), []);
        cluster.clear_request_errors(RDKafkaApiKey::Produce);
    }
}

#[tokio::test]
async fn h25_a_requesters_topic_waits_while_brokers_are_away_and_is_told() {
    let (cluster, _) = cluster();
    let obstacles = Obstacles::default();
    let sink = hasty_sink(&cluster, &[], obstacles.clone());
    cluster.broker_down(1).unwrap();
    let waiting = tokio::spawn(async move { sink.produce(reply("r", None)).await });
    in_time(until_obstacle(&obstacles, Some("r"))).await;
    assert!(obstacles.list()[0].is_awaited);
    sleep(Duration::from_secs(4)).await;
    assert!(!waiting.is_finished());
    cluster.broker_up(1).unwrap();
    in_time(waiting).await.unwrap().unwrap();
    assert_eq!(obstacles.list(), []);
}

#[tokio::test]
async fn h25_a_named_topic_without_a_leader_is_waited_for_and_told() {
    let (cluster, _) = cluster();
    cluster.create_topic("own", 1, 1).unwrap();
    cluster.partition_leader("own", 0, None).unwrap();
    let obstacles = Obstacles::default();
    let sink = hasty_sink(&cluster, &["own"], obstacles.clone());
    let waiting = {
        let sink = sink.clone();
        tokio::spawn(async move { sink.produce(reply("own", None)).await })
    };
    in_time(until_obstacle(&obstacles, Some("own"))).await;
    assert!(obstacles.list()[0].is_awaited);
    sink.produce(reply("r", None)).await.unwrap();
    sleep(Duration::from_secs(4)).await;
    assert!(!waiting.is_finished());
    cluster.partition_leader("own", 0, Some(1)).unwrap();
    in_time(waiting).await.unwrap().unwrap();
    assert_eq!(obstacles.list(), []);
}

/// `readOrder.reply` is derived from the name of a topic, and nobody has created it.
#[tokio::test]
async fn h15_a_derived_reply_topic_that_is_missing_stops_nobody() {
    let (cluster, requester) = cluster();
    for topic in ["createOrder", "readOrder", "createOrder.reply"] {
        cluster.create_topic(topic, 1, 1).unwrap();
    }
    let app = axum::Router::new().route("/", axum::routing::post(|| async { "done" }));
    let bridge = Bridge::builder(app)
        .operation(Operation::post("createOrder", "/").unwrap())
        .operation(Operation::post("readOrder", "/").unwrap())
        .dispatch(Dispatch::Serial)
        .connect(&format!("kafka://{}", cluster.bootstrap_servers()), "g");
    let bridge = bridge.unwrap();
    for address in ["readOrder.reply", "createOrder.reply"] {
        let mut request = reply("createOrder", None);
        request.headers.push("reply-to", address);
        requester.produce(request).await.unwrap();
    }
    let running = tokio::spawn(bridge.into_future());
    let config = client_config::consumer(&cluster.bootstrap_servers(), "watch", &[]);
    let consumer: BaseConsumer = config.create().unwrap();
    let answered = async {
        loop {
            let wait = Duration::from_secs(5);
            let ends = consumer.fetch_watermarks("createOrder.reply", 0, wait);
            if ends.unwrap().1 == 1 {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    in_time(answered).await;
    running.abort();
}
