//! Pauses partitions while there is no room for their records.

use std::collections::BTreeSet;
use std::sync::Arc;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tracing::{debug, warn};

use super::events::ConsumerEvents;

/// Which partitions to pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    All,
    /// These topics, possibly none.
    Topics(Vec<Arc<str>>),
}

impl Pause {
    pub(super) const NOTHING: Self = Self::Topics(Vec::new());

    fn holds(&self, topic: &str) -> bool {
        match self {
            Self::All => true,
            Self::Topics(topics) => topics.iter().any(|own| **own == *topic),
        }
    }
}

/// The current pause, and the generation under which it was applied.
#[derive(Debug)]
pub(super) struct Pauses {
    pause: Pause,
    /// `None` while it is unknown what to pause.
    generation: Option<u64>,
    /// librdkafka keeps the pause of a revoked partition. When the partition comes back it would still be paused, so
    /// this set remembers it.
    partitions: BTreeSet<(String, i32)>,
}

impl Default for Pauses {
    fn default() -> Self {
        Self {
            pause: Pause::NOTHING,
            generation: None,
            partitions: BTreeSet::new(),
        }
    }
}

impl Pauses {
    pub(super) fn is_all(&self) -> bool {
        self.pause == Pause::All
    }

    /// Pauses the assigned partitions that `pause` selects, and resumes the rest. Repeats this when the assignment has
    /// changed, because new partitions are not paused. Returns whether it paused something new.
    pub(super) fn set(&mut self, consumer: &BaseConsumer<ConsumerEvents>, pause: &Pause) -> bool {
        let is_other = self.pause != *pause;
        if !is_other && *pause == Pause::NOTHING {
            return false;
        }
        let generation = Some(consumer.context().generation());
        let is_known = self.generation == generation;
        if !is_other && is_known {
            return false;
        }
        (self.pause, self.generation) = (pause.clone(), None);
        self.resume(consumer);
        if self.pause == Pause::NOTHING {
            return false;
        }
        let assigned = match consumer.assignment() {
            Ok(assigned) => assigned,
            Err(error) => {
                warn!(%error, "partitions not paused");
                return false;
            }
        };
        self.generation = generation;
        let mut paused = TopicPartitionList::new();
        for one in assigned.elements() {
            let is_new = self.pause.holds(one.topic())
                && self
                    .partitions
                    .insert((one.topic().to_owned(), one.partition()));
            if is_new || !is_known && self.pause.holds(one.topic()) {
                paused.add_partition(one.topic(), one.partition());
            }
        }
        if paused.count() == 0 {
            return false;
        }
        debug!(
            ?generation,
            partitions = paused.count(),
            "partitions paused"
        );
        if let Err(error) = consumer.pause(&paused) {
            warn!(%error, "partitions not paused");
        }
        is_other
    }

    /// Resumes partitions that no longer have to be paused.
    fn resume(&mut self, consumer: &BaseConsumer<ConsumerEvents>) {
        let mut resumed = TopicPartitionList::new();
        self.partitions.retain(|(topic, partition)| {
            let stays = self.pause.holds(topic);
            if !stays {
                resumed.add_partition(topic, *partition);
            }
            stays
        });
        if resumed.count() == 0 {
            return;
        }
        debug!(partitions = resumed.count(), "partitions resumed");
        if let Err(error) = consumer.resume(&resumed) {
            warn!(%error, "partitions not resumed");
        }
    }
}
