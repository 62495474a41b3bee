//! Defines the outcome of a record: its reply, or why there is none. Pure.

use http::StatusCode;

use crate::OutboundRecord;
use crate::reply::refusal::{Refusal, Unserved};

/// The service's result for a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A reply to produce.
    Reply {
        /// The reply.
        record: OutboundRecord,
        /// The status of the reply.
        status: StatusCode,
        /// Whether the request failed on the service's side, so that a retry may succeed.
        failed: bool,
    },
    /// No reply.
    Skip(SkipReason),
}

impl Outcome {
    /// Returns the status of a failure that a retry may change.
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

/// Returns whether a retry may have another result.
pub(crate) fn may_pass(status: StatusCode) -> bool {
    status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED
}

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SkipReason {
    /// The record has no return address, and the application was not called. The record may have the header of a
    /// profile that is not active.
    #[error("no return address{}", .0.as_ref().map(|other| format!(": {other}")).unwrap_or_default())]
    NoReplyTo(Option<Unserved>),
    /// The record has no return address. The application was called and its answer dropped.
    #[error("processed, no reply wanted")]
    ReplyDropped,
    /// The record has no return address, and the application's answer was a failure.
    #[error("processed and failed with status {0}, no return address")]
    FailedUnanswered(StatusCode),
    /// The record has no return address, and the requester's deadline passed before there was an answer.
    #[error("the requester's deadline has passed, no return address")]
    DeadlinePassed,
    /// The return address must not be used. The application was not called.
    #[error("{0}")]
    AddressDenied(Refusal),
    /// No operation is mapped to the record's topic.
    #[error("no operation for this topic")]
    NoOperation,
}

impl SkipReason {
    /// Returns the label of the reason in metrics.
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
