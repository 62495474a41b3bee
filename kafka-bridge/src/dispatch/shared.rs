//! What the loop and its jobs tell one another while both are at work.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::reply_bytes::ReplyBytes;
use crate::offsets::Oldest;
use crate::{Coordinates, TopicPartition};

/// Shared by the loop and all jobs.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(super) departures: Arc<Departures>,
    pub(super) replying: Replying,
    pub(super) replies: ReplyBytes,
}

impl Shared {
    pub(super) fn new(max_reply_bytes: usize) -> Self {
        Self {
            departures: Arc::default(),
            replying: Replying::default(),
            replies: ReplyBytes::new(max_reply_bytes),
        }
    }
}

/// Which partitions have gone, so that the jobs of their records begin nothing more.
#[derive(Debug, Default)]
pub(super) struct Departures {
    /// How many there have been: a job that has seen as many need not look further.
    count: AtomicU64,
    /// The latest one of each partition.
    latest: watch::Sender<HashMap<TopicPartition, u64>>,
}

impl Departures {
    /// Returns how many departures there have been.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Notes that a partition is another member's; wakes the jobs that wait for something.
    pub(super) fn add(&self, partition: &TopicPartition) {
        self.latest.send_modify(|latest| {
            let count = self.count.fetch_add(1, Ordering::AcqRel) + 1;
            latest.insert(partition.clone(), count);
        });
    }

    /// Returns whether a partition has gone since there were so many departures.
    pub(super) fn has_gone(&self, partition: &TopicPartition, seen: u64) -> bool {
        self.count() > seen && is_later(&self.latest.borrow(), partition, seen)
    }

    /// Waits until a partition has gone; for ever if it stays.
    pub(super) async fn gone(&self, partition: &TopicPartition, seen: u64) {
        let mut latest = self.latest.subscribe();
        // The sender is `self`, so the wait does not fail.
        let _ = latest
            .wait_for(|latest| is_later(latest, partition, seen))
            .await;
    }
}

fn is_later(latest: &HashMap<TopicPartition, u64>, partition: &TopicPartition, seen: u64) -> bool {
    latest.get(partition).is_some_and(|count| *count > seen)
}

/// The records whose handler has ended and whose reply, or dead letter, is not acknowledged.
#[derive(Clone, Debug, Default)]
pub(super) struct Replying(Arc<Mutex<Places>>);

/// Places instead of a set: each record comes here, and none is looked for.
#[derive(Debug, Default)]
struct Places {
    taken: Vec<Option<Coordinates>>,
    free: Vec<usize>,
}

/// A record that is among them until this is dropped.
#[derive(Debug)]
pub(super) struct Waits<'a>(&'a Replying, usize);

impl Replying {
    pub(super) fn enter(&self, coordinates: &Coordinates) -> Waits<'_> {
        let mut places = self.places();
        let place = places.free.pop().unwrap_or_else(|| {
            places.taken.push(None);
            places.taken.len() - 1
        });
        places.taken[place] = Some(coordinates.clone());
        Waits(self, place)
    }

    /// Marks those that are among them. Thousands may be, so each is only looked at.
    pub(super) fn mark(&self, oldest: &mut [Oldest]) {
        let places = self.places();
        for at in places.taken.iter().flatten() {
            let own = oldest
                .iter_mut()
                .find(|one| one.offset == at.offset && one.topic_partition == at.topic_partition);
            if let Some(own) = own {
                own.replying = true;
            }
        }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let mut places = self.0.places();
        places.taken[self.1] = None;
        places.free.push(self.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_comes_back_is_not_gone_for_its_new_records() {
        let (departures, partition) = (Departures::default(), TopicPartition::new("t", 0));
        let before = departures.count();
        departures.add(&TopicPartition::new("t", 1));
        assert!(!departures.has_gone(&partition, before), "another one");
        departures.add(&partition);
        assert!(departures.has_gone(&partition, before));
        assert!(!departures.has_gone(&partition, departures.count()));
    }

    #[test]
    fn a_place_is_taken_again() {
        let replying = Replying::default();
        let at = |offset| Coordinates {
            topic_partition: TopicPartition::new("t", 0),
            offset,
            generation: 0,
        };
        let (first, _second) = (replying.enter(&at(1)), replying.enter(&at(2)));
        drop(first);
        let _third = replying.enter(&at(3));
        assert_eq!(replying.places().taken.len(), 2);
        let mut all: Vec<i64> = (replying.places().taken.iter().flatten())
            .map(|at| at.offset)
            .collect();
        all.sort_unstable();
        assert_eq!(all, [2, 3]);
    }
}
