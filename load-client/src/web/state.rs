//! What a browser knows of the run beside its figures. Plain data.

use serde::Serialize;

/// Where the load is in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// No run was started yet.
    #[default]
    Ready,
    /// Connecting; nothing was sent yet.
    Starting,
    /// Sending.
    Running,
    /// Sends nothing more, waits for the requests in flight.
    Stopping,
    /// The last run ended as it should.
    Stopped,
    /// The last run could not be started or ended early; [`State::error`] says why.
    Failed,
}

/// The state of the load, as every browser sees it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct State {
    /// Where the load is in its life.
    pub phase: Phase,
    /// The present or the last run, counted from 1; 0 before the first.
    pub run: u32,
    /// Its id.
    pub run_id: Option<String>,
    /// Users it is to have.
    pub users: u32,
    /// Users started per second.
    pub spawn_rate: f64,
    /// From its start to its last send, in seconds; `None` without an end.
    pub run_time_seconds: Option<f64>,
    /// When it started to send, in milliseconds since 1970.
    pub started_unix_ms: Option<u64>,
    /// When its last request ended, in milliseconds since 1970.
    pub ended_unix_ms: Option<u64>,
    /// The server's present, in milliseconds since 1970; a browser's clock may differ.
    pub now_unix_ms: u64,
    /// Why the last run failed.
    pub error: Option<String>,
    /// Why the figures of the last run must not be used.
    pub invalid: Option<String>,
    /// What the load is sent to.
    pub target: Target,
    /// What a new run is proposed to be.
    pub defaults: Defaults,
    /// What the page may offer.
    pub offers: Offers,
}

/// What the load is sent to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Target {
    /// `host:port`, comma separated.
    pub brokers: String,
    /// Topic of the requests.
    pub topic: String,
    /// Topic of the replies; `None` when only publishing.
    pub reply_topic: Option<String>,
}

/// The values that the form of a new run starts with.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Defaults {
    /// Users.
    pub users: u32,
    /// Users started per second.
    pub spawn_rate: f64,
    /// As on the command line, `5m` for example; empty without an end.
    pub run_time: String,
    /// As on the command line, `500/s` for example; empty for users.
    pub rate: String,
}

/// What the page may offer beside starting and stopping.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Offers {
    /// The users of a running load can be changed.
    pub edit: bool,
    /// A new run may have a rate of requests (open loop).
    pub rate: bool,
    /// Files under `/download/`.
    pub downloads: Vec<String>,
}

impl Phase {
    /// Whether a run is under way, from its connecting to its last reply.
    #[must_use]
    pub(crate) fn is_active(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Stopping)
    }
}
