//! What the runner needs of a transport: hand a request over, learn how it ended.

use std::time::Instant;

use super::Pending;
use crate::scenario::Request;

/// Why a request has no good reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It was not handed over, or its delivery failed.
    Send(String),
    /// Its reply says that it failed, or does not say that it succeeded.
    Status(String, Answer),
    /// The reply consumer cannot receive replies.
    Consumer(String),
    /// No reply came by its deadline.
    TimeOut,
    /// The run was cut short while it was in flight.
    Cut,
}

/// A reply that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// When it was taken off the consumer.
    pub replied: Instant,
    /// Length of its body in bytes.
    pub bytes: u32,
}

/// How a request ended.
pub type Ending = Result<Answer, Failure>;

/// A request that waits for its ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InFlight {
    /// Which of the plan's request kinds it is, counted from 0.
    pub kind: u16,
    /// The user that sent it.
    pub user: u32,
    /// When it was to be sent.
    pub intended: Instant,
    /// When it was handed over. Taken just before the hand-over, so that nothing the transport does is
    /// left out of its round trip.
    pub sent: Instant,
    /// A reply with a later stamp does not count.
    pub deadline: Instant,
    /// When the broker's acknowledgement was seen, if it was.
    pub acked: Option<Instant>,
}

/// Is told how requests ended: each of them once, on whatever thread its ending was found.
///
/// That may be the thread that stamps replies, so telling must be quick and must never block.
pub trait Listener: Send + Sync + 'static {
    /// Takes one ending.
    fn ended(&self, flight: &InFlight, ending: Ending);
}

/// Carries requests to a service, and tells of its replies in a table of [`Pending`] requests.
///
/// The runner enters a request into the table *before* it hands it over: a fast reply must find it.
pub trait Transport: Send + Sync + 'static {
    /// The table that this transport ends requests in.
    fn pending(&self) -> &Pending;

    /// Hands over one request that is in the table. Returns at once; what goes wrong ends the request.
    fn send(&self, request: &Request);
}
