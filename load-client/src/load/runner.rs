//! Drives the load of a run through a transport. It knows neither Kafka nor files nor terminals.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::oneshot;

use crate::load::Control;
use crate::load::loops::{Dispatcher, drive_closed};
use crate::load::plan::{Model, Plan};
use crate::measure::recorder::{Samples, nanoseconds};
use crate::measure::summary::{CUT, Sample, Status, TIMED_OUT};
use crate::scenario::Scenario;
use crate::transport::{Ending, Failure, InFlight, Listener, Transport};

/// Runs a plan to its end. Every request ends in exactly one sample.
///
/// Returns when the last request has ended. No sample waits for the recorder: a slow recorder holds back new requests,
/// and never delays a time stamp.
pub async fn run<T: Transport>(
    plan: Plan,
    scenario: Arc<dyn Scenario>,
    transport: Arc<T>,
    samples: Samples,
    control: &Control,
) {
    let engine = Engine::new(plan, scenario, transport, samples, control);
    engine.run(by_thread).await;
}

/// Runs several loads at once, like [`run`]. Returns when the last of them has ended.
pub(crate) async fn run_loads<T: Transport>(
    loads: Vec<(Plan, Arc<dyn Scenario>)>,
    transport: &Arc<T>,
    samples: Samples,
    control: &Control,
) {
    let engine = |(plan, scenario)| {
        let (transport, samples) = (Arc::clone(transport), samples.clone());
        Engine::new(plan, scenario, transport, samples, &control.part()).run(by_thread)
    };
    let begun: Vec<_> = loads.into_iter().map(engine).collect();
    // The recorder ends after the last sender.
    drop(samples);
    join_all(begun).await;
    control.stop.cancel();
}

/// Returns the present time, on the clock that tests can pause.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The interval at which the end of the last request is checked. It delays the end of the run, but no measurement.
const DRAIN_CHECK: Duration = Duration::from_millis(1);

/// The state that the requests of a run share.
pub(super) struct Engine<T> {
    pub(super) plan: Plan,
    scenario: Arc<dyn Scenario>,
    transport: Arc<T>,
    pub(super) samples: Samples,
    pub(super) control: Control,
    pub(super) start: Instant,
}

impl<T: Transport> Engine<T> {
    /// Begins a run now.
    fn new(
        plan: Plan,
        scenario: Arc<dyn Scenario>,
        transport: Arc<T>,
        samples: Samples,
        control: &Control,
    ) -> Arc<Self> {
        control.begin(plan.first_target(), plan.warm_up);
        Arc::new(Self {
            plan,
            scenario,
            transport,
            samples,
            control: control.clone(),
            start: now(),
        })
    }

    /// Sends by the plan, and waits for the last request to end. `pace` sends the schedule of an open loop.
    async fn run<F>(self: Arc<Self>, pace: impl FnOnce(Dispatcher<T>) -> F)
    where
        F: Future<Output = ()>,
    {
        let all_ended = async {
            match self.plan.model {
                Model::Closed(pause) => drive_closed(&self, pause).await,
                Model::Open(ref open) => {
                    pace(Dispatcher::new(Arc::clone(&self), open.max_in_flight)).await;
                }
            }
            self.control.stop.cancel();
            while self.control.in_flight() > 0 {
                tokio::time::sleep(DRAIN_CHECK).await;
            }
        };
        let others_end = async { tokio::join!(self.time_out(), self.cut_on_abort()) };
        tokio::select! {
            () = all_ended => {}
            // This arm never ends, because `time_out` never ends.
            _ = others_end => {}
        }
    }

    /// Time since the start of the run.
    pub(super) fn elapsed(&self) -> Duration {
        now().saturating_duration_since(self.start)
    }

    /// Notes that nothing more is sent, or only requests that were due before the run time was over.
    pub(super) fn sending_ended(&self) {
        let run_time = self.plan.run_time.unwrap_or(Duration::MAX);
        self.control.sending_ended(self.elapsed().min(run_time));
    }

    /// Notes how many users run from now on.
    pub(super) fn users_are(&self, users: usize) {
        self.control.users_are(users, self.elapsed());
    }

    /// Sends the next request of a user. `intended` is now if there is no schedule. Returns the moment of the hand-over
    /// to the transport, or `None` when nothing is left to send. This ends the run.
    pub(super) fn send(
        &self,
        user: u32,
        intended: Option<Instant>,
        listener: Arc<dyn Listener>,
    ) -> Option<Instant> {
        let Some(request) = self.scenario.next(user) else {
            self.control.nothing_is_left();
            return None;
        };
        self.control.request_begins();
        let sent = now();
        let flight = InFlight {
            kind: request.kind,
            user,
            intended: intended.unwrap_or(sent),
            sent,
            deadline: sent + self.plan.timeout,
            acked: None,
        };
        let pending = self.transport.pending();
        if pending.register(&request, flight, listener) {
            self.transport.send(&request);
        }
        Some(sent)
    }

