//! Transports carry requests to a service, and its replies back.

pub mod kafka;
mod pending;
mod reply;
pub(crate) mod wire;

use std::time::Instant;

use crate::scenario::Request;

pub use pending::Pending;

/// Why a request has no good reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The request could not be handed over, or its delivery failed.
    Send(String),
    /// The reply reports a failure, or does not report success.
    Status(Refusal),
    /// The reply reports success, but its body breaks a check.
    Check(Refusal),
    /// The reply consumer cannot receive replies.
    Consumer(String),
    /// No reply arrived by the deadline.
    TimeOut,
    /// The run was cut short while the request was in flight.
    Cut,
}

/// A reply that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// When the consumer delivered it.
    pub replied: Instant,
    /// Length of the body in bytes.
    pub bytes: u32,
}

/// A reply that is not good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why it is not good. All replies with the same cause have the same text, by which they are counted.
    pub reason: String,
    /// The reply.
    pub answer: Answer,
    /// The beginning of its body, safe to show; `None` without a body.
    pub body: Option<Box<str>>,
}

/// How a request ended.
pub type Ending = Result<Answer, Failure>;

/// Returns when the reply of an ending arrived, if there is one.
fn replied(ending: &Ending) -> Option<Instant> {
    match ending {
        Ok(answer) => Some(answer.replied),
        Err(Failure::Status(refusal) | Failure::Check(refusal)) => Some(refusal.answer.replied),
        Err(_) => None,
    }
}

/// A request that waits for its ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InFlight {
    /// The index of its kind of request in the plan.
    pub kind: u16,
    /// The user that sent it.
    pub user: u32,
    /// When it was due.
    pub intended: Instant,
    /// When it was handed over. The time is taken just before the hand-over, so that the round trip includes all the
    /// work of the transport.
    pub sent: Instant,
    /// A reply with a later stamp does not count.
    pub deadline: Instant,
    /// When the broker's acknowledgement was seen, if it was.
    pub acked: Option<Instant>,
}

/// Receives the ending of each request once, on the thread that found the ending.
///
/// That may be the thread that stamps replies, so an implementation must be quick and must never block.
pub trait Listener: Send + Sync + 'static {
    /// Takes one ending.
    fn ended(&self, flight: &InFlight, ending: Ending);
}

/// Carries requests to a service, and enters its replies in a table of [`Pending`] requests.
///
/// The runner enters a request into the table *before* it hands it over, so that even a fast reply finds it.
pub trait Transport: Send + Sync + 'static {
    /// Returns the table in which this transport ends requests.
    fn pending(&self) -> &Pending;

    /// Hands over one request that is in the table. Returns at once. An error ends the request.
    fn send(&self, request: &Request);
}

/// Answers every request at once by a function. See the example of the [crate].
pub struct InMemory<F> {
    answer: F,
    pending: Pending,
}

impl<F: Fn(&Request) -> Result<(), String> + Send + Sync + 'static> InMemory<F> {
    /// Creates a transport from the function of the service: it returns a good answer, or why it is not good.
    #[must_use]
    pub fn new(answer: F) -> Self {
        let pending = Pending::default();
        Self { answer, pending }
    }
}

impl<F: Fn(&Request) -> Result<(), String> + Send + Sync + 'static> Transport for InMemory<F> {
    fn pending(&self) -> &Pending {
        &self.pending
    }

    fn send(&self, request: &Request) {
        let answer = Answer {
            // The present time, by the clock that tests pause.
            replied: tokio::time::Instant::now().into_std(),
            bytes: 0,
        };
        let ending = (self.answer)(request).map(|()| answer).map_err(|reason| {
            let body = None;
            Failure::Status(Refusal {
                reason,
                answer,
                body,
            })
        });
        self.pending.complete(&request.id, ending);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::{Duration, Instant};

    use super::*;

    #[derive(Default)]
    struct Endings(Mutex<Vec<Ending>>);

    impl Listener for Endings {
        fn ended(&self, _flight: &InFlight, ending: Ending) {
            self.0.lock().unwrap().push(ending);
        }
    }

    #[tokio::test]
    async fn each_request_ends_as_the_function_says() {
        let service = InMemory::new(|request: &Request| match request.kind {
            0 => Ok(()),
            _ => Err("status 404".to_owned()),
        });
        let endings = Arc::new(Endings::default());
        for kind in [0, 1] {
            let (request, now) = (Request::new(kind), Instant::now());
            let flight = InFlight {
                kind,
                user: 0,
                intended: now,
                sent: now,
                deadline: now + Duration::from_secs(1),
                acked: None,
            };
            let listener: Arc<dyn Listener> = endings.clone();
            assert!(service.pending().register(&request, flight, listener));
            service.send(&request);
        }
        let endings = endings.0.lock().unwrap();
        assert!(endings[0].is_ok());
        assert!(
            matches!(&endings[1], Err(Failure::Status(refusal)) if refusal.reason == "status 404")
        );
    }
}
