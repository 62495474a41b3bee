//! Handles changes of the assignment. librdkafka calls this from within `poll`, and nothing waits here.

mod commits;
mod leaving;
mod notice;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::types::RDKafkaRespErr;
use tokio::sync::mpsc::UnboundedSender;
use tracing::{error, warn};

use self::leaving::{Leaving, unassign};
use super::assignment::Assignment;
use super::commit_metadata::DEFAULT_ROOM;
use super::doubts::Doubt;
use super::fetch_watch::FetchWatch;
use super::lag;
use crate::kafka::client_log::ClientLog;
use crate::kafka::token::Tokens;
use crate::offsets::Position;
use crate::ports::SourceEvent;
use crate::telemetry::labels::BridgeLabel;
use crate::telemetry::metric_names;
use crate::{Error, TopicPartition};

/// The consumer's context: follows the assignment and informs the dispatch.
pub(super) struct ConsumerEvents {
    events: UnboundedSender<Result<SourceEvent, Error>>,
    assignment: Mutex<Assignment>,
    /// The final position of each partition that is still held. Set when the dispatch has ended.
    last: Mutex<Option<Vec<Position>>>,
    revocation_timeout: Duration,
    log: ClientLog,
    watch: Mutex<FetchWatch>,
    /// Whether the bridge itself held records back since the last look at the statistics.
    held_back: AtomicBool,
    doubts: Mutex<Vec<Doubt>>,
    has_doubts: AtomicBool,
    cluster_id: OnceLock<String>,
    /// Whether the committed metadata of a partition is still to be read.
    awaits_answers: AtomicBool,
    /// How many bytes of metadata an offset may have.
    metadata_room: AtomicUsize,
    /// Counts all notifications. A change shows that a poll without a message was not in vain.
    heard: AtomicU64,
    leaving: Mutex<Option<Leaving>>,
    guard: OnceLock<Thread>,
    pub(super) label: BridgeLabel,
    /// For a cluster that requires tokens.
    tokens: Option<Tokens>,
}

impl ConsumerEvents {
    pub(super) fn new(
        events: UnboundedSender<Result<SourceEvent, Error>>,
        revocation_timeout: Duration,
        watch: FetchWatch,
        tokens: Option<Tokens>,
    ) -> Self {
        Self {
            events,
            assignment: Mutex::default(),
            last: Mutex::default(),
            revocation_timeout,
            label: watch.label().clone(),
            log: ClientLog::new("consumer"),
            watch: Mutex::new(watch),
            held_back: AtomicBool::new(false),
            doubts: Mutex::default(),
            has_doubts: AtomicBool::new(false),
            cluster_id: OnceLock::new(),
            awaits_answers: AtomicBool::new(false),
            metadata_room: AtomicUsize::new(DEFAULT_ROOM),
            heard: AtomicU64::new(0),
            leaving: Mutex::default(),
            guard: OnceLock::new(),
            tokens,
        }
    }

    /// Sets the guard thread, which does all that blocks.
    pub(super) fn set_guard(&self, guard: Thread) {
        let _ = self.guard.set(guard);
    }

    fn wake_guard(&self) {
        if let Some(guard) = self.guard.get() {
            guard.unpark();
        }
    }

    pub(super) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    fn hear(&self) {
        self.heard.fetch_add(1, Ordering::Relaxed);
    }

    /// Sends an event. If the receiver has gone, nobody needs it.
    pub(super) fn tell(&self, event: Result<SourceEvent, Error>) {
        let _ = self.events.send(event);
    }

    /// Fixes all positions: from now on a revoked partition is committed at its position here.
    pub(super) fn close(&self, positions: Vec<Position>) {
        *lock(&self.last) = Some(positions);
    }

    /// Returns the positions that are still to be committed after [`ConsumerEvents::close`].
    pub(super) fn uncommitted(&self) -> Vec<Position> {
        lock(&self.last).clone().unwrap_or_default()
    }

    /// Takes out the final positions of partitions; `None` while the dispatch still runs.
    fn take_last(&self, partitions: &[TopicPartition]) -> Option<Vec<Position>> {
        let mut last = lock(&self.last);
        let held = last.as_mut()?;
        let taken = held.extract_if(.., |position| {
            partitions.contains(&position.topic_partition)
        });
        Some(taken.collect())
    }

