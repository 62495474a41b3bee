//! What becomes of a record: its reply, or why there is none. Pure.

use http::StatusCode;

use crate::OutboundRecord;
use crate::reply::refusal::{Refusal, Unserved};

/// What the service makes of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A reply to be produced.
    Reply {
        /// The reply.
        record: OutboundRecord,
        /// The status that it tells.
        status: StatusCode,
        /// Whether the request failed on the service's side, so that another attempt may succeed.
        failed: bool,
    },
    /// Nothing to be produced.
    Skip(SkipReason),
}

impl Outcome {
    /// Returns the status of a failure that another attempt may change.
    pub(crate) fn failure(&self) -> Option<StatusCode> {
        match self {
            Self::Reply { status, failed, .. } => failed.then_some(*status),
            Self::Skip(SkipReason::FailedUnanswered(status)) => {
                may_pass(*status).then_some(*status)
            }
            Self::Skip(_) => None,
        }
    }
}

/// Returns whether another attempt may have another end.
pub(crate) fn may_pass(status: StatusCode) -> bool {
    status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED
}

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SkipReason {
    /// The record has no return address; the application was not called. It may have one that no profile in use
    /// looks for.
    #[error("no return address{}", .0.as_ref().map(|other| format!(": {other}")).unwrap_or_default())]
    NoReplyTo(Option<Unserved>),
    /// The record has no return address; the application was called and its answer dropped.
    #[error("processed, no reply wanted")]
    ReplyDropped,
    /// The record has no return address, and the application's answer was a failure.
    #[error("processed and failed with status {0}, nobody to tell")]
    FailedUnanswered(StatusCode),
    /// The record has no return address, and its requester's deadline passed before an answer was there.
    #[error("the requester's deadline has passed, nobody to tell")]
    DeadlinePassed,
    /// The return address is not to be used; the application was not called.
    #[error("{0}")]
    AddressDenied(Refusal),
    /// No operation is mapped to the record's topic.
    #[error("no operation for this topic")]
    NoOperation,
}

impl SkipReason {
    /// Names the reason in metrics.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::NoReplyTo(_) => "no_reply_to",
            Self::ReplyDropped => "reply_dropped",
            Self::FailedUnanswered(_) => "failed_unanswered",
            Self::DeadlinePassed => "deadline_passed",
            Self::AddressDenied(_) => "address_denied",
            Self::NoOperation => "no_operation",
        }
    }
}
