//! Serves records between a source and a sink. Knows neither HTTP nor Kafka.
//!
//! `engine` is the event loop, and `job` handles one record. `modes` runs the jobs: one at a time (`serial`), each in
//! its own task (`tasks`), or in tasks that keep the order of a key or partition (`lanes`). `pools` has one pool for
//! each operation with its own mode or limit.

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

/// Counts finished records. Each record is in exactly one of the first three counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records whose reply the broker has acknowledged, including failure answers.
    pub replied: u64,
    /// Records that went to the dead-letter topic.
    pub dead_lettered: u64,
    /// Records that were only counted and logged.
    pub skipped: u64,
    /// Records that were in flight when the drain timeout expired. They will be delivered again.
    pub abandoned: u64,
}

/// What the dispatch needs from a service. The future of a tower service needs a name, which would cost one box per
/// record.
pub(crate) trait Answer: Clone + Send + 'static {
    /// Asks whether this value may answer a record. A clone has to be asked again. Never panics.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()>;

    /// Answers one record. Takes `self`, so that the application is dropped inside its panic barrier.
    fn answer(self, record: Record) -> impl Future<Output = Outcome> + Send;
}
