//! Computes how far the committed offsets are behind, from librdkafka's statistics.

use std::collections::HashMap;

use rdkafka::statistics::Statistics;

use crate::TopicPartition;
use crate::telemetry::labels::BridgeLabel;
use crate::telemetry::metric_names;

/// Returns the lag of each partition that has one. A partition has none before its first fetch and its first commit.
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

/// Sets the gauge of a partition, to 0 when another member owns it.
pub(super) fn show(label: &BridgeLabel, partition: &TopicPartition, lag: i64) {
    let gauge = label.of_partition(metric_names::CONSUMER_LAG, partition);
    gauge.set(lag as f64);
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;
    use rdkafka::statistics::{Partition, Topic};

    use super::*;

    #[test]
    fn the_lag_of_one_bridge_is_not_overwritten_by_another_one() {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            let partition = TopicPartition::new("orders", 0);
            show(&BridgeLabel::named("one"), &partition, 7);
            show(&BridgeLabel::named("other"), &partition, 0);
        });
        let told = recorder.handle().render();
        for (bridge, lag) in [("one", 7), ("other", 0)] {
            let labels = format!(r#"topic="orders",partition="0",bridge="{bridge}"#);
            let line = format!("kafka_bridge_consumer_lag_records{{{labels}\"}} {lag}");
            assert!(told.lines().any(|own| own == line), "{line}: {told}");
        }
    }

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
            // The partition -1 stands for records without a partition yet.
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
