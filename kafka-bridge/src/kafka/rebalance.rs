//! What happens when partitions come and go. Called by librdkafka from within `poll`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::mpsc::UnboundedSender;
use tracing::{debug, error, warn};

use super::client_config;
use crate::offsets::Position;
use crate::ports::{Revocation, SourceEvent};
use crate::{Error, TopicPartition};

/// How much longer than the drain a callback waits, so that the drain's own deadline decides.
const GRACE: Duration = Duration::from_secs(1);

/// The consumer's context: follows the assignment and tells the dispatch of it.
pub(super) struct Rebalancing {
    events: UnboundedSender<Result<SourceEvent, Error>>,
    assignment: Mutex<Assignment>,
    closing: AtomicBool,
    drain_timeout: Duration,
}

/// The generation under which each partition is assigned just now.
#[derive(Debug, Default)]
struct Assignment {
    generation: u64,
    topics: HashMap<Arc<str>, HashMap<i32, u64>>,
}

impl Rebalancing {
    pub(super) fn new(
        events: UnboundedSender<Result<SourceEvent, Error>>,
        drain_timeout: Duration,
    ) -> Self {
        let assignment = Mutex::default();
        Self {
            events,
            assignment,
            closing: AtomicBool::new(false),
            drain_timeout,
        }
    }

    /// Tells an event; `false` when nobody listens any more.
    pub(super) fn tell(&self, event: Result<SourceEvent, Error>) -> bool {
        self.events.send(event).is_ok()
    }

    /// From now on partitions are let go at once: the last commit is done.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// Returns how many assignments there have been.
    pub(super) fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// Returns a partition, its topic's name shared, and its generation; 0 when not assigned.
    pub(super) fn locate(&self, topic: &str, partition: i32) -> (TopicPartition, u64) {
        let assignment = self.lock();
        match assignment.topics.get_key_value(topic) {
            Some((topic, partitions)) => {
                let generation = partitions.get(&partition).copied().unwrap_or(0);
                (
                    TopicPartition {
                        topic: Arc::clone(topic),
                        partition,
                    },
                    generation,
                )
            }
            None => (TopicPartition::new(topic, partition), 0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Assignment> {
        // Every change is one insert or remove, so the map is whole even after a panic.
        self.assignment
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn assign(&self, list: &TopicPartitionList) {
        let partitions = partitions(list);
        let generation = {
            let mut assignment = self.lock();
            assignment.generation += 1;
            let generation = assignment.generation;
            for TopicPartition { topic, partition } in &partitions {
                let of_topic = assignment.topics.entry(Arc::clone(topic)).or_default();
                of_topic.insert(*partition, generation);
            }
            generation
        };
        // Told before the assignment takes effect, so before any of its records.
        self.tell(Ok(SourceEvent::Assigned {
            partitions,
            generation,
        }));
    }

    /// Waits until the dispatch has let the partitions go, then commits where they stand.
    fn revoke(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let partitions = partitions(list);
        if consumer.assignment_lost() {
            self.tell(Ok(SourceEvent::Lost(partitions.clone())));
        } else if !partitions.is_empty() && !self.closing.load(Ordering::Acquire) {
            let positions = self.await_release(partitions.clone());
            commit_before_leaving(consumer, &positions);
        }
        let mut assignment = self.lock();
        for TopicPartition { topic, partition } in &partitions {
            if let Some(of_topic) = assignment.topics.get_mut(topic) {
                of_topic.remove(partition);
            }
        }
    }

    /// Waits for work, not for a commit: no commit could complete before this callback returns.
    fn await_release(&self, partitions: Vec<TopicPartition>) -> Vec<Position> {
        let (sender, released) = mpsc::sync_channel(1);
        let revocation = Revocation::new(partitions, move |positions| {
            // The callback may have given up waiting.
            let _ = sender.send(positions);
        });
        if !self.tell(Ok(SourceEvent::Revoked(revocation))) {
            return Vec::new();
        }
        released
            .recv_timeout(self.drain_timeout + GRACE)
            .unwrap_or_else(|_| {
                warn!("partitions are given up without a commit, their records will come again");
                Vec::new()
            })
    }
}

impl ClientContext for Rebalancing {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client_config::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        warn!(%error, reason, "kafka consumer");
    }
}

impl ConsumerContext for Rebalancing {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => self.assign(list),
            Rebalance::Revoke(list) => self.revoke(consumer, list),
            Rebalance::Error(error) => error!(%error, "rebalance failed"),
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        match result {
            Ok(()) => debug!(partitions = offsets.count(), "offsets committed"),
            Err(error) => {
                warn!(%error, "offsets not committed");
                self.tell(Ok(SourceEvent::CommitFailed(partitions(offsets))));
            }
        }
    }
}

fn commit_before_leaving(consumer: &BaseConsumer<Rebalancing>, positions: &[Position]) {
    if positions.is_empty() {
        return;
    }
    if let Err(error) = consumer.commit(&to_list(positions), CommitMode::Sync) {
        warn!(%error, "offsets of revoked partitions not committed, their records will come again");
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<TopicPartition> {
    let elements = list.elements();
    elements
        .iter()
        .map(|element| TopicPartition::new(element.topic(), element.partition()))
        .collect()
}

/// The one place where positions become what librdkafka commits: next offsets, as they are.
pub(super) fn to_list(positions: &[Position]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(positions.len());
    for Position {
        topic_partition,
        next_offset,
    } in positions
    {
        let TopicPartition { topic, partition } = topic_partition;
        if let Err(error) =
            list.add_partition_offset(topic, *partition, Offset::Offset(*next_offset))
        {
            error!(partition = %topic_partition, %error, "position left out of the commit");
        }
    }
    list
}
