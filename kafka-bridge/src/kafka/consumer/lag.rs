//! How far the committed offsets are behind, taken from librdkafka's statistics.

use std::collections::HashMap;

use metrics::gauge;
use rdkafka::statistics::Statistics;

use crate::TopicPartition;
use crate::telemetry::metric_names;

/// Returns the lag of each partition that has one: up to its first fetch and its first commit
/// there is none to tell.
pub(super) fn of_partitions(statistics: &Statistics) -> HashMap<TopicPartition, i64> {
    let topics = statistics.topics.values();
    let partitions = topics.flat_map(|topic| {
        let partitions = topic.partitions.values();
        partitions.map(|partition| (&*topic.topic, partition))
    });
    partitions
        .filter(|(_, partition)| partition.consumer_lag >= 0)
        .map(|(topic, partition)| {
            let topic_partition = TopicPartition::new(topic, partition.partition);
            (topic_partition, partition.consumer_lag)
        })
        .collect()
}

/// Sets the gauge of a partition; 0 when it is another member's to tell.
pub(super) fn show(TopicPartition { topic, partition }: &TopicPartition, lag: i64) {
    let labels = [
        ("topic", topic.to_string()),
        ("partition", partition.to_string()),
    ];
    gauge!(metric_names::CONSUMER_LAG, &labels).set(lag as f64);
}

#[cfg(test)]
mod tests {
    use rdkafka::statistics::{Partition, Topic};

    use super::*;

    #[test]
    fn only_a_lag_that_is_known_is_told() {
        let partition = |partition, consumer_lag| {
            let fields = Partition {
                partition,
                consumer_lag,
                ..Partition::default()
            };
            (partition, fields)
        };
        let topic = Topic {
            topic: "orders".to_owned(),
            // The partition -1 stands for records that have none yet.
            partitions: [
                partition(0, 7),
                partition(1, 0),
                partition(2, -1),
                partition(-1, -1),
            ]
            .into(),
            ..Topic::default()
        };
        let statistics = Statistics {
            topics: [("orders".to_owned(), topic)].into(),
            ..Statistics::default()
        };
        let at = |partition| TopicPartition::new("orders", partition);
        let expected = HashMap::from([(at(0), 7), (at(1), 0)]);
        assert_eq!(of_partitions(&statistics), expected);
    }
}
