//! A service in memory, to try a scenario without a broker.

use super::{Answer, Failure, Pending, Transport};
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
    fn pending(&self) -> &Pending {
        &self.pending
    }

    fn send(&self, request: &Request) {
        let answered = (self.answer)(request);
        let answer = Answer {
            // The present, on the clock that tests pause.
            replied: tokio::time::Instant::now().into_std(),
            bytes: 0,
        };
        let ending = match answered {
            Ok(()) => Ok(answer),
            Err(error) => Err(Failure::Status(error, answer)),
        };
        self.pending.complete(&request.id, ending);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::transport::{Ending, InFlight, Listener};

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
            assert!(service.pending().register(request.id, flight, listener));
            service.send(&request);
        }
        let endings = endings.0.lock().unwrap();
        assert!(endings[0].is_ok());
        assert!(matches!(&endings[1], Err(Failure::Status(error, _)) if error == "status 404"));
    }
}
