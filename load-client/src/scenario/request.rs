//! One request to be sent, and where requests come from.

use bytes::Bytes;
use uuid::Uuid;

/// A request, ready to be sent. What is the same for all requests of a run (the return address, for
/// one) is the transport's to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Which of [`Scenario::kinds`] it is, counted from 0.
    pub kind: u16,
    /// What its reply is told by; never the same twice.
    pub id: Uuid,
    /// The record's key.
    pub key: Option<Bytes>,
    /// Headers of its own.
    pub headers: Vec<(String, Bytes)>,
    /// The body; `None` is a record without a value.
    pub body: Option<Bytes>,
}

/// Makes the requests of a run. Asked by every user, so it must be cheap, and may be shared.
pub trait Scenario: Send + Sync + 'static {
    /// The names of the request kinds, by which results are told apart; at least one.
    fn kinds(&self) -> &[String];

    /// The next request of a user, counted from 0.
    fn next(&self, user: u32) -> Request;
}
