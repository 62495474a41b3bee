//! One measured request: when it was sent, and the one outcome that it ended in.

use serde::Serialize;

/// How a request ended. Every request ends in exactly one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A reply with a 2xx status (or, when only publishing, a delivery report) arrived in time.
    Ok,
    /// No reply within the time-out. A reply that comes later changes nothing.
    TimeOut,
    /// The request could not be handed over, or its delivery failed.
    SendError(String),
    /// The reply's status is not 2xx, or cannot be read.
    ErrorStatus(String),
    /// The reply consumer could not have received the reply.
    ConsumerFailure(String),
    /// Still in flight when the run was cut short: neither a reply nor a failure.
    Censored,
}

/// The name of an [`Outcome`], without its details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// See [`Outcome::Ok`].
    Ok,
    /// See [`Outcome::TimeOut`].
    Timeout,
    /// See [`Outcome::SendError`].
    SendError,
    /// See [`Outcome::ErrorStatus`].
    ErrorStatus,
    /// See [`Outcome::ConsumerFailure`].
    ConsumerFailure,
    /// See [`Outcome::Censored`].
    Censored,
}

impl Status {
    /// The name as in the CSV.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Timeout => "timeout",
            Self::SendError => "send_error",
            Self::ErrorStatus => "error_status",
            Self::ConsumerFailure => "consumer_failure",
            Self::Censored => "censored",
        }
    }

    /// Whether the request counts as failed.
    #[must_use]
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::Ok | Self::Censored)
    }
}

impl Outcome {
    /// The outcome's name.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Ok => Status::Ok,
            Self::TimeOut => Status::Timeout,
            Self::SendError(_) => Status::SendError,
            Self::ErrorStatus(_) => Status::ErrorStatus,
            Self::ConsumerFailure(_) => Status::ConsumerFailure,
            Self::Censored => Status::Censored,
        }
    }

    /// What went wrong, in words; empty for a good reply.
    #[must_use]
    pub fn error(&self) -> &str {
        match self {
            Self::Ok => "",
            Self::TimeOut => "no reply within the time-out",
            Self::Censored => "still in flight when the run was cut short",
            Self::SendError(error) | Self::ErrorStatus(error) | Self::ConsumerFailure(error) => {
                error
            }
        }
    }
}

/// One request. Instants are nanoseconds since the start of the run, on one monotonic clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The user that sent it, counted from 0.
    pub user: u32,
    /// When the user meant to send it.
    pub intended_ns: u64,
    /// When it was handed to the producer: the start of its round trip.
    pub sent_ns: u64,
    /// When its answer was taken off the consumer, whatever the answer's status; `None` without one.
    pub replied_ns: Option<u64>,
    /// How it ended.
    pub outcome: Outcome,
    /// Sent during the warm-up: kept in the CSV, left out of the figures.
    pub warm_up: bool,
}

impl Sample {
    /// The round-trip time in nanoseconds. Only a good reply has one: a failure is never a latency.
    #[must_use]
    pub fn latency_ns(&self) -> Option<u64> {
        match self.outcome {
            Outcome::Ok => self
                .replied_ns
                .map(|replied| replied.saturating_sub(self.sent_ns)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_never_a_latency() {
        let mut sample = Sample {
            user: 0,
            intended_ns: 0,
            sent_ns: 5,
            replied_ns: Some(25),
            outcome: Outcome::Ok,
            warm_up: false,
        };
        assert_eq!(sample.latency_ns(), Some(20));
        sample.outcome = Outcome::ErrorStatus("500".to_owned());
        assert_eq!(sample.latency_ns(), None);
        assert!(sample.outcome.status().is_failure());
        assert!(!Status::Censored.is_failure());
    }
}
