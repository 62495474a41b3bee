//! Looks for partitions that are added to a reply topic while a run goes on. librdkafka does not look when
//! partitions are assigned by hand, and replies on new ones would all seem to be time-outs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::metadata::MetadataPartition;
use rdkafka::{Offset, TopicPartitionList};

use super::replies::PolledConsumer;

/// How often it looks. Well below the usual time-out, so that replies on new partitions are late, not lost.
const LOOK_INTERVAL: Duration = Duration::from_secs(3);
/// How long one look may take, and with it the end of a run without brokers.
const METADATA_TIMEOUT: Duration = Duration::from_secs(1);

/// Reads new partitions from their beginning, until it is to stop. Runs on a thread of its own: the one that
/// stamps replies must not wait for metadata.
pub(super) fn follow(consumer: &PolledConsumer, assigned: TopicPartitionList, stop: &AtomicBool) {
    let mut known = BTreeMap::<String, Vec<i32>>::new();
    for partition in assigned.elements() {
        let topic = known.entry(partition.topic().to_owned()).or_default();
        topic.push(partition.partition());
    }
    loop {
        std::thread::park_timeout(LOOK_INTERVAL);
        if stop.load(Ordering::Relaxed) {
            return;
        }
        for (topic, partitions) in &mut known {
            // What fails now is tried again.
            let Ok(metadata) = consumer
                .client()
                .fetch_metadata(Some(topic), METADATA_TIMEOUT)
            else {
                continue;
            };
            let mut found = metadata.topics().iter();
            let found = found.find(|found| found.name() == topic);
            let there = found.map_or(&[][..], |found| found.partitions());
            let there = there.iter().filter(|own| own.error().is_none());
            let fresh = added(partitions, there.map(MetadataPartition::id));
            if !fresh.is_empty() && read(consumer, topic, &fresh) {
                partitions.extend(fresh);
            }
        }
    }
}

fn added(known: &[i32], there: impl Iterator<Item = i32>) -> Vec<i32> {
    there.filter(|id| !known.contains(id)).collect()
}

fn read(consumer: &PolledConsumer, topic: &str, partitions: &[i32]) -> bool {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        // It came into being after the first request, so that nothing on it is older.
        let added = list.add_partition_offset(topic, *partition, Offset::Beginning);
        if added.is_err() {
            return false;
        }
    }
    match consumer.incremental_assign(&list) {
        Ok(()) => {
            tracing::warn!(
                topic,
                ?partitions,
                "the reply topic has new partitions; replies on them were read late"
            );
            true
        }
        Err(error) => {
            tracing::warn!(topic, %error, "new partitions of the reply topic cannot be read yet");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_not_there_before_is_new() {
        assert_eq!(added(&[0, 1], [0, 1, 2, 3].into_iter()), [2, 3]);
        assert_eq!(added(&[0, 2], [1, 2].into_iter()), [1]);
        assert_eq!(added(&[0], std::iter::empty()), [0; 0]);
    }
}
