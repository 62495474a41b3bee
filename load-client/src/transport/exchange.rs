//! What the runner needs of a transport: hand a request over, learn how it ended.

use std::time::Instant;

use super::PendingReply;
use crate::scenario::Request;

/// Why a request has no good reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It was not handed over, or its delivery failed.
    Send(String),
    /// Its reply says that it failed, or does not say that it succeeded. The instant is the reply's.
    Status(String, Instant),
    /// The reply consumer cannot receive replies.
    Consumer(String),
}

/// A request that was handed over.
#[derive(Debug)]
pub struct InFlight {
    /// The moment of the hand-over, where its round trip starts.
    pub sent: Instant,
    /// Resolves to the moment of the good reply, or to the failure.
    pub reply: PendingReply,
}

/// Carries requests to a service, and its replies back.
///
/// An implementation registers the request *before* it sends it: a fast reply must find it.
pub trait Transport: Send + Sync + 'static {
    /// Hands one request over. Returns at once; what goes wrong is told by the reply.
    fn send(&self, request: &Request) -> InFlight;

    /// Why no reply can arrive any more, once that is certain.
    fn defunct(&self) -> Option<String>;
}
