//! What was seen in a round: plain data that the oracles judge. It holds no judgement itself.

use std::collections::{BTreeMap, BTreeSet};

/// A record in the topic of the requests, read back at the end of the round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// Of this record alone.
    pub(super) id: String,
    /// Of the request, which several records may carry.
    pub(super) request: String,
    pub(super) key: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// Whether it came from a load client, whose requests have no idempotency key.
    pub(super) foreign: bool,
    /// When the broker wrote it: milliseconds since 1970, as all times here.
    pub(super) at: i64,
}

/// How a record was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A reply, with the id of the order that it tells of.
    Reply { status: u16, order: Option<String> },
    /// A record in the dead-letter topic.
    DeadLetter { cause: String },
}

/// A reply or dead letter as it was read, in the order of its partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// The record's id.
    pub(super) id: String,
    pub(super) outcome: Outcome,
    /// When the broker wrote it.
    pub(super) at: i64,
}

/// An order in the store, and the request that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) id: String,
    pub(super) request: String,
}

/// A committed offset as the broker told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// What is written beside it: the id of the topic that it belongs to.
    pub(super) metadata: String,
    /// After the broker's answer.
    pub(super) at: i64,
}

/// What one process had in memory, in bytes.
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

/// All that was seen in one round.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Evidence {
    /// Ids of the records whose delivery the broker reported.
    pub(super) accepted: BTreeSet<String>,
    /// When each request of the steady load was to be sent, by its id: the rate says so, however late it went.
    pub(super) due: BTreeMap<String, i64>,
    pub(super) records: Vec<Record>,
    pub(super) answers: Vec<Answer>,
    pub(super) orders: Vec<Order>,
    pub(super) commits: Vec<Commit>,
    /// The part of the round before the first fault that counts for the throughput.
    pub(super) quiet: Option<Span>,
    /// From the begin of the first fault to the end of the last one.
    pub(super) fault: Option<Span>,
    /// When, after the fault, the group was seen to be settled and to have all members.
    pub(super) whole: Option<i64>,
    /// While the topic of the replies was not there; replies from before are gone with it.
    pub(super) replies_gone: Option<Span>,
    /// While the topic of the requests was not there; requests from before are gone with it.
    pub(super) requests_gone: Option<Span>,
    /// While a leader was alone in sync that others followed who lack what it had accepted.
    pub(super) alone: Option<Span>,
    /// Records between what is committed and the end, for each partition, when the round was over.
    pub(super) lag: BTreeMap<i32, i64>,
    /// Members of the group while all instances ran, and when they had stopped; `None` if it never settled.
    pub(super) members: Option<usize>,
    pub(super) members_left: Option<usize>,
    pub(super) memory: Vec<Memory>,
    /// Instances that ended because Kafka says that they have to, and were started again.
    pub(super) told_to_end: u32,
    /// What a part did that it must not do, in words: an instance that ended by itself, a load client that
    /// did not say that its disk is full.
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
