//! A service in memory, to try a scenario without a broker.

use std::time::Instant;

use super::{Failure, InFlight, Pending, Transport};
use crate::scenario::Request;

/// Answers every request at once, as a function says. See the example of the [crate](crate).
pub struct InMemory<F> {
    answer: F,
    pending: Pending,
}

impl<F> InMemory<F>
where
    F: Fn(&Request) -> Result<(), String> + Send + Sync + 'static,
{
    /// Takes what the service does: a good answer, or why it is not good.
    #[must_use]
    pub fn new(answer: F) -> Self {
        let pending = Pending::default();
        Self { answer, pending }
    }
}

impl<F> Transport for InMemory<F>
where
    F: Fn(&Request) -> Result<(), String> + Send + Sync + 'static,
{
    fn send(&self, request: &Request) -> InFlight {
        let reply = self.pending.register(request.id);
        let sent = now();
        let ending = match (self.answer)(request) {
            Ok(()) => Ok(now()),
            Err(error) => Err(Failure::Status(error, now())),
        };
        self.pending.complete(&request.id, ending);
        InFlight { sent, reply }
    }

    fn defunct(&self) -> Option<String> {
        None
    }
}

/// The present, on the clock that tests pause.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_request_ends_as_the_function_says() {
        let service = InMemory::new(|request: &Request| match request.kind {
            0 => Ok(()),
            _ => Err("status 404".to_owned()),
        });
        let good = service.send(&Request::new(0));
        assert!(good.reply.await.is_ok_and(|replied| replied >= good.sent));
        let bad = service.send(&Request::new(1)).reply.await;
        assert!(matches!(bad, Err(Failure::Status(error, _)) if error == "status 404"));
    }
}
