//! What the dispatch needs from the outside: a source of records and a sink for replies.
//!
//! `kafka` implements both with librdkafka, `testing` in memory.

use std::fmt;
use std::sync::Arc;

use crate::offsets::Position;
use crate::{Error, OutboundRecord, Record, TopicPartition};

/// Whether the dispatch has room for records just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intake {
    /// Any event is welcome.
    Open,
    /// Only events that are not records: the in-flight bound is reached, the application is not ready, or the bridge
    /// stops.
    Closed,
}

/// What a source has to tell.
#[derive(Debug)]
#[non_exhaustive]
pub enum SourceEvent {
    /// A record to be handled.
    Record(Record),
    /// Partitions were assigned; their records carry this generation.
    Assigned {
        /// The partitions that came.
        partitions: Vec<TopicPartition>,
        /// The generation of this assignment.
        generation: u64,
    },
    /// Partitions are about to be taken away; the source waits for [`Revocation::release`].
    Revoked(Revocation),
    /// Partitions are gone already: another member may own them, so nothing may be committed.
    Lost(Vec<TopicPartition>),
    /// A partition was begun anew: its topic is another one of the same name. Nothing of before counts.
    /// Where it goes on, and under which generation.
    Anew(Position),
    /// What was finished of a partition under an earlier assignment, above what is committed. Told before the
    /// partition's first record if it can be; told late it counts for the records that come after.
    Finished(Position),
    /// Nothing before this position will come any more.
    Skipped(Position),
    /// The broker refused a commit for these partitions.
    CommitFailed(Vec<TopicPartition>),
    /// There will be no further records; only finite sources say so.
    Exhausted,
}

/// Partitions that are about to be taken away, and the way to let them go.
pub struct Revocation {
    /// The partitions to be released.
    pub partitions: Vec<TopicPartition>,
    release: Box<dyn FnOnce(Vec<Position>) + Send>,
}

impl Revocation {
    /// Joins the partitions with what is to happen when they are released.
    pub fn new(
        partitions: Vec<TopicPartition>,
        release: impl FnOnce(Vec<Position>) + Send + 'static,
    ) -> Self {
        Self {
            partitions,
            release: Box::new(release),
        }
    }

    /// Lets the partitions go; the source commits the positions before it gives them up.
    pub fn release(self, positions: Vec<Position>) {
        (self.release)(positions);
    }
}

impl fmt::Debug for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocation")
            .field("partitions", &self.partitions)
            .finish_non_exhaustive()
    }
}

/// Where records come from and offsets are committed to.
pub trait RecordSource: Send {
    /// Waits for the next event; must be safe to cancel.
    ///
    /// A source that is told [`Intake::Closed`], or is not asked for a while, keeps its place in
    /// its consumer group by itself.
    ///
    /// # Errors
    ///
    /// Fails when no event will ever come again.
    fn next(&mut self, intake: Intake) -> impl Future<Output = Result<SourceEvent, Error>> + Send;

    /// Tells which topics' records are not wanted while others are; each call replaces the one before. Records that are
    /// on their way may still come. Does not wait.
    ///
    /// A source that ignores it, as by default, fills the room of all topics with records of one.
    fn hold_back(&mut self, topics: &[Arc<str>]) {
        let _ = topics;
    }

    /// Begins to commit the positions and does not wait; see [`SourceEvent::CommitFailed`].
    fn commit(&mut self, positions: &[Position]);

    /// Commits the positions, waits for the broker's word, then leaves the group.
    ///
    /// # Errors
    ///
    /// Fails when the commit was refused; the group is left in any case.
    fn close(self, positions: Vec<Position>) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Why a record was not produced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProduceError {
    /// This record will not be accepted: it is too large or invalid, or its topic is one that only its
    /// requester has named and that takes nothing. What is refused to all records is no such thing: a
    /// sink waits for it to pass.
    #[error("refused: {0}")]
    Refused(String),
    /// No record will ever be accepted again.
    #[error("producer failed: {0}")]
    Fatal(String),
}

/// Where replies and dead letters go.
pub trait ReplySink: Clone + Send + Sync + 'static {
    /// Produces a record and waits until the broker has it; tries again as long as that may help, and is
    /// dropped while it waits when the bridge stops.
    ///
    /// # Errors
    ///
    /// Fails when trying again cannot help.
    fn produce(
        &self,
        record: OutboundRecord,
    ) -> impl Future<Output = Result<(), ProduceError>> + Send;
}