    /// Returns the number of assignments so far.
    pub(super) fn generation(&self) -> u64 {
        lock(&self.assignment).generation
    }

    /// Returns a partition that shares its topic's name, and its generation, which is 0 when not assigned.
    pub(super) fn locate(&self, topic: &str, partition: i32) -> (TopicPartition, u64) {
        lock(&self.assignment).locate(topic, partition)
    }

    fn count(&self, kind: &'static str) {
        self.label
            .count(metric_names::REBALANCES, [("kind", kind.into())]);
    }

    fn assign(&self, list: &TopicPartitionList) {
        self.count("assign");
        let partitions = partitions(list);
        let generation = self.add(&partitions);
        {
            let watch = lock(&self.watch);
            watch.group_is_open();
            partitions
                .iter()
                .for_each(|one| watch.topic_is_open(&one.topic));
        }
        if !partitions.is_empty() {
            self.doubt([Doubt::Assigned(partitions.clone())]);
        }
        // Sent before the assignment takes effect, so before any of its records.
        self.tell(Ok(SourceEvent::Assigned {
            partitions,
            generation,
        }));
    }

    /// Gives up partitions that the group has already taken away. Partitions that were reported lost are not reported
    /// again.
    fn lose(&self, partitions: Vec<TopicPartition>) {
        self.take_last(&partitions);
        let lost = self.forget(partitions);
        if !lost.is_empty() {
            lock(&self.watch).evicted();
            self.tell(Ok(SourceEvent::Lost(lost)));
        }
    }

    /// Notes that the member left its group because the thread did not poll in time: another member may own the
    /// partitions by now. librdkafka revokes them as lost with the next poll.
    pub(super) fn max_poll_exceeded(&self) {
        self.label.count(metric_names::MAX_POLL_EXCEEDED, []);
        let all = lock(&self.assignment).partitions();
        self.lose(all);
    }

    fn forget(&self, partitions: Vec<TopicPartition>) -> Vec<TopicPartition> {
        let removed = lock(&self.assignment).remove(partitions);
        let mut watch = lock(&self.watch);
        for partition in &removed {
            lag::show(&self.label, partition, 0);
            watch.forget(partition);
        }
        removed
    }

    /// Returns whether a partition is assigned now.
    fn is_assigned(&self, TopicPartition { topic, partition }: &TopicPartition) -> bool {
        self.locate(topic, *partition).1 > 0
    }
}

impl ConsumerContext for ConsumerEvents {
    /// Accepts new partitions at once. Revoked ones go when the dispatch has released them.
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        kind: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        self.hear();
        match kind {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                self.assign(list);
                assign(consumer, list);
            }
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => self.revoke(consumer, list),
            other => {
                error!(error = %Code::from(other), "rebalance failed");
                unassign(consumer, list);
            }
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        self.hear();
        // The result is an error only if every partition failed, so check each one.
        let failed = self.failed(offsets);
        self.hear_refusals(&result, offsets);
        if let Err(error) = result {
            self.log.error(&error, "offsets not committed");
            if error.rdkafka_error_code() == Some(Code::GroupAuthorizationFailed) {
                lock(&self.watch).hear(&error, "offsets not committed: not authorized");
            }
            self.tell(Ok(SourceEvent::CommitFailed(partitions(offsets))));
            return;
        }
        lock(&self.watch).group_is_open();
        if !failed.is_empty() {
            warn!(
                partitions = failed.len(),
                "offsets of some partitions not committed"
            );
            self.tell(Ok(SourceEvent::CommitFailed(failed)));
        }
    }
}

/// Tells librdkafka to fetch the partitions that the group has assigned.
fn assign(consumer: &BaseConsumer<ConsumerEvents>, list: &TopicPartitionList) {
    let assigned = match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(list),
        _ => consumer.assign(list),
    };
    if let Err(error) = assigned {
        error!(%error, "partitions not assigned");
    }
}

/// Locks a mutex. Each change under these locks is one step, so the data is whole even after a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn partitions(list: &TopicPartitionList) -> Vec<TopicPartition> {
    let elements = list.elements();
    elements
        .iter()
        .map(|element| TopicPartition::new(element.topic(), element.partition()))
        .collect()
}

#[cfg(test)]
mod tests;
