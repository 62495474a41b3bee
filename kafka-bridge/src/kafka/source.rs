//! Consumes requests with librdkafka, polled from a thread of its own.
//!
//! The thread goes on polling whatever the dispatch does, so that the group never takes the member
//! for dead: when there has been no room for records for a while it pauses their partitions.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use metrics::counter;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Headers as _, Message};
use rdkafka::{ClientConfig, TopicPartitionList};
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, warn};

use super::rebalance::{Rebalancing, to_list};
use crate::offsets::Position;
use crate::ports::{Intake, RecordSource, SourceEvent};
use crate::{Coordinates, Error, Headers, Record, metric_names};

/// Records that wait between the thread and the dispatch.
const BUFFERED: usize = 32;
/// How long a poll waits for a record; also how soon the thread sees that it should stop.
const POLL_WAIT: Duration = Duration::from_millis(100);
/// How long there may be no room before partitions are paused. Pausing costs a new fetch, so a
/// busy moment should not cause it; it has to stay far below `max.poll.interval.ms`.
const PAUSE_AFTER: Duration = Duration::from_millis(500);
/// How often the thread looks for room while partitions are paused.
const PAUSED_POLL_WAIT: Duration = Duration::from_millis(20);

/// How long the last commit may wait for a rebalance to end. A member learns of one by its next
/// heartbeat, 3 s at the most by default, and the others may take as long to join.
const LAST_COMMIT_PATIENCE: Duration = Duration::from_secs(6);
const LAST_COMMIT_RETRY_WAIT: Duration = Duration::from_millis(50);

type Sender = mpsc::Sender<Record>;

/// A consumer in a group. Dropping it ends the thread and leaves the group without a last commit.
pub struct KafkaSource {
    consumer: Arc<BaseConsumer<Rebalancing>>,
    records: mpsc::Receiver<Record>,
    events: mpsc::UnboundedReceiver<Result<SourceEvent, Error>>,
    /// A record that was received just before an event was told, which comes first.
    held: Option<Record>,
    signals: Arc<Signals>,
    /// The polling thread; taken when the source is closed.
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for KafkaSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaSource").finish_non_exhaustive()
    }
}

/// What the dispatch tells the thread.
#[derive(Debug, Default)]
struct Signals {
    stop: AtomicBool,
    /// Set by the thread while it waits for room: taking a record then has to wake it.
    waiting: AtomicBool,
}

impl KafkaSource {
    pub(super) fn start(
        config: &ClientConfig,
        topics: &[&str],
        drain_timeout: Duration,
        max_headers: usize,
    ) -> Result<Self, Error> {
        let failed = |context: &str| {
            let context = context.to_owned();
            move |source| Error::Kafka { context, source }
        };
        let (tell, events) = mpsc::unbounded_channel();
        let context = Rebalancing::new(tell, drain_timeout);
        let consumer: BaseConsumer<Rebalancing> = config
            .create_with_context(context)
            .map_err(failed("creating the consumer"))?;
        consumer.subscribe(topics).map_err(failed("subscribing"))?;

        let consumer = Arc::new(consumer);
        let (sender, records) = mpsc::channel(BUFFERED);
        let signals = Arc::new(Signals::default());
        let poller = Poller {
            consumer: Arc::clone(&consumer),
            records: sender,
            signals: Arc::clone(&signals),
            backlog: VecDeque::new(),
            paused: None,
            max_headers,
        };
        let thread = thread::Builder::new()
            .name("kafka-poll".to_owned())
            .spawn(|| poller.run());
        let thread = Some(thread.map_err(|_| Error::SourceGone)?);
        Ok(Self {
            consumer,
            records,
            events,
            held: None,
            signals,
            thread,
        })
    }

    fn wake_if_waiting(&self) {
        if self.signals.waiting.load(Ordering::Acquire)
            && let Some(thread) = &self.thread
        {
            thread.thread().unpark();
        }
    }
}

impl RecordSource for KafkaSource {
    async fn next(&mut self, intake: Intake) -> Result<SourceEvent, Error> {
        if self.held.is_none() {
            let record = tokio::select! { biased;
                event = self.events.recv() => return event.unwrap_or(Err(Error::SourceGone)),
                record = self.records.recv(), if intake == Intake::Open => record,
            };
            self.wake_if_waiting();
            self.held = Some(record.ok_or(Error::SourceGone)?);
        }
        // The thread tells an assignment before it hands over its first record, but both may have
        // happened between the looks at the two channels: a record must not overtake the event.
        if let Ok(event) = self.events.try_recv() {
            return event;
        }
        match self.held.take_if(|_| intake == Intake::Open) {
            Some(record) => Ok(SourceEvent::Record(record)),
            None => self.events.recv().await.unwrap_or(Err(Error::SourceGone)),
        }
    }

