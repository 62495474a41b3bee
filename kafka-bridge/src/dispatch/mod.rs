//! Runs what serves records between a source and a sink. Knows neither HTTP nor Kafka.
//!
//! `engine` is the event loop, `job` the way of one record, `modes` the jobs that are under way:
//! one at a time (`serial`), each in a task of its own (`tasks`), or in tasks that keep the order of a key or partition (`lanes`).
//! `pools` are as many of these as there are operations with a mode or bound of their own.

mod awaiting;
pub(crate) mod dead_letter;
mod engine;
pub(crate) mod failure_policy;
mod gate;
mod job;
mod modes;
mod pools;
mod progress;
mod reply_bytes;
mod revocations;
mod shared;
mod timers;

pub(crate) use engine::Engine;
pub(crate) use job::JobFactory;
pub(crate) use pools::Pools;
pub(crate) use progress::StatusSender;

use std::task::{Context, Poll};

use crate::{Outcome, Record};

/// Counts of finished records; each record is in exactly one of the first three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records whose reply the broker has acknowledged, failure answers included.
    pub replied: u64,
    /// Records that went to the dead-letter topic.
    pub dead_lettered: u64,
    /// Records that were counted and logged only.
    pub skipped: u64,
    /// Records that were under way when the drain time was over; they will be delivered again.
    pub abandoned: u64,
}

/// What the dispatch needs of who answers. A tower service's future has to have a name, which costs a box a record.
pub(crate) trait Answer: Clone + Send + 'static {
    /// Asks whether this value may answer a record; a clone of it has to be asked anew. Never panics.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()>;

    /// Handles one record and is used up, so that the application is dropped within its barrier.
    fn answer(self, record: Record) -> impl Future<Output = Outcome> + Send;
}
