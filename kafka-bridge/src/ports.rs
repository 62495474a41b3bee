//! The ports of the dispatch: a source of records and a sink for replies.
//!
//! `kafka` implements both with librdkafka, and `testing` in memory.

use std::fmt;
use std::sync::Arc;

use crate::offsets::Position;
use crate::{Error, OutboundRecord, Record, TopicPartition};

/// Says whether the dispatch has room for records now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intake {
    /// Any event is welcome.
    Open,
    /// Only events that are not records: the in-flight limit is reached, the application is not ready, or the bridge
    /// stops.
    Closed,
}

/// An event of a source.
#[derive(Debug)]
#[non_exhaustive]
pub enum SourceEvent {
    /// A record to handle.
    Record(Record),
    /// Partitions were assigned. Their records carry this generation.
    Assigned {
        /// The new partitions.
        partitions: Vec<TopicPartition>,
        /// The generation of this assignment.
        generation: u64,
    },
    /// Partitions are to be revoked. The source waits for [`Revocation::release`].
    Revoked(Revocation),
    /// Partitions have already gone. Another member may own them, so nothing may be committed.
    Lost(Vec<TopicPartition>),
    /// A partition restarts, because its topic was deleted and created again. Nothing from before counts. The position
    /// says where it continues, and under which generation.
    Anew(Position),
    /// The offsets that an earlier assignment finished above the committed offset. Sent before the partition's first
    /// record if possible. If it is late, it counts for later records.
    Finished(Position),
    /// Nothing before this position will come any more.
    Skipped(Position),
    /// The broker refused a commit for these partitions.
    CommitFailed(Vec<TopicPartition>),
    /// There will be no further records. Only finite sources send this.
    Exhausted,
}

/// Partitions that are to be revoked, and the way to release them.
pub struct Revocation {
    /// The partitions to release.
    pub partitions: Vec<TopicPartition>,
    release: Box<dyn FnOnce(Vec<Position>) + Send>,
}

impl Revocation {
    /// Combines the partitions with the function to call on their release.
    pub fn new(
        partitions: Vec<TopicPartition>,
        release: impl FnOnce(Vec<Position>) + Send + 'static,
    ) -> Self {
        Self {
            partitions,
            release: Box::new(release),
        }
    }

    /// Releases the partitions. The source commits the positions before it gives the partitions back.
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

/// Provides records, and commits their offsets.
pub trait RecordSource: Send {
    /// Waits for the next event. Must be cancel safe.
    ///
    /// A source keeps its place in its consumer group by itself, also with [`Intake::Closed`] or when it is not called
    /// for a while.
    ///
    /// # Errors
    ///
    /// Returns an error when no event will ever come again.
    fn next(&mut self, intake: Intake) -> impl Future<Output = Result<SourceEvent, Error>> + Send;

    /// Sets the topics whose records are not wanted while others are. Each call replaces the one before. Records that
    /// are on their way may still come. Does not wait.
    ///
    /// A source that ignores this, as by default, can fill the room of all topics with records of one.
    fn hold_back(&mut self, topics: &[Arc<str>]) {
        let _ = topics;
    }

    /// Starts to commit the positions and does not wait; see [`SourceEvent::CommitFailed`].
    fn commit(&mut self, positions: &[Position]);

    /// Commits the positions, waits for the broker's answer, then leaves the group.
    ///
    /// # Errors
    ///
    /// Returns an error when the commit was refused. The group is left in any case.
    fn close(self, positions: Vec<Position>) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Says why a record was not produced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProduceError {
    /// This record will not be accepted: it is too large or invalid, or only its requester has named its topic and the
    /// topic accepts nothing. A sink does not return this for a condition that affects all records, but waits until the
    /// condition ends.
    #[error("refused: {0}")]
    Refused(String),
    /// No record will ever be accepted again.
    #[error("producer failed: {0}")]
    Fatal(String),
}

/// Produces replies and dead letters.
pub trait ReplySink: Clone + Send + Sync + 'static {
    /// Produces a record and waits until the broker has it. Retries as long as that may help. When the bridge stops, it
    /// drops the waiting future.
    ///
    /// # Errors
    ///
    /// Returns an error when retrying cannot help.
    fn produce(
        &self,
        record: OutboundRecord,
    ) -> impl Future<Output = Result<(), ProduceError>> + Send;
}
