//! What all rounds of a suite have in common.

use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How rounds are played.
#[derive(Debug, Clone)]
pub(crate) struct Conditions {
    /// Requests a second.
    pub(crate) rate: u32,
    /// Requests of a round, at least.
    pub(crate) requests: u64,
    /// The part of a round before the faults that their recovery is measured against.
    pub(crate) quiet: Duration,
    /// Where each round has a folder for its logs.
    pub(crate) folder: PathBuf,
    /// Whether a clean round's logs stay.
    pub(crate) keep_logs: bool,
    /// librdkafka properties of the service's clients, `key=value`.
    pub(crate) properties: Vec<String>,
    /// The programs, where they are not beside this one.
    pub(crate) order_service: Option<PathBuf>,
    pub(crate) load_client: Option<PathBuf>,
    /// Cancelled by Ctrl-C.
    pub(crate) stop: CancellationToken,
}
