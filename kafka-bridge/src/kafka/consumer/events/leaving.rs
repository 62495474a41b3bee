//! Releases partitions: notes those that the group wants back, and gives them back when the dispatch has released them.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, RebalanceProtocol};
use tracing::{debug, error, warn};

use super::{ConsumerEvents, lock, partitions};
use crate::TopicPartition;
use crate::offsets::Position;
use crate::ports::{Revocation, SourceEvent};

/// How much longer than the dispatch's own limit to wait for it, so that the dispatch decides.
const GRACE: Duration = Duration::from_secs(1);

/// Partitions that the group wants back and the dispatch has not released yet.
pub(super) struct Leaving {
    partitions: Vec<TopicPartition>,
    /// Their positions, set when the dispatch has released them.
    released: Arc<Mutex<Option<Vec<Position>>>>,
    /// When they are given back without the dispatch.
    deadline: Instant,
}

impl ConsumerEvents {
    /// Asks the dispatch to release partitions. [`ConsumerEvents::leave`] gives them back to the group when it has.
    /// Meanwhile librdkafka waits and has to be polled.
    pub(super) fn revoke(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let partitions = partitions(list);
        if consumer.assignment_lost() {
            self.count("lost");
            self.lose(partitions);
            return unassign(consumer, list);
        }
        self.count("revoke");
        if partitions.is_empty() {
            return unassign(consumer, list);
        }
        if let Some(positions) = self.take_last(&partitions) {
            return self.give_up(consumer, &partitions, &positions);
        }
        let released = Arc::new(Mutex::default());
        let (place, guard) = (Arc::clone(&released), self.guard.get().cloned());
        let revocation = Revocation::new(partitions.clone(), move |positions| {
            *lock(&place) = Some(positions);
            if let Some(guard) = guard {
                guard.unpark();
            }
        });
        *lock(&self.leaving) = Some(Leaving {
            partitions,
            released,
            deadline: Instant::now() + self.revocation_timeout + GRACE,
        });
        self.tell(Ok(SourceEvent::Revoked(revocation)));
        self.wake_guard();
    }

    /// Gives back the partitions that the dispatch has released, or did not release in time. Returns when to look
    /// again, if some are left. Blocks, so only the guard calls it.
    pub(in crate::kafka) fn leave(&self, consumer: &BaseConsumer<Self>) -> Option<Instant> {
        let mut leaving = lock(&self.leaving);
        let own = leaving.as_ref()?;
        let released = lock(&own.released).take();
        let released = released.or_else(|| self.take_last(&own.partitions));
        if released.is_none() && Instant::now() < own.deadline {
            return Some(own.deadline);
        }
        let own = leaving.take()?;
        drop(leaving);
        if released.is_none() {
            warn!("giving partitions back without a commit, their records will be delivered again");
        }
        self.give_up(consumer, &own.partitions, &released.unwrap_or_default());
        None
    }

    /// Commits the positions of partitions and gives them back to the group.
    fn give_up(
        &self,
        consumer: &BaseConsumer<Self>,
        partitions: &[TopicPartition],
        positions: &[Position],
    ) {
        // Partitions that were lost meanwhile belong to another member.
        if !positions.is_empty() && !consumer.assignment_lost() {
            self.commit_before_leaving(consumer, positions);
        }
        self.forget(partitions.to_vec());
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for TopicPartition { topic, partition } in partitions {
            list.add_partition(topic, *partition);
        }
        unassign(consumer, &list);
    }

    fn commit_before_leaving(&self, consumer: &BaseConsumer<Self>, positions: &[Position]) {
        loop {
            let list = self.to_list(positions);
            if list.count() == 0 {
                return;
            }
            match consumer.commit(&list, CommitMode::Sync) {
                Ok(()) => return debug!(?positions, "offsets of revoked partitions committed"),
                Err(error) if self.shorten_metadata(&error, &list) => {}
                Err(error) => {
                    return warn!(
                        %error,
                        ?positions,
                        "offsets of revoked partitions not committed, their records will be delivered again"
                    );
                }
            }
        }
    }
}

/// Tells librdkafka that the group may have partitions back.
pub(super) fn unassign(consumer: &BaseConsumer<ConsumerEvents>, list: &TopicPartitionList) {
    let unassigned = match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
        _ => consumer.unassign(),
    };
    if let Err(error) = unassigned {
        error!(%error, "partitions not given back");
    }
}
