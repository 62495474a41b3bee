//! One request to be sent, and where requests come from.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::StatusSet;

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
    /// Where it goes; `None` is the run's topic.
    pub topic: Option<Arc<str>>,
    /// Where its reply is to go; `None` is the run's reply topic.
    pub reply_topic: Option<Arc<str>>,
    /// The statuses that answer it well; `None` is what the run expects.
    pub expect: Option<Arc<StatusSet>>,
}

impl Request {
    /// A request of a kind with an id of its own, and nothing else set.
    #[must_use]
    pub fn new(kind: u16) -> Self {
        Self {
            kind,
            id: Uuid::new_v4(),
            key: None,
            headers: Vec::new(),
            body: None,
            topic: None,
            reply_topic: None,
            expect: None,
        }
    }
}

/// Makes the requests of a run. Asked by every user, so it must be cheap, and may be shared.
///
/// A scenario in code is this trait:
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use load_client::scenario::{Request, Scenario, StatusSet};
///
/// /// Every third request asks for what does not exist, and is answered well by a 404.
/// struct Orders {
///     kinds: [String; 2],
///     made: AtomicU64,
///     missing: Arc<StatusSet>,
/// }
///
/// impl Scenario for Orders {
///     fn kinds(&self) -> &[String] {
///         &self.kinds
///     }
///
///     fn next(&self, user: u32) -> Request {
///         let number = self.made.fetch_add(1, Ordering::Relaxed);
///         let body = format!(r#"{{"number":{number},"user":{user}}}"#);
///         if number % 3 < 2 {
///             return Request { body: Some(body.into()), ..Request::new(0) };
///         }
///         Request {
///             body: Some(body.into()),
///             topic: Some("findOrder".into()),
///             expect: Some(Arc::clone(&self.missing)),
///             ..Request::new(1)
///         }
///     }
/// }
///
/// let orders = Orders {
///     kinds: ["create".to_owned(), "find".to_owned()],
///     made: AtomicU64::new(0),
///     missing: Arc::new("404".parse()?),
/// };
/// let kinds: Vec<u16> = (0..6).map(|user| orders.next(user).kind).collect();
/// assert_eq!(kinds, [0, 0, 1, 0, 0, 1]);
/// # Ok::<(), String>(())
/// ```
pub trait Scenario: Send + Sync + 'static {
    /// The names of the request kinds, by which results are told apart; at least one.
    fn kinds(&self) -> &[String];

    /// The next request of a user, counted from 0.
    fn next(&self, user: u32) -> Request;
}