    fn commit(&mut self, positions: &[Position]) {
        if let Err(error) = self.consumer.commit(&to_list(positions), CommitMode::Async) {
            warn!(%error, "commit not begun");
            let partitions = positions
                .iter()
                .map(|position| position.topic_partition.clone());
            let failed = SourceEvent::CommitFailed(partitions.collect());
            self.consumer.context().tell(Ok(failed));
        }
    }

    async fn close(mut self, positions: Vec<Position>) -> Result<(), Error> {
        let (done, closed) = oneshot::channel();
        let (consumer, signals) = (Arc::clone(&self.consumer), Arc::clone(&self.signals));
        let thread = self.thread.take();
        consumer.context().close(positions);
        drop(self);
        // A thread of its own: all of this blocks, for long if the broker is gone, and a stop
        // must be able to leave it behind.
        let closer = move || {
            let committed = commit_last(&consumer);
            signals.stop.store(true, Ordering::Release);
            thread.map(JoinHandle::join);
            // The last reference: dropping it leaves the group.
            drop(consumer);
            let _ = done.send(committed);
        };
        let spawned = thread::Builder::new()
            .name("kafka-close".to_owned())
            .spawn(closer);
        spawned.map_err(|_| Error::SourceGone)?;
        closed.await.unwrap_or(Err(Error::SourceGone))
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        // With the thread taken this is the end of `close`, which stops it after the last commit.
        if self.thread.is_some() {
            // Nobody is left to release partitions, so no callback may wait for it.
            self.consumer.context().close(Vec::new());
            self.signals.stop.store(true, Ordering::Release);
        }
    }
}

/// Commits where the partitions stand, while the polling thread keeps the member in its group.
///
/// In the middle of a rebalance the broker refuses commits of the old generation; a moment later
/// it takes them, unless the partition was revoked meanwhile: then the callback has committed it.
fn commit_last(consumer: &BaseConsumer<Rebalancing>) -> Result<(), Error> {
    let deadline = Instant::now() + LAST_COMMIT_PATIENCE;
    loop {
        let positions = consumer.context().uncommitted();
        if positions.is_empty() {
            return Ok(());
        }
        match consumer.commit(&to_list(&positions), CommitMode::Sync) {
            Ok(()) => return Ok(()),
            Err(error) if is_rebalancing(&error) && Instant::now() < deadline => {
                thread::sleep(LAST_COMMIT_RETRY_WAIT);
            }
            Err(source) => {
                let context = "committing the last offsets".to_owned();
                return Err(Error::Kafka { context, source });
            }
        }
    }
}

fn is_rebalancing(error: &KafkaError) -> bool {
    let code = error.rdkafka_error_code();
    matches!(
        code,
        Some(Code::IllegalGeneration | Code::RebalanceInProgress)
    )
}

/// The polling thread's state.
struct Poller {
    consumer: Arc<BaseConsumer<Rebalancing>>,
    records: Sender,
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
    fn run(mut self) {
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
        self.signals.waiting.store(true, Ordering::Release);
        // Looked at again after the flag is up: a record taken before would not wake this thread.
        if self.records.capacity() == 0 {
            thread::park_timeout(PAUSE_AFTER);
        }
        self.signals.waiting.store(false, Ordering::Release);
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

fn to_record(message: &BorrowedMessage<'_>, context: &Rebalancing, max_headers: usize) -> Record {
    let (topic_partition, generation) = context.locate(message.topic(), message.partition());
    let headers = message
        .headers()
        .map(|borrowed| to_headers(borrowed, max_headers));
    Record {
        coordinates: Coordinates {
            topic_partition,
            offset: message.offset(),
            generation,
        },
        timestamp: message.timestamp().to_millis(),
        key: message.key().map(Bytes::copy_from_slice),
        value: message.payload().map(Bytes::copy_from_slice),
        headers: headers.unwrap_or_default(),
    }
}

/// Copies the headers, at most one more than will be accepted: a record can hold a quarter of a
/// million of them, and each costs far more here than on the wire.
fn to_headers(borrowed: &BorrowedHeaders, max_headers: usize) -> Headers {
    let count = borrowed.count().min(max_headers.saturating_add(1));
    let mut headers = Headers::with_capacity(count);
    for index in 0..count {
        // rdkafka 0.39 panics on a name that is not UTF-8 (`try_get` in its message.rs unwraps);
        // one hostile header must not cost the thread, so it costs itself only.
        match catch_unwind(AssertUnwindSafe(|| borrowed.try_get(index))) {
            Ok(Some(header)) => {
                headers.push_nullable(header.key, header.value.map(Bytes::copy_from_slice));
            }
            Ok(None) => {}
            Err(_) => counter!(metric_names::UNREADABLE_HEADERS).increment(1),
        }
    }
    headers
}
