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

/// Delivers the events of a [`MemoryBroker`].
#[derive(Debug)]
pub struct MemorySource {
    records: mpsc::UnboundedReceiver<Record>,
    held_back: Vec<Arc<str>>,
    /// Records whose topics were held back at their turn.
    aside: VecDeque<Record>,
    control: mpsc::UnboundedReceiver<SourceEvent>,
    committed: Committed,
}

/// Controls a [`MemorySource`]: sends records, revokes partitions, and sees commits.
#[derive(Clone, Debug)]
pub struct MemoryBroker {
    records: mpsc::UnboundedSender<Record>,
    control: mpsc::UnboundedSender<SourceEvent>,
    committed: Committed,
}

impl MemoryBroker {
    /// Returns a broker without partitions, and its source.
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

    /// Returns a source of these records only, all of generation 0, and its commits.
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
        // A bridge that has ended takes no records, which is no error.
        let _ = self.records.send(record);
    }

    /// Assigns partitions under a generation, and reports the finished offsets above the committed ones. A repeated
    /// assignment resets the partition, so [`MemoryBroker::with_records`] may call it for each record before the bridge
    /// runs.
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

    /// Revokes partitions. Resolves to the positions at which the bridge has released them.
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

    /// Reports that partitions have already gone.
    pub fn lose(&self, partitions: impl IntoIterator<Item = TopicPartition>) {
        let _ = self
            .control
            .send(SourceEvent::Lost(partitions.into_iter().collect()));
    }

    /// Reports that a partition's topic was deleted and created again. Its records have the position's generation from
    /// now on.
    pub fn begin_anew(&self, start: Position) {
        let _ = self.control.send(SourceEvent::Anew(start));
    }

    /// Reports that the last commit for the partitions was refused.
    pub fn refuse_commit(&self, partitions: impl IntoIterator<Item = TopicPartition>) {
        let _ = self
            .control
            .send(SourceEvent::CommitFailed(partitions.into_iter().collect()));
    }

    /// Forgets all commits so far, to see which come later.
    pub fn forget_commits(&self) {
        lock(&self.committed).clear();
    }

    /// Returns a view of the commits.
    #[must_use]
    pub fn commits(&self) -> Commits {
        Commits(Arc::clone(&self.committed))
    }
}

/// Shows the commits. Can be queried at any time.
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

    /// Returns a record that was put aside and is wanted again.
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
            // Records that were put aside are still to come: the source is not exhausted.
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

/// Keeps all produced records. On demand it refuses topics, or holds back delivery reports.
#[derive(Clone, Debug, Default)]
pub struct MemorySink {
    produced: Arc<Mutex<Vec<OutboundRecord>>>,
    failing: HashMap<String, ProduceError>,
    gate: Option<Arc<Semaphore>>,
}

impl MemorySink {
    /// Makes records for this topic fail.
    #[must_use]
    pub fn failing(mut self, topic: &str, error: ProduceError) -> Self {
        self.failing.insert(topic.to_owned(), error);
        self
    }

    /// Holds back each delivery report until [`MemorySink::acknowledge`] releases it.
    #[must_use]
    pub fn gated(mut self) -> Self {
        self.gate = Some(Arc::new(Semaphore::new(0)));
        self
    }

    /// Releases `count` delivery reports. Has no effect without [`MemorySink::gated`].
    pub fn acknowledge(&self, count: usize) {
        if let Some(gate) = &self.gate {
            gate.add_permits(count);
        }
    }

    /// Returns the produced records, in order, acknowledged or not.
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

/// Locks a mutex. A panic elsewhere leaves whole plain data, so poisoning does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
