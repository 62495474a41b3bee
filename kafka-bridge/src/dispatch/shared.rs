//! The state that the loop and its jobs share while both run.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use tokio::sync::watch;

use super::awaiting::Awaiting;
use super::reply_bytes::ReplyBytes;
use crate::offsets::Oldest;
use crate::{Coordinates, TopicPartition};

/// Shared by the loop and all jobs.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(super) departures: Arc<Departures>,
    pub(super) replying: Replying,
    pub(super) replies: ReplyBytes,
    pub(super) awaiting: Awaiting,
}

impl Shared {
    pub(super) fn new(max_reply_bytes: usize) -> Self {
        Self {
            departures: Arc::default(),
            replying: Replying::default(),
            replies: ReplyBytes::new(max_reply_bytes),
            awaiting: Awaiting::default(),
        }
    }

    /// Notes that the jobs of a partition start nothing more, and why.
    pub(super) fn depart(&self, partition: &TopicPartition, why: Why) {
        self.departures.add(partition, why);
        if why == Why::Moved {
            self.replying.wake(partition);
        }
    }
}

/// Why the jobs of a partition start nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Another member has the partition, and handles unfinished records again.
    Moved,
    /// The partition's topic was deleted and created again. Nobody handles the old records again, so replies still go
    /// out.
    Remade,
}

#[derive(Clone, Copy, Debug)]
struct Departure {
    count: u64,
    why: Why,
}

/// The partitions that have gone, so that their jobs start nothing more.
#[derive(Debug, Default)]
pub(super) struct Departures {
    /// The number of departures. A job that has seen this many need not look further.
    count: AtomicU64,
    /// The latest departure of each partition.
    latest: watch::Sender<HashMap<TopicPartition, Departure>>,
}

impl Departures {
    /// Returns the number of departures.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Adds a departure and wakes the jobs that wait for a retry.
    fn add(&self, partition: &TopicPartition, why: Why) {
        self.latest.send_modify(|latest| {
            let count = self.count.fetch_add(1, Ordering::AcqRel) + 1;
            latest.insert(partition.clone(), Departure { count, why });
        });
    }

    /// Returns whether a partition has gone since `seen` departures.
    pub(super) fn has_gone(&self, partition: &TopicPartition, seen: u64) -> bool {
        self.count() > seen && is_later(&self.latest.borrow(), partition, seen)
    }

    /// Returns whether a partition has moved to another member since `seen` departures.
    pub(super) fn has_moved(&self, partition: &TopicPartition, seen: u64) -> bool {
        let moved = |latest: &HashMap<TopicPartition, Departure>| {
            let why = latest.get(partition).map(|departure| departure.why);
            why == Some(Why::Moved) && is_later(latest, partition, seen)
        };
        self.count() > seen && moved(&self.latest.borrow())
    }

    /// Waits until a partition has gone, forever if it stays.
    pub(super) async fn gone(&self, partition: &TopicPartition, seen: u64) {
        let mut latest = self.latest.subscribe();
        // `self` owns the sender, so the wait cannot fail.
        let _ = latest
            .wait_for(|latest| is_later(latest, partition, seen))
            .await;
    }
}

fn is_later(
    latest: &HashMap<TopicPartition, Departure>,
    partition: &TopicPartition,
    seen: u64,
) -> bool {
    let departure = latest.get(partition);
    departure.is_some_and(|departure| departure.count > seen)
}

/// The records whose handler has ended and whose reply, or dead letter, is not acknowledged.
#[derive(Clone, Debug, Default)]
pub(super) struct Replying(Arc<Mutex<Places>>);

/// Slots instead of a set: each record takes one, and none is looked up.
#[derive(Debug, Default)]
struct Places {
    taken: Vec<Option<Place>>,
    free: Vec<usize>,
}

#[derive(Debug)]
struct Place {
    at: Coordinates,
    /// Wakes the job when its partition has gone. A waker here costs a reply less than a subscription to departures.
    waker: Option<Waker>,
}

/// Keeps one record in the list until it is dropped.
#[derive(Debug)]
pub(super) struct Waits<'a>(&'a Replying, usize);

impl Replying {
    pub(super) fn enter(&self, coordinates: &Coordinates) -> Waits<'_> {
        let mut places = self.places();
        let place = places.free.pop().unwrap_or_else(|| {
            places.taken.push(None);
            places.taken.len() - 1
        });
        places.taken[place] = Some(Place {
            at: coordinates.clone(),
            waker: None,
        });
        Waits(self, place)
    }

    /// Marks the records that are in the list. There may be thousands, so each is only looked at.
    pub(super) fn mark(&self, oldest: &mut [Oldest]) {
        let places = self.places();
        for Place { at, .. } in places.taken.iter().flatten() {
            let own = oldest
                .iter_mut()
                .find(|one| one.offset == at.offset && one.topic_partition == at.topic_partition);
            if let Some(own) = own {
                own.replying = true;
            }
        }
    }

    fn wake(&self, partition: &TopicPartition) {
        let mut places = self.places();
        let own = |place: &&mut Place| place.at.topic_partition == *partition;
        let wakers = places.taken.iter_mut().flatten().filter(own);
        for waker in wakers.filter_map(|place| place.waker.take()) {
            waker.wake();
        }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waits<'_> {
    /// Waits for `produce`; `None` when the partition has moved before. A record that the client has already taken may
    /// still be sent.
    pub(super) async fn unless_moved<T>(
        &self,
        produce: impl Future<Output = T>,
        departures: &Departures,
        (partition, seen): (&TopicPartition, u64),
    ) -> Option<T> {
        let mut produce = pin!(produce);
        poll_fn(|context| {
            // Polled first: the reply of a partition that has gone is still sent if nothing delays it.
            if let Poll::Ready(produced) = produce.as_mut().poll(context) {
                return Poll::Ready(Some(produced));
            }
            // Registered before the check, or a departure in between would wake nobody.
            self.wake_by(context.waker());
            match departures.has_moved(partition, seen) {
                true => Poll::Ready(None),
                false => Poll::Pending,
            }
        })
        .await
    }

    fn wake_by(&self, waker: &Waker) {
        if let Some(place) = &mut self.0.places().taken[self.1] {
            match &mut place.waker {
                Some(own) => own.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
        }
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
        departures.add(&TopicPartition::new("t", 1), Why::Moved);
        assert!(!departures.has_gone(&partition, before), "another one");
        departures.add(&partition, Why::Remade);
        assert!(departures.has_gone(&partition, before));
        assert!(!departures.has_moved(&partition, before));
        departures.add(&partition, Why::Moved);
        assert!(departures.has_moved(&partition, before));
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
            .map(|place| place.at.offset)
            .collect();
        all.sort_unstable();
        assert_eq!(all, [2, 3]);
    }
}
