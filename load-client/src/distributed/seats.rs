//! The state of the workers of a run, as it is shown during the run.

use std::time::Duration;

use serde::Serialize;

use super::course::Seat;

/// A worker, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct WorkerView {
    pub(crate) name: String,
    /// `waiting`, `sending`, `done` or `lost`.
    pub(crate) state: &'static str,
    /// Active users, or requests in flight of an open loop.
    pub(crate) active: u32,
    /// Requests of the measured window that ended.
    pub(crate) requests: u64,
    /// How many of these requests failed.
    pub(crate) failures: u64,
    /// Cores that the worker has used since its start.
    pub(crate) cores: Option<f64>,
    /// 99th percentile of how late the worker sent its requests.
    pub(crate) lag_p99_ms: Option<f64>,
    /// Seconds since the worker's last record.
    pub(crate) silent_seconds: f64,
}

impl WorkerView {
    pub(super) fn of(seat: &Seat, now: Duration, has_begun: bool) -> Self {
        let state = match (seat.is_lost, &seat.done, has_begun) {
            (true, ..) => "lost",
            (_, Some(_), _) => "done",
            (_, None, true) => "sending",
            (_, None, false) => "waiting",
        };
        Self {
            name: seat.name.clone(),
            state,
            active: seat.beat.active,
            requests: seat.ended.requests,
            failures: seat.ended.failures,
            cores: seat.beat.cores,
            lag_p99_ms: seat.beat.lag_p99_ms,
            silent_seconds: now.saturating_sub(seat.heard).as_secs_f64(),
        }
    }

    /// Returns a line for a terminal.
    pub(crate) fn line(&self) -> String {
        let mut text = format!(
            "  worker {}  {}, {} active, {} requests, {} failed",
            self.name, self.state, self.active, self.requests, self.failures
        );
        if let Some(cores) = self.cores {
            text += &format!(", {cores:.2} cores");
        }
        if let Some(lag) = self.lag_p99_ms {
            text += &format!(", schedule lag p99 {lag:.3} ms");
        }
        format!("{text}, heard {:.1} s ago", self.silent_seconds)
    }
}
