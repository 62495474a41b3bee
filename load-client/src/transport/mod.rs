//! Ways to carry requests to a service, and its replies back.

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
    /// It was not handed over, or its delivery failed.
    Send(String),
    /// Its reply says that it failed, or does not say that it succeeded.
    Status(Refusal),
    /// Its reply says that it succeeded, and its body is not as expected.
    Check(Refusal),
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

/// A reply that is no good one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why it is not; one text for all replies of a cause, by which they are counted.
    pub reason: String,
    /// The reply.
    pub answer: Answer,
    /// How its body begins, fit to be shown; `None` without a body.
    pub body: Option<Box<str>>,
}

/// How a request ended.
pub type Ending = Result<Answer, Failure>;

/// When the reply of an ending arrived, if there is one.
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

/// Answers every request at once, as a function says. See the example of the [crate].
pub struct InMemory<F> {
    answer: F,
    pending: Pending,
}

impl<F: Fn(&Request) -> Result<(), String> + Send + Sync + 'static> InMemory<F> {
    /// Takes what the service does: a good answer, or why it is not good.
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
            // The present, on the clock that tests pause.
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
