//! The observations of a round: plain data, which the oracles judge.

use std::collections::{BTreeMap, BTreeSet};

/// A record of the request topic, read at the end of the round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// The id of this record.
    pub(super) id: String,
    /// The id of the request. Several records may have the same request.
    pub(super) request: String,
    pub(super) key: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// Whether it came from a load client, whose requests have no idempotency key.
    pub(super) foreign: bool,
    /// When the broker wrote it, in milliseconds since 1970, like all times here.
    pub(super) at: i64,
}

/// The answer to a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A reply, with the id of its order.
    Reply { status: u16, order: Option<String> },
    /// A record in the dead-letter topic.
    DeadLetter { cause: String },
}

/// A reply or a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// The record's id.
    pub(super) id: String,
    pub(super) outcome: Outcome,
    /// When the broker wrote it.
    pub(super) at: i64,
}

/// An order in the store, and its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) id: String,
    pub(super) request: String,
}

/// A committed offset, read from the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// The metadata of the commit: the id of its topic.
    pub(super) metadata: String,
    /// The time after the broker's answer.
    pub(super) at: i64,
}

/// The memory of one process, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) name: String,
    pub(super) first: u64,
    pub(super) most: u64,
}

/// A span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) begin: i64,
    pub(super) end: i64,
}

/// All observations of one round.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Evidence {
    /// Ids of the records whose delivery the broker reported.
    pub(super) accepted: BTreeSet<String>,
    /// When each request of the steady load was due, by its id. The rate decides that, even if it was sent late.
    pub(super) due: BTreeMap<String, i64>,
    pub(super) records: Vec<Record>,
    pub(super) answers: Vec<Answer>,
    pub(super) orders: Vec<Order>,
    pub(super) commits: Vec<Commit>,
    /// The part before the first fault in which the throughput is measured.
    pub(super) quiet: Option<Span>,
    /// From the start of the first fault to the end of the last one.
    pub(super) fault: Option<Span>,
    /// When the group was settled again after the fault, with all members.
    pub(super) whole: Option<i64>,
    /// The time without the reply topic. Earlier replies are gone with the old topic.
    pub(super) replies_gone: Option<Span>,
    /// The time without the request topic. Earlier requests are gone with the old topic.
    pub(super) requests_gone: Option<Span>,
    /// The time in which a leader was alone in sync, before another leader without its last records.
    pub(super) alone: Option<Span>,
    /// The lag of each partition at the end of the round, in records.
    pub(super) lag: BTreeMap<i32, i64>,
    /// Members of the group while all instances ran, and after their stop; `None` if it never settled.
    pub(super) members: Option<usize>,
    pub(super) members_left: Option<usize>,
    pub(super) memory: Vec<Memory>,
    /// Instances that ended after an error that Kafka calls fatal, and were started again.
    pub(super) told_to_end: u32,
    /// What a part did wrong, in words: for example an instance that ended by itself, or a load client that did not
    /// report its full disk.
    pub(super) misbehaviour: Vec<String>,
}

impl Evidence {
    /// The answers to each record.
    pub(super) fn answers_by_record(&self) -> BTreeMap<&str, Vec<&Answer>> {
        let mut answers: BTreeMap<&str, Vec<&Answer>> = BTreeMap::new();
        for answer in &self.answers {
            answers.entry(&answer.id).or_default().push(answer);
        }
        answers
    }
}
