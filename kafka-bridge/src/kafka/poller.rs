//! The thread that polls the consumer.
//!
//! It goes on polling whatever the dispatch does, so that the group never takes the member for
//! dead: when there has been no room for records for a while it pauses their partitions.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::thread;
use std::time::{Duration, Instant};

use metrics::counter;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::doubts::Doubts;
use super::last_commit::commit_last;
use super::message::to_record;
use super::rebalance::Rebalancing;
use crate::{Error, Record, metric_names};

/// Records that wait between the thread and the dispatch.
const BUFFERED: usize = 32;
/// How much room the thread waits for once there is none. Woken for each place it would hand over one
/// record a wake-up, and the two threads would do little else than wake each other.
const ENOUGH_ROOM: usize = BUFFERED / 2;
/// How long a poll waits for a record; also how soon the thread sees that it should stop.
const POLL_WAIT: Duration = Duration::from_millis(100);
/// How long there may be no room before partitions are paused. Pausing costs a new fetch, so a
/// busy moment should not cause it; it has to stay far below `max.poll.interval.ms`.
const PAUSE_AFTER: Duration = Duration::from_millis(500);
/// How often the thread looks for room while partitions are paused.
const PAUSED_POLL_WAIT: Duration = Duration::from_millis(20);

/// What the dispatch tells the thread.
#[derive(Debug, Default)]
pub(super) struct Signals {
    pub(super) stop: AtomicBool,
    /// Set by the thread while it waits for room: taking a record then has to wake it.
    waiting: AtomicBool,
}

impl Signals {
    /// Returns whether the thread waits and there is room enough now; to be asked after a record was
    /// taken that left `room`.
    pub(super) fn is_to_be_woken(&self, room: usize) -> bool {
        fence(Ordering::SeqCst);
        room >= ENOUGH_ROOM && self.waiting.load(Ordering::Relaxed)
    }

    /// Parks the calling thread until there is room enough, at most for so long.
    fn wait_for_room(&self, room: impl Fn() -> usize, limit: Duration) {
        self.waiting.store(true, Ordering::Relaxed);
        // Looked at again after the flag is up: a record taken before would not wake this thread.
        // The fence keeps the look after the flag; its other half is in `is_to_be_woken`.
        fence(Ordering::SeqCst);
        let until = Instant::now() + limit;
        // Again and again: a wake-up that came too late for the last wait ends the next one at once.
        while room() < ENOUGH_ROOM {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::park_timeout(left);
        }
        self.waiting.store(false, Ordering::Relaxed);
    }
}

/// The polling thread's state.
pub(super) struct Poller {
    consumer: Arc<BaseConsumer<Rebalancing>>,
    records: mpsc::Sender<Record>,
    signals: Arc<Signals>,
    /// Records that were polled and found no room; short, because polling stops or pauses then.
    backlog: VecDeque<Record>,
    paused: Option<Paused>,
    doubts: Doubts,
    max_headers: usize,
}

/// What was paused, and under which generation that was all.
///
/// Kept because librdkafka keeps the pause of a partition that is revoked: when it comes back later
/// it would still be paused, and nobody would know.
struct Paused {
    generation: u64,
    partitions: TopicPartitionList,
}

impl Poller {
    /// Takes over the polling of a consumer; returns with the records' receiving end.
    pub(super) fn new(
        consumer: Arc<BaseConsumer<Rebalancing>>,
        signals: Arc<Signals>,
        max_headers: usize,
    ) -> (Self, mpsc::Receiver<Record>) {
        let (records, receiver) = mpsc::channel(BUFFERED);
        let poller = Self {
            consumer,
            records,
            signals,
            backlog: VecDeque::new(),
            paused: None,
            doubts: Doubts::default(),
            max_headers,
        };
        (poller, receiver)
    }

    /// Polls until it is told to stop, then commits where the partitions stand.
    pub(super) fn run(mut self) -> Result<(), Error> {
        while !self.signals.stop.load(Ordering::Acquire) {
            match self.backlog.pop_front() {
                Some(record) => self.hand_over(record),
                None if self.paused.is_some() && self.records.capacity() < ENOUGH_ROOM => {
                    // Not at the first free place, or every record would cost a pause and a fetch.
                    self.pause();
                    self.poll(PAUSED_POLL_WAIT);
                }
                None => {
                    self.resume();
                    self.poll(POLL_WAIT);
                }
            }
        }
        commit_last(&self.consumer)
    }

