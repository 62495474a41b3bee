//! Ports that keep everything in memory, to test an application or the bridge without a broker.
//!
//! They keep the promises of the real ports (order, commits, revocation) and fail on demand.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::offsets::Position;
use crate::ports::{Intake, ProduceError, RecordSource, ReplySink, Revocation, SourceEvent};
use crate::{Error, OutboundRecord, Record, TopicPartition};

type Committed = Arc<Mutex<BTreeMap<TopicPartition, Position>>>;

/// A source that is fed by a [`MemoryBroker`].
#[derive(Debug)]
pub struct MemorySource {
    records: mpsc::UnboundedReceiver<Record>,
    held_back: Vec<Arc<str>>,
    /// Records of topics that were held back when their turn came.
    aside: VecDeque<Record>,
    control: mpsc::UnboundedReceiver<SourceEvent>,
    committed: Committed,
}

/// The broker's side of a [`MemorySource`]: feeds records, takes partitions away, sees commits.
#[derive(Clone, Debug)]
pub struct MemoryBroker {
    records: mpsc::UnboundedSender<Record>,
    control: mpsc::UnboundedSender<SourceEvent>,
    committed: Committed,
}

impl MemoryBroker {
    /// Returns a broker without partitions, and the source that it feeds.
    ///
    /// The source is exhausted when the last clone of the broker is dropped.
    #[must_use]
    pub fn new() -> (Self, MemorySource) {
        let (records, fed) = mpsc::unbounded_channel();
        let (control, told) = mpsc::unbounded_channel();
        let committed = Committed::default();
        let source = MemorySource {
            records: fed,
            held_back: Vec::new(),
            aside: VecDeque::new(),
            control: told,
            committed: Arc::clone(&committed),
        };
        (
            Self {
                records,
                control,
                committed,
            },
            source,
        )
    }

    /// Returns a source of the given records only, all of generation 0, and the commits to watch.
    pub fn with_records(records: impl IntoIterator<Item = Record>) -> (Commits, MemorySource) {
        let (broker, source) = Self::new();
        for record in records {
            broker.assign([record.coordinates.topic_partition.clone()], 0);
            broker.send(record);
        }
        (Commits(Arc::clone(&broker.committed)), source)
    }

    /// Delivers a record.
    pub fn send(&self, record: Record) {
        // A bridge that has ended takes no records; neither does a real one.
        let _ = self.records.send(record);
    }

    /// Assigns partitions under a generation, and tells what is finished above the committed offsets. Assigning one again forgets its state, so
    /// [`MemoryBroker::with_records`] may call it for each record before the bridge runs.
    pub fn assign(&self, partitions: impl IntoIterator<Item = TopicPartition>, generation: u64) {
        let partitions: Vec<_> = partitions.into_iter().collect();
        let committed = lock(&self.committed);
        let committed = partitions.iter().filter_map(|own| committed.get(own));
        let finished: Vec<_> = committed
            .filter(|position| !position.finished.is_empty())
            .map(|position| Position {
                generation,
                ..position.clone()
            })
            .collect();
        let _ = self.control.send(SourceEvent::Assigned {
            partitions,
            generation,
        });
        for position in finished {
            let _ = self.control.send(SourceEvent::Finished(position));
        }
    }

    /// Takes partitions away; resolves with the positions that the bridge released them at.
    pub async fn revoke(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Vec<Position> {
        let (sender, released) = oneshot::channel();
        let revocation = Revocation::new(partitions.into_iter().collect(), move |positions| {
            let _ = sender.send(positions);
        });
        let _ = self.control.send(SourceEvent::Revoked(revocation));
        let positions = released.await.unwrap_or_default();
        note(&self.committed, &positions);
        positions
    }

    /// Tells that partitions are gone already.
    pub fn lose(&self, partitions: impl IntoIterator<Item = TopicPartition>) {
        let _ = self
            .control
            .send(SourceEvent::Lost(partitions.into_iter().collect()));
    }

    /// Tells that a partition's topic was made anew: its records carry the position's generation from now on.
    pub fn begin_anew(&self, start: Position) {
        let _ = self.control.send(SourceEvent::Anew(start));
    }

    /// Tells that the last commit for the partitions was refused.
    pub fn refuse_commit(&self, partitions: impl IntoIterator<Item = TopicPartition>) {
        let _ = self
            .control
            .send(SourceEvent::CommitFailed(partitions.into_iter().collect()));
    }

    /// Forgets every commit so far, to see which come after.
    pub fn forget_commits(&self) {
        lock(&self.committed).clear();
    }

    /// Returns a view of what was committed.
    #[must_use]
    pub fn commits(&self) -> Commits {
        Commits(Arc::clone(&self.committed))
    }
}

/// What was committed, to be asked at any time.
#[derive(Clone, Debug)]
pub struct Commits(Committed);

impl Commits {
    /// Returns the committed next offset of a partition.
    #[must_use]
    pub fn next_offset(&self, topic: &str, partition: i32) -> Option<i64> {
        lock(&self.0)
            .get(&TopicPartition::new(topic, partition))
            .map(|position| position.next_offset)
    }
}

impl MemorySource {
    fn is_wanted(&self, record: &Record) -> bool {
        let topic = &record.coordinates.topic_partition.topic;
        !self.held_back.contains(topic)
    }

