//! Which partitions are paused, as there is no room for their records.

use std::collections::BTreeSet;
use std::sync::Arc;

use metrics::counter;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tracing::{debug, warn};

use super::events::ConsumerEvents;
use crate::telemetry::metric_names;

/// What is to be paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    All,
    /// These topics; perhaps none.
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

/// What was paused, and under which generation that was all.
#[derive(Debug)]
pub(super) struct Pauses {
    pause: Pause,
    generation: u64,
    /// Kept because librdkafka keeps the pause of a partition that is revoked: when it comes back later it would still
    /// be paused, and nobody would know.
    partitions: BTreeSet<(String, i32)>,
}

impl Default for Pauses {
    fn default() -> Self {
        Self {
            pause: Pause::NOTHING,
            generation: 0,
            partitions: BTreeSet::new(),
        }
    }
}

impl Pauses {
    pub(super) fn is_all(&self) -> bool {
        self.pause == Pause::All
    }

    /// Pauses what is assigned and to be paused, and resumes the rest; again when the assignment has changed, because
    /// new partitions are not paused.
    pub(super) fn set(&mut self, consumer: &BaseConsumer<ConsumerEvents>, pause: &Pause) {
        let is_other = self.pause != *pause;
        if !is_other && *pause == Pause::NOTHING {
            return;
        }
        let generation = consumer.context().generation();
        if !is_other && self.generation == generation {
            return;
        }
        let is_known = self.generation == generation;
        (self.pause, self.generation) = (pause.clone(), generation);
        self.resume(consumer);
        if self.pause == Pause::NOTHING {
            return;
        }
        let assigned = match consumer.assignment() {
            Ok(assigned) => assigned,
            Err(error) => return warn!(%error, "partitions not paused"),
        };
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
            return;
        }
        if is_other {
            counter!(metric_names::PAUSES).increment(1);
        }
        debug!(generation, partitions = paused.count(), "partitions paused");
        if let Err(error) = consumer.pause(&paused) {
            warn!(%error, "partitions not paused");
        }
    }

    /// Resumes what was paused and is not to be.
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