    fn poll(&mut self, wait: Duration) {
        self.receive(wait);
        if self.consumer.context().has_doubts() || self.doubts.are_open() {
            self.doubts.settle(&self.consumer);
        }
    }

    fn receive(&mut self, wait: Duration) {
        match self.consumer.poll(wait) {
            None => {}
            Some(Ok(message)) => {
                let record = to_record(&message, self.consumer.context(), self.max_headers);
                self.backlog.push_back(record);
            }
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => {
                let context = "consuming".to_owned();
                self.consumer.context().tell(Err(Error::Kafka {
                    context,
                    source: error,
                }));
                self.signals.stop.store(true, Ordering::Release);
            }
            Some(Err(KafkaError::MessageConsumption(Code::PollExceeded))) => {
                warn!("polled too late, the group goes on without this member until it is back");
                self.consumer.context().max_poll_exceeded();
            }
            // The context was told before, with the reason.
            Some(Err(error)) => debug!(%error, "consumer"),
        }
    }

    fn hand_over(&mut self, record: Record) {
        match self.records.try_send(record) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(record)) => {
                self.backlog.push_front(record);
                self.wait_for_room();
            }
            // The dispatch takes no more; what is left is not committed and will come again.
            Err(mpsc::error::TrySendError::Closed(_)) => thread::park_timeout(POLL_WAIT),
        }
    }

    fn wait_for_room(&mut self) {
        if self.paused.is_some() {
            self.pause();
            self.poll(PAUSED_POLL_WAIT);
            return;
        }
        let records = &self.records;
        self.signals
            .wait_for_room(|| records.capacity(), PAUSE_AFTER);
        if self.records.capacity() == 0 {
            counter!(metric_names::PAUSES).increment(1);
            self.pause();
        }
    }

    /// Pauses what is assigned; again when that has changed, because new partitions are not paused.
    fn pause(&mut self) {
        self.consumer.context().hold_back();
        let generation = self.consumer.context().generation();
        if self
            .paused
            .as_ref()
            .is_some_and(|paused| paused.generation == generation)
        {
            return;
        }
        let assigned = match self.consumer.assignment() {
            Ok(assigned) => assigned,
            Err(error) => return warn!(%error, "partitions not paused"),
        };
        if let Err(error) = self.consumer.pause(&assigned) {
            warn!(%error, "partitions not paused");
        }
        debug!(
            generation,
            partitions = assigned.count(),
            "partitions paused"
        );
        let mut partitions = self
            .paused
            .take()
            .map(|paused| paused.partitions)
            .unwrap_or_default();
        for one in assigned.elements() {
            partitions.add_partition(one.topic(), one.partition());
        }
        self.paused = Some(Paused {
            generation,
            partitions,
        });
    }

    fn resume(&mut self) {
        let Some(paused) = self.paused.take() else {
            return;
        };
        debug!(partitions = paused.partitions.count(), "partitions resumed");
        if let Err(error) = self.consumer.resume(&paused.partitions) {
            warn!(%error, "partitions not resumed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// A pause costs a new fetch, which Kafka may answer a second later: one must not follow from a
    /// wake-up that was meant for the wait before.
    #[test]
    fn a_wake_up_of_an_earlier_wait_does_not_end_the_next_one() {
        let (signals, room) = (Arc::new(Signals::default()), Arc::new(AtomicUsize::new(0)));
        let waiting = thread::current();
        waiting.unpark();
        let (flags, freed) = (Arc::clone(&signals), Arc::clone(&room));
        let taker = thread::spawn(move || {
            while !flags.waiting.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            // Longer than the wait takes that ends at once.
            thread::sleep(Duration::from_millis(20));
            for taken in 1..=ENOUGH_ROOM {
                freed.store(taken, Ordering::Relaxed);
                if flags.is_to_be_woken(taken) {
                    waiting.unpark();
                }
            }
        });
        signals.wait_for_room(|| room.load(Ordering::Relaxed), Duration::from_secs(60));
        assert_eq!(room.load(Ordering::Relaxed), ENOUGH_ROOM);
        taker.join().unwrap();
    }

    #[test]
    fn a_wait_without_room_ends_by_itself() {
        let signals = Signals::default();
        signals.wait_for_room(|| ENOUGH_ROOM - 1, Duration::from_millis(1));
        assert!(!signals.is_to_be_woken(BUFFERED), "nobody waits any more");
    }
}
