//! What the page needs of whoever owns the runs.

use std::future::Future;

use serde::Deserialize;

use super::{Board, Refusal, State};

/// Starts, changes and stops runs, and keeps the board up to date.
///
/// Several browsers may ask at the same time: an implementation takes their orders one after the
/// other, and refuses with [`Refusal::Conflict`] what does not fit what it is doing. An order that was
/// taken is carried out though its browser went away.
pub(crate) trait RunController: Send + Sync + 'static {
    /// State, history and figures, as every browser sees them.
    fn board(&self) -> &Board;

    /// Begins a run. Answers when the run has its number; what becomes of it is on the board.
    fn start(&self, order: StartOrder) -> impl Future<Output = Result<State, Refusal>> + Send;

    /// Changes the users of the run that goes on.
    fn edit(&self, order: EditOrder) -> impl Future<Output = Result<State, Refusal>> + Send;

    /// Ends the run: nothing more is sent; requests in flight are waited for, if not told otherwise.
    fn stop(&self, order: StopOrder) -> impl Future<Output = Result<State, Refusal>> + Send;

    /// Forgets the figures and the history up to now; a run goes on.
    fn reset(&self) -> impl Future<Output = Result<State, Refusal>> + Send;

    /// Makes one of the files that [`super::Offers::downloads`] names; `None` without such a file.
    ///
    /// # Errors
    ///
    /// When there is nothing to put into it yet, or it cannot be made.
    fn download(&self, file: &str) -> Result<Option<Download>, Refusal>;
}

/// What a new run is to be.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartOrder {
    /// Users.
    pub users: u32,
    /// Users started per second.
    pub spawn_rate: f64,
    /// As on the command line, `5m` for example; empty or absent without an end.
    #[serde(default)]
    pub run_time: Option<String>,
    /// Requests per second of an open loop, as on the command line.
    #[serde(default)]
    pub rate: Option<String>,
}

/// What the users of a running load are to be.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EditOrder {
    /// Users.
    pub users: u32,
    /// Users started or ended per second.
    pub spawn_rate: f64,
}

/// How a run is to end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StopOrder {
    /// Do not wait for the requests in flight; they are recorded as censored.
    #[serde(default)]
    pub now: bool,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Download {
    /// Its media type.
    pub media_type: &'static str,
    /// Its content.
    pub content: Vec<u8>,
}
