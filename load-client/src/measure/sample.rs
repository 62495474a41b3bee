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
#[expect(
    clippy::enum_variant_names,
    reason = "the names are those of the CSV and the JSON"
)]
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
    /// Which of the plan's request kinds it is, counted from 0.
    pub kind: u16,
    /// The user that sent it, counted from 0.
    pub user: u32,
    /// When it was to be sent: by the schedule (open loop), or when its user was free (closed loop).
    pub intended_ns: u64,
    /// When it was handed to the producer.
    pub sent_ns: u64,
    /// When the broker's acknowledgement was seen; `None` when the request ended before it.
    pub acked_ns: Option<u64>,
    /// When its answer was taken off the consumer, whatever the answer's status; `None` without one.
    pub replied_ns: Option<u64>,
    /// Length of the answer's body in bytes; 0 without an answer.
    pub reply_bytes: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// Meant for the warm-up: kept in the CSV, left out of the figures.
    pub warm_up: bool,
}

impl Sample {
    /// The response time in nanoseconds: from the intended instant to the reply, so that waiting to be
    /// sent counts. Only a good reply has one: a failure is never a latency.
    #[must_use]
    pub fn response_ns(&self) -> Option<u64> {
        self.from(self.intended_ns)
    }

    /// The service time in nanoseconds: from the hand-over to the reply. It says nothing of what a stall
    /// did to the requests that were not sent meanwhile (coordinated omission).
    #[must_use]
    pub fn service_ns(&self) -> Option<u64> {
        self.from(self.sent_ns)
    }

    fn from(&self, start_ns: u64) -> Option<u64> {
        let replied = self.replied_ns.filter(|_| self.outcome == Outcome::Ok);
        replied.map(|replied| replied.saturating_sub(start_ns))
    }
}

#[cfg(test)]
impl Sample {
    /// A request of kind 0 and user 0 that was sent when it was meant to be.
    pub(crate) fn test(sent_ns: u64, latency_ns: u64, outcome: Outcome) -> Self {
        Self {
            kind: 0,
            user: 0,
            intended_ns: sent_ns,
            sent_ns,
            acked_ns: None,
            replied_ns: Some(sent_ns + latency_ns),
            reply_bytes: 0,
            outcome,
            warm_up: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_never_a_latency() {
        let mut sample = Sample::test(5, 20, Outcome::Ok);
        sample.intended_ns = 2;
        assert_eq!(sample.service_ns(), Some(20));
        assert_eq!(sample.response_ns(), Some(23));
        sample.outcome = Outcome::ErrorStatus("500".to_owned());
        assert_eq!((sample.service_ns(), sample.response_ns()), (None, None));
        assert!(sample.outcome.status().is_failure());
        assert!(!Status::Censored.is_failure());
    }
}