    /// Takes a record that was put aside and is wanted again.
    fn take_aside(&mut self) -> Option<Record> {
        let wanted = self.aside.iter().position(|record| self.is_wanted(record));
        self.aside.remove(wanted?)
    }
}

impl RecordSource for MemorySource {
    async fn next(&mut self, intake: Intake) -> Result<SourceEvent, Error> {
        loop {
            if let Ok(event) = self.control.try_recv() {
                return Ok(event);
            }
            if intake == Intake::Open
                && let Some(record) = self.take_aside()
            {
                return Ok(SourceEvent::Record(record));
            }
            // What was put aside is still to come: the source is not exhausted.
            let is_open = intake == Intake::Open
                && !(self.records.is_closed() && self.records.is_empty() && !self.aside.is_empty());
            let record = tokio::select! { biased;
                Some(event) = self.control.recv() => return Ok(event),
                record = self.records.recv(), if is_open => record,
                else => std::future::pending().await,
            };
            match record {
                Some(record) if self.is_wanted(&record) => return Ok(SourceEvent::Record(record)),
                Some(record) => self.aside.push_back(record),
                None if self.aside.is_empty() => return Ok(SourceEvent::Exhausted),
                None => {}
            }
        }
    }

    fn hold_back(&mut self, topics: &[Arc<str>]) {
        self.held_back = topics.to_vec();
    }

    fn commit(&mut self, positions: &[Position]) {
        note(&self.committed, positions);
    }

    async fn close(self, positions: Vec<Position>) -> Result<(), Error> {
        note(&self.committed, &positions);
        Ok(())
    }
}

fn note(committed: &Committed, positions: &[Position]) {
    let mut committed = lock(committed);
    for position in positions {
        committed.insert(position.topic_partition.clone(), position.clone());
    }
}

/// A sink that keeps what is produced; it refuses topics, or holds delivery reports, on demand.
#[derive(Clone, Debug, Default)]
pub struct MemorySink {
    produced: Arc<Mutex<Vec<OutboundRecord>>>,
    failing: HashMap<String, ProduceError>,
    gate: Option<Arc<Semaphore>>,
}

impl MemorySink {
    /// Makes records for a topic fail.
    #[must_use]
    pub fn failing(mut self, topic: &str, error: ProduceError) -> Self {
        self.failing.insert(topic.to_owned(), error);
        self
    }

    /// Holds each delivery report until [`MemorySink::acknowledge`] lets it go.
    #[must_use]
    pub fn gated(mut self) -> Self {
        self.gate = Some(Arc::new(Semaphore::new(0)));
        self
    }

    /// Lets `count` delivery reports go; of no effect without [`MemorySink::gated`].
    pub fn acknowledge(&self, count: usize) {
        if let Some(gate) = &self.gate {
            gate.add_permits(count);
        }
    }

    /// Returns what was produced so far, in order, acknowledged or not.
    #[must_use]
    pub fn produced(&self) -> Vec<OutboundRecord> {
        lock(&self.produced).clone()
    }
}

impl ReplySink for MemorySink {
    async fn produce(&self, record: OutboundRecord) -> Result<(), ProduceError> {
        if let Some(error) = self.failing.get(&*record.topic) {
            return Err(error.clone());
        }
        lock(&self.produced).push(record);
        if let Some(gate) = &self.gate {
            let permit = gate.acquire().await;
            permit
                .map_err(|error| ProduceError::Fatal(error.to_string()))?
                .forget();
        }
        Ok(())
    }
}

/// Locks; a panic elsewhere leaves plain data that is whole, so poisoning is no news.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
