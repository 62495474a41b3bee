//! Checks that replies are on the partitions where Java's clients look for their keys.

use std::collections::HashMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::kafka::Cluster;
use crate::ports::ReplySink;
use crate::{Headers, OutboundRecord};

const PARTITIONS: i32 = 7;
/// The results of `Utils.murmur2` of Java's client, from librdkafka's own test.
const MURMUR2: [(&str, u32); 10] = [
    ("kafka", 0xd067_cf64),
    ("giberish123456789", 0x8f55_2b0c),
    ("1234", 0x9fc9_7b14),
    ("234", 0xe7c0_09ca),
    ("34", 0x8739_30da),
    ("4", 0x5a4b_5ca1),
    ("PreAmbleWillBeRemoved,ThePrePartThatIs", 0x7842_4f1c),
    ("reAmbleWillBeRemoved,ThePrePartThatIs", 0x4a62_b377),
    ("eAmbleWillBeRemoved,ThePrePartThatIs", 0xe0e4_e09e),
    ("AmbleWillBeRemoved,ThePrePartThatIs", 0x62b8_b43f),
];

/// Produces a record of each key to a cluster, and returns the partition of each key.
async fn partitions(own: &[(String, String)]) -> HashMap<String, i32> {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("r", PARTITIONS, 1).unwrap();
    let bridge = Cluster::new(&format!("kafka://{}", cluster.bootstrap_servers()), own).unwrap();
    let sink = bridge.sink([], None).unwrap();
    for (key, _) in MURMUR2 {
        let record = OutboundRecord {
            topic: "r".into(),
            key: Some(key.into()),
            value: Some("v".into()),
            headers: Headers::default(),
            partition: None,
        };
        sink.produce(record).await.unwrap();
    }
    let mut config = rdkafka::ClientConfig::new();
    config.set("bootstrap.servers", cluster.bootstrap_servers());
    let consumer: BaseConsumer = config.set("group.id", "g").create().unwrap();
    let mut all = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        let begin = Offset::Offset(0);
        all.add_partition_offset("r", partition, begin).unwrap();
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

#[tokio::test]
async fn a_keyed_reply_goes_to_the_partition_that_javas_clients_choose() {
    let found = partitions(&[]).await;
    for (key, hash) in MURMUR2 {
        let chosen = i32::try_from(hash & 0x7fff_ffff).unwrap() % PARTITIONS;
        assert_eq!(found[key], chosen, "{key}");
    }
    let own = ("partitioner".to_owned(), "consistent_random".to_owned());
    assert_ne!(partitions(&[own]).await, found);
}
