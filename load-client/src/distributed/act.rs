//! What a coordinator is asked for, and what it answers: for the program around it to do.

use std::time::Duration;

use super::Note;
use crate::measure::interval::IntervalRecord;

/// What is asked of a run.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) workers: u32,
    /// How long workers are waited for, and then for all to be ready.
    pub(crate) patience: Duration,
    /// From the start's receipt to the first request.
    pub(crate) delay: Duration,
    /// How far apart two workers may begin.
    pub(crate) max_skew: Duration,
    /// A run goes on that has lost a worker.
    pub(crate) continues: bool,
}

/// What the coordinator's program is to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    Write(Note),
    /// Add what the worker with this part has measured.
    Add(usize, Vec<IntervalRecord>),
    Tell(String),
    End(Ending),
}

/// How a run ends for its coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All workers that were not lost are done.
    Finished,
    /// It could not begin.
    NotBegun(String),
    /// It began, and its figures must not be used.
    Invalid(String),
    /// Another coordinator has taken the run.
    Fenced,
}
