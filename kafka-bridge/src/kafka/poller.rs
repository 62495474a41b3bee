//! The thread that polls the consumer.
//!
//! It goes on polling whatever the dispatch does, so that the group never takes the member for
//! dead: when there has been no room for records for a while it pauses their partitions.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::thread;
use std::time::Duration;

use metrics::counter;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::last_commit::commit_last;
use super::message::to_record;
use super::rebalance::Rebalancing;
use crate::{Error, Record, metric_names};

/// Records that wait between the thread and the dispatch.
const BUFFERED: usize = 32;
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
    /// Returns whether the thread waits for room; to be asked after a record was taken.
    pub(super) fn is_waiting(&self) -> bool {
        fence(Ordering::SeqCst);
        self.waiting.load(Ordering::Relaxed)
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
            max_headers,
        };
        (poller, receiver)
    }

    /// Polls until it is told to stop, then commits where the partitions stand.
    pub(super) fn run(mut self) -> Result<(), Error> {
        while !self.signals.stop.load(Ordering::Acquire) {
            match self.backlog.pop_front() {
                Some(record) => self.hand_over(record),
                None if self.paused.is_some() && self.records.capacity() < BUFFERED / 2 => {
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
            Some(Err(error)) => warn!(%error, "consumer"),
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
        self.signals.waiting.store(true, Ordering::Relaxed);
        // Looked at again after the flag is up: a record taken before would not wake this thread.
        // The fence keeps the look after the flag; its other half is in `Signals::is_waiting`.
        fence(Ordering::SeqCst);
        if self.records.capacity() == 0 {
            thread::park_timeout(PAUSE_AFTER);
        }
        self.signals.waiting.store(false, Ordering::Relaxed);
        if self.records.capacity() == 0 {
            counter!(metric_names::PAUSES).increment(1);
            self.pause();
        }
    }

    /// Pauses what is assigned; again when that has changed, because new partitions are not paused.
    fn pause(&mut self) {
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
