//! The settings of all rounds of a suite.

use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// The settings of all rounds.
#[derive(Debug, Clone)]
pub(crate) struct Conditions {
    /// Requests per second.
    pub(crate) rate: u32,
    /// Least number of requests in a round.
    pub(crate) requests: u64,
    /// Length of the part before the faults, with which the recovery is compared.
    pub(crate) quiet: Duration,
    /// The folder in which each round has a folder for its logs.
    pub(crate) folder: PathBuf,
    /// Whether to keep the logs of clean rounds.
    pub(crate) keep_logs: bool,
    /// librdkafka properties of the service's clients, `key=value`.
    pub(crate) properties: Vec<String>,
    /// The programs, if they are not in the folder of this one.
    pub(crate) order_service: Option<PathBuf>,
    pub(crate) load_client: Option<PathBuf>,
    /// Cancelled by Ctrl-C.
    pub(crate) stop: CancellationToken,
}
