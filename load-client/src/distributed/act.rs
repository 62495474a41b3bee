//! The terms that a coordinator gets, and the acts that it asks its program to do.

use std::time::Duration;

use super::Note;
use crate::measure::interval::IntervalRecord;

/// The terms of a run.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) workers: u32,
    /// How long to wait for workers, and then for all of them to be ready.
    pub(crate) patience: Duration,
    /// Time from the receipt of the start to the first request.
    pub(crate) delay: Duration,
    /// How far apart two workers may begin.
    pub(crate) max_skew: Duration,
    /// Whether a run goes on after it has lost a worker.
    pub(crate) continues: bool,
}

/// An act for the coordinator's program.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    Write(Note),
    /// Add measurements of the worker with this part.
    Add(usize, Vec<IntervalRecord>),
    Tell(String),
    End(Ending),
}

/// How a run ends for its coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All workers that were not lost are done.
    Finished,
    /// The run could not begin.
    NotBegun(String),
    /// The run began, but its figures must not be used.
    Invalid(String),
    /// Another coordinator has taken the run.
    Fenced,
}
