//! One user: sends a request, waits for its end, sends the next.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::plan::Plan;
use crate::sample::{Outcome, Sample};
use crate::scenario::Scenario;
use crate::transport::{Failure, InFlight, Transport};

/// Pause of a user whose request could not even be sent: without it a broken broker would be
/// hammered, and the CSV filled with thousands of equal failures a second.
const PAUSE_AFTER_BROKEN_TRANSPORT: Duration = Duration::from_millis(100);

/// What the users of a run share.
pub(crate) struct Shared<T> {
    pub(crate) plan: Plan,
    pub(crate) scenario: Arc<dyn Scenario>,
    pub(crate) transport: Arc<T>,
    pub(crate) samples: mpsc::Sender<Sample>,
    /// No new requests; those in flight are waited for.
    pub(crate) stop: CancellationToken,
    /// Not even those in flight are waited for.
    pub(crate) abort: CancellationToken,
    pub(crate) start: Instant,
}

/// Runs user `user` from its start time until the run stops.
pub(crate) async fn closed_loop<T: Transport>(user: u32, shared: Arc<Shared<T>>) {
    if !shared.pause(shared.plan.starts_at(user)).await {
        return;
    }
    while !shared.stop.is_cancelled() {
        let sample = shared.exchange(user).await;
        let transport_is_broken = matches!(
            sample.outcome,
            Outcome::SendError(_) | Outcome::ConsumerFailure(_)
        );
        if shared.samples.send(sample).await.is_err() {
            // The recorder is gone, and with it the purpose of the run.
            shared.stop.cancel();
        }
        if transport_is_broken {
            if shared.transport.defunct().is_some() {
                shared.stop.cancel();
            }
            shared.pause(PAUSE_AFTER_BROKEN_TRANSPORT).await;
        }
    }
}

impl<T: Transport> Shared<T> {
    /// Waits; false when the run stops first.
    async fn pause(&self, duration: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(duration) => true,
        }
    }

    /// One request from its hand-over to its one outcome.
    async fn exchange(&self, user: u32) -> Sample {
        let intended_ns = self.offset(now());
        let request = self.scenario.next(user);
        let in_flight = self.transport.send(&request);
        let sent = in_flight.sent;
        let (replied, outcome) = self.settle(in_flight).await;
        Sample {
            kind: request.kind,
            user,
            intended_ns,
            sent_ns: self.offset(sent),
            acked_ns: None,
            reply_bytes: 0,
            replied_ns: replied.map(|replied| self.offset(replied)),
            outcome,
            warm_up: sent.saturating_duration_since(self.start) < self.plan.warm_up,
        }
    }

    async fn settle(&self, in_flight: InFlight) -> (Option<Instant>, Outcome) {
        let deadline = in_flight.sent + self.plan.timeout;
        let ending = tokio::select! {
            // A reply that is there counts, though the run was cut short in the same instant.
            biased;
            ending = tokio::time::timeout_at(deadline.into(), in_flight.reply) => ending,
            () = self.abort.cancelled() => return (None, Outcome::Censored),
        };
        match ending {
            Err(_elapsed) => (None, Outcome::TimeOut),
            // The stamp decides, not the moment when this task was woken.
            Ok(Ok(replied)) if replied > deadline => (None, Outcome::TimeOut),
            Ok(Ok(replied)) => (Some(replied), Outcome::Ok),
            Ok(Err(Failure::Status(error, replied))) => {
                (Some(replied), Outcome::ErrorStatus(error))
            }
            Ok(Err(Failure::Send(error))) => (None, Outcome::SendError(error)),
            Ok(Err(Failure::Consumer(error))) => (None, Outcome::ConsumerFailure(error)),
        }
    }

    fn offset(&self, instant: Instant) -> u64 {
        let nanoseconds = instant.saturating_duration_since(self.start).as_nanos();
        // 2^64 ns are 584 years.
        u64::try_from(nanoseconds).unwrap_or(u64::MAX)
    }
}

/// The present, on the clock that tests pause.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
