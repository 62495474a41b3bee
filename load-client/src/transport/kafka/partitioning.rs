//! Keyed requests lie where Java's clients would put them.

use std::collections::HashMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use super::own_topic::SetupGuard;
use super::{KafkaSettings, KafkaTransport, ServiceSettings};
use crate::scenario::Request;
use crate::transport::Transport;

const PARTITIONS: i32 = 7;
/// What `Utils.murmur2` of Java's client makes of a key, as librdkafka's own test has it.
const MURMUR2: [(&str, u32); 6] = [
    ("kafka", 0xd067_cf64),
    ("giberish123456789", 0x8f55_2b0c),
    ("1234", 0x9fc9_7b14),
    ("234", 0xe7c0_09ca),
    ("34", 0x8739_30da),
    ("4", 0x5a4b_5ca1),
];

/// The partition of each key, after a request with each.
fn partitions(own: &[(&str, &str)]) -> HashMap<String, i32> {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", PARTITIONS, 1).unwrap();
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let settings = KafkaSettings {
        brokers: cluster.bootstrap_servers(),
        topic: "t".to_owned(),
        reply_topic: "r".to_owned(),
        body: bytes::Bytes::new(),
        headers: Vec::new(),
        timeout: Duration::from_secs(60),
        publish_only: true,
        properties: own.iter().map(pair).collect(),
        run_id: "test".to_owned(),
        service: ServiceSettings::default(),
    };
    let transport = KafkaTransport::connect_unless(&SetupGuard::default(), &settings).unwrap();
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
