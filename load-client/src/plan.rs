//! The load of a run, validated: how many users, how they start, how long they go on. Pure.

use std::time::Duration;

/// A closed loop without think time: each user sends, waits for the reply, sends again.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Number of users.
    pub users: u32,
    /// Users started per second; above 0.
    pub spawn_rate: f64,
    /// From the start of the run to the last send, ramp and warm-up included; `None` goes on
    /// until the run is stopped.
    pub run_time: Option<Duration>,
    /// Requests sent in this time from the start are kept, and left out of the figures.
    pub warm_up: Duration,
    /// How long a user waits for a reply.
    pub timeout: Duration,
}

/// Why a plan cannot be run; names the flag to change.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum PlanError {
    /// Nothing would be measured.
    #[error("--warm-up {} leaves nothing of --run-time {}; the run time includes the warm-up", humantime::format_duration(*.warm_up), humantime::format_duration(*.run_time))]
    WarmUpTooLong {
        /// The warm-up asked for.
        warm_up: Duration,
        /// The run time asked for.
        run_time: Duration,
    },
}

impl Plan {
    /// Checks what depends on more than one setting.
    ///
    /// # Errors
    ///
    /// When the warm-up takes all of the run time.
    pub fn validated(self) -> Result<Self, PlanError> {
        match self.run_time {
            Some(run_time) if self.warm_up >= run_time => Err(PlanError::WarmUpTooLong {
                warm_up: self.warm_up,
                run_time,
            }),
            _ => Ok(self),
        }
    }

    /// When user `user`, counted from 0, starts: evenly spaced at the spawn rate.
    #[must_use]
    pub fn starts_at(&self, user: u32) -> Duration {
        // Rates so low that the moment does not fit a Duration mean "never within this run".
        Duration::try_from_secs_f64(f64::from(user) / self.spawn_rate).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            users: 10,
            spawn_rate: 4.0,
            run_time: Some(Duration::from_secs(10)),
            warm_up: Duration::from_secs(2),
            timeout: Duration::from_secs(30),
        }
    }

    #[test]
    fn users_start_evenly_spaced() {
        assert_eq!(plan().starts_at(0), Duration::ZERO);
        assert_eq!(plan().starts_at(6), Duration::from_millis(1500));
    }

    #[test]
    fn the_warm_up_must_leave_time_to_measure() {
        assert!(plan().validated().is_ok());
        let mut short = plan();
        short.run_time = Some(Duration::from_secs(2));
        assert_eq!(
            short.validated().unwrap_err().to_string(),
            "--warm-up 2s leaves nothing of --run-time 2s; the run time includes the warm-up"
        );
    }
}