    /// Notes how late a request was sent, unless it belongs to the warm-up.
    pub(super) fn note_lag(&self, intended: Instant, sent: Instant, is_held_back: bool) {
        if !self.is_warm_up(intended) {
            let lag = sent.saturating_duration_since(intended);
            self.control.request_was_late(lag, is_held_back);
        }
    }

    /// Records the end of a request, and returns its status.
    pub(super) fn take(&self, flight: &InFlight, ending: Ending) -> Status {
        let (status, error, answer, refused_body) = match ending {
            Ok(answer) => (Status::Ok, "".into(), Some(answer), None),
            Err(Failure::Status(own)) => {
                let reason = own.reason.into();
                (Status::ErrorStatus, reason, Some(own.answer), own.body)
            }
            Err(Failure::Check(own)) => {
                let reason = own.reason.into();
                (Status::FailedCheck, reason, Some(own.answer), own.body)
            }
            Err(Failure::Send(error)) => (Status::SendError, error.into(), None, None),
            Err(Failure::Consumer(error)) => (Status::ConsumerFailure, error.into(), None, None),
            Err(Failure::TimeOut) => (Status::Timeout, Cow::Borrowed(TIMED_OUT), None, None),
            Err(Failure::Cut) => (Status::Censored, Cow::Borrowed(CUT), None, None),
        };
        let replied = answer.map(|answer| answer.replied);
        // A delivery report that came after the reply says nothing about how long the request took.
        let is_in_time = |acked: &Instant| replied.is_none_or(|replied| *acked <= replied);
        let acked = flight.acked.filter(is_in_time);
        let taken = self.samples.send(Sample {
            kind: flight.kind,
            user: flight.user,
            intended_ns: self.offset(flight.intended),
            sent_ns: self.offset(flight.sent),
            acked_ns: acked.map(|acked| self.offset(acked)),
            replied_ns: replied.map(|replied| self.offset(replied)),
            reply_bytes: answer.map_or(0, |answer| answer.bytes),
            status,
            error,
            refused_body,
            warm_up: self.is_warm_up(flight.intended),
        });
        let is_dead =
            status == Status::ConsumerFailure && self.transport.pending().defunct().is_some();
        if !taken || is_dead {
            // Without a recorder or without replies, the run has no purpose.
            self.control.stop.cancel();
        }
        self.control.request_ended();
        status
    }

    /// Returns whether a request planned for this moment belongs to the warm-up.
    fn is_warm_up(&self, intended: Instant) -> bool {
        intended.saturating_duration_since(self.start) < self.plan.warm_up
    }

    /// Ends requests whose time is over. It works as long as it is polled.
    async fn time_out(&self) {
        loop {
            let next = self.transport.pending().time_out(now());
            // A request that is sent from now on times out later than this.
            let wake = next.unwrap_or_else(|| now() + self.plan.timeout);
            tokio::time::sleep_until(wake.into()).await;
        }
    }

    /// Ends all requests when the run must not wait for those in flight.
    async fn cut_on_abort(&self) {
        self.control.abort.cancelled().await;
        self.control.stop.cancel();
        self.transport.pending().cut();
    }

    fn offset(&self, instant: Instant) -> u64 {
        nanoseconds(instant.saturating_duration_since(self.start))
    }
}

/// The longest sleep. It bounds the time until a stop is noticed.
const LONGEST_SLEEP: Duration = Duration::from_millis(20);

/// Sends a schedule from its own thread, which sleeps to within microseconds. Tokio's timers have a resolution of 1 ms.
/// At 10,000 requests a second that is ten requests.
async fn by_thread<T: Transport>(mut dispatcher: Dispatcher<T>) {
    let (done, finished) = oneshot::channel();
    let thread = std::thread::Builder::new().name("pacer".to_owned());
    let spawned = thread.spawn(move || {
        sleep_precisely();
        while let Some(until) = dispatcher.step() {
            let rest = until.saturating_duration_since(now());
            std::thread::sleep(rest.min(LONGEST_SLEEP));
        }
        // Signals only after the dispatcher is dropped, because the recorder waits for it.
        drop(dispatcher);
        let _ = done.send(());
    });
    // A thread that panics drops its sender. That is a bug of ours, and the figures would mislead.
    let thread = spawned.expect("the system has a thread for the pacer");
    if finished.await.is_err()
        && let Err(panic) = thread.join()
    {
        std::panic::resume_unwind(panic);
    }
}

/// Makes Linux wake this thread when it is due. By default Linux delays wake-ups by up to 50 µs to save power. Waiting
/// actively instead would cost a core.
fn sleep_precisely() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1)) {
        tracing::debug!(%error, "timer slack stays at its default");
    }
}

#[cfg(test)]
mod tests;
