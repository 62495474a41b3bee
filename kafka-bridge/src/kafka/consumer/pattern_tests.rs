//! Tests a consumer with a topic pattern against librdkafka's mock broker.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;
use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use tokio::time::timeout;

use crate::kafka::Cluster;
use crate::ports::{Intake, RecordSource, SourceEvent};
use crate::{Operation, ReplyPolicy};

/// Far above the time that the mock takes to form a group again.
const LIMIT: Duration = Duration::from_secs(60);

/// The second topic is created while the consumer runs.
const EXPECTED: [&str; 2] = ["orders.eu", "orders.us"];

fn produce(mock: &MockCluster<'static, DefaultProducerContext>, topic: &str) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", mock.bootstrap_servers());
    let producer: BaseProducer = config.create().unwrap();
    let record = BaseRecord::<str, str>::to(topic).payload("x");
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(LIMIT).unwrap();
}

#[tokio::test]
async fn h15_a_pattern_takes_topics_that_are_made_later_and_none_that_replies_go_to() {
    let mock = MockCluster::new(1).unwrap();
    let kept = [
        "orders.eu.reply",
        "orders.eu.reply.x",
        "__orders.eu",
        "dead.orders",
        "my.orders",
    ];
    let pattern = Operation::pattern(".*orders[.].+|dead.orders", Method::POST, "/").unwrap();
    let matched = pattern.topic_pattern().cloned();
    let policy = ReplyPolicy::derived(Vec::<String>::new())
        .reserve(Some("dead.orders".to_owned()))
        .consuming(matched);
    // The mock admits a member again only after its session expires, 45 s by default.
    let often = [
        ("topic.metadata.refresh.interval.ms", "100"),
        ("session.timeout.ms", "6000"),
        ("heartbeat.interval.ms", "100"),
    ];
    let often = often.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let url = format!("kafka://{}", mock.bootstrap_servers());
    let cluster = Cluster::new(&url, &often).unwrap();
    let cluster = cluster.passing_over(policy.kept()).unwrap();
    for topic in kept.into_iter().chain(["orders.eu"]) {
        mock.create_topic(topic, 1, 1).unwrap();
        produce(&mock, topic);
    }
    let source = cluster.source("group", &[pattern.topic()], Duration::from_secs(1), 8);
    let (mut source, mut seen) = (source.unwrap(), BTreeSet::new());
    for (made, expected) in [None, Some(EXPECTED[1])].into_iter().zip(EXPECTED) {
        if let Some(topic) = made {
            mock.create_topic(topic, 1, 1).unwrap();
            produce(&mock, topic);
        }
        let taken = timeout(LIMIT, async {
            while !seen.contains(expected) {
                match source.next(Intake::Open).await.unwrap() {
                    SourceEvent::Record(record) => {
                        assert!(EXPECTED.contains(&record.topic()), "{}", record.topic());
                        seen.insert(record.topic().to_owned());
                    }
                    SourceEvent::Assigned { partitions, .. } => partitions
                        .iter()
                        .for_each(|one| assert!(EXPECTED.contains(&&*one.topic), "{one}")),
                    SourceEvent::Revoked(revocation) => revocation.release(Vec::new()),
                    _ => {}
                }
            }
        });
        taken.await.expect("within the limit");
    }
}

#[test]
fn a_broker_that_matches_patterns_itself_is_refused() {
    let new = [("group.protocol".to_owned(), "consumer".to_owned())];
    let cluster = || Cluster::new("kafka://127.0.0.1:1", &new).unwrap();
    assert!(cluster().passing_over(Vec::new()).is_ok());
    let refused = cluster()
        .passing_over(vec!["^__.*".to_owned()])
        .unwrap_err();
    assert!(
        refused.to_string().contains("group.protocol=consumer"),
        "{refused}"
    );
}
