//! A part of a run with figures of its own, for runs whose load changes by stages.

use serde::Serialize;

use crate::summary::Row;

/// One stage of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stage {
    /// What the stage is called, for example `1: 50 users`.
    pub name: String,
    /// When it began, in seconds from the start of the run.
    pub start_seconds: f64,
    /// When it ended.
    pub end_seconds: f64,
    /// All kinds of requests together, sent in this stage.
    pub figures: Row,
}
