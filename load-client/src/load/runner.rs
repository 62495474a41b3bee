//! Drives the load of a run through a transport. Knows neither Kafka nor files nor terminals.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::oneshot;

use crate::load::plan::{Model, Plan};
use crate::load::{Control, loops};
use crate::measure::recorder::Samples;
use crate::measure::summary::{Outcome, Sample, Status};
use crate::scenario::Scenario;
use crate::transport::{Answer, Ending, Failure, InFlight, Listener, Refusal, Transport};

/// Runs a plan to its end: every request ends in exactly one sample.
///
/// Returns when the last request has ended. No sample waits for the recorder: one that falls behind holds
/// back new requests, and never delays a stamp.
pub async fn run<T: Transport>(
    plan: Plan,
    scenario: Arc<dyn Scenario>,
    transport: Arc<T>,
    samples: Samples,
    control: &Control,
) {
    run_paced_by(Pacer::Thread, plan, scenario, transport, samples, control).await;
}

/// As [`run`], of several loads at once; returns when the last of them has ended.
pub(crate) async fn run_loads<T: Transport>(
    loads: Vec<(Plan, Arc<dyn Scenario>)>,
    transport: &Arc<T>,
    samples: Samples,
    control: &Control,
) {
    let begun = loads.into_iter().map(|(plan, scenario)| {
        let (transport, samples) = (Arc::clone(transport), samples.clone());
        let part = control.part();
        async move { run(plan, scenario, transport, samples, &part).await }
    });
    let begun: Vec<_> = begun.collect();
    // The recorder waits for the last sender.
    drop(samples);
    join_all(begun).await;
    control.stop.cancel();
}

/// As [`run`], with a choice of what an open loop waits with.
pub(crate) async fn run_paced_by<T: Transport>(
    pacer: Pacer,
    plan: Plan,
    scenario: Arc<dyn Scenario>,
    transport: Arc<T>,
    samples: Samples,
    control: &Control,
) {
    control.begin(plan.first_target(), plan.warm_up);
    let engine = Arc::new(Engine {
        plan,
        scenario,
        transport,
        samples,
        control: control.clone(),
        start: now(),
    });
    let helpers = [
        tokio::spawn(Arc::clone(&engine).time_out()),
        tokio::spawn(Arc::clone(&engine).cut_on_abort()),
    ];
    match engine.plan.model {
        Model::Closed(_) => loops::drive_closed(&engine).await,
        Model::Open(_) => loops::drive_open(&engine, pacer).await,
    }
    control.stop.cancel();
    engine.drained().await;
    for helper in helpers {
        helper.abort();
        // Until it is gone it holds on to the samples' channel, whose end the recorder waits for.
        let _ = helper.await;
    }
}

/// The present, on the clock that tests pause.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// How soon the end of the last request is noticed. It delays the end of the run and no measurement.
const DRAIN_CHECK: Duration = Duration::from_millis(1);

/// What the requests of a run share.
pub(super) struct Engine<T> {
    pub(super) plan: Plan,
    pub(super) scenario: Arc<dyn Scenario>,
    pub(super) transport: Arc<T>,
    pub(super) samples: Samples,
    pub(super) control: Control,
    pub(super) start: Instant,
}

impl<T: Transport> Engine<T> {
    /// Time since the start of the run.
    pub(super) fn elapsed(&self) -> Duration {
        now().saturating_duration_since(self.start)
    }

    /// Notes that nothing is sent any more, or only what was due before the run time was over.
    pub(super) fn sending_ended(&self) {
        let run_time = self.plan.run_time.unwrap_or(Duration::MAX);
        self.control.sending_ended(self.elapsed().min(run_time));
    }

    /// Notes how many users run from now on.
    pub(super) fn users_are(&self, users: usize) {
        self.control.users_are(users, self.elapsed());
    }

    /// Sends the next request of a user; `intended` is now unless a schedule says otherwise. Answers the
    /// moment of the hand-over; `None` when nothing is left to send, which ends the run.
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

    /// Takes the ending of a request; answers its name.
    pub(super) fn take(&self, flight: &InFlight, ending: Ending) -> Status {
        let (answer, refused_body, outcome) = outcome(ending);
        let status = outcome.status();
        let replied = answer.map(|answer| answer.replied);
        // A report that the reply has overtaken is no time of the request's way.
        let acked = flight
            .acked
            .filter(|acked| replied.is_none_or(|replied| *acked <= replied));
        let taken = self.samples.send(Sample {
            kind: flight.kind,
            user: flight.user,
            intended_ns: self.offset(flight.intended),
            sent_ns: self.offset(flight.sent),
            acked_ns: acked.map(|acked| self.offset(acked)),
            replied_ns: replied.map(|replied| self.offset(replied)),
            reply_bytes: answer.map_or(0, |answer| answer.bytes),
            outcome,
            refused_body,
            warm_up: self.is_warm_up(flight.intended),
        });
        let is_dead =
            status == Status::ConsumerFailure && self.transport.pending().defunct().is_some();
        if !taken || is_dead {
            // Without a recorder, or without replies, the run has no purpose.
            self.control.stop.cancel();
        }
        self.control.request_ended();
        status
    }

    /// Whether a request that was meant for this moment is of the warm-up.
    pub(super) fn is_warm_up(&self, intended: Instant) -> bool {
        intended.saturating_duration_since(self.start) < self.plan.warm_up
    }

    /// Ends requests whose time is over, as long as it is polled.
    pub(super) async fn time_out(self: Arc<Self>) {
        loop {
            let next = self.transport.pending().time_out(now());
            // Whatever is sent from now on times out later than that.
            let wake = next.unwrap_or_else(|| now() + self.plan.timeout);
            tokio::time::sleep_until(wake.into()).await;
        }
    }

    /// Ends all requests when the run is not even to wait for those in flight.
    async fn cut_on_abort(self: Arc<Self>) {
        self.control.abort.cancelled().await;
        self.control.stop.cancel();
        self.transport.pending().cut();
    }

    /// Waits for the requests in flight.
    async fn drained(&self) {
        while self.control.in_flight() > 0 {
            tokio::time::sleep(DRAIN_CHECK).await;
        }
    }

    fn offset(&self, instant: Instant) -> u64 {
        let nanoseconds = instant.saturating_duration_since(self.start).as_nanos();
        // 2^64 ns are 584 years.
        u64::try_from(nanoseconds).unwrap_or(u64::MAX)
    }
}

/// The reply, if one came; how it begins, if it was refused; and the outcome.
fn outcome(ending: Ending) -> (Option<Answer>, Option<Box<str>>, Outcome) {
    let refused = |refusal: Refusal, outcome: fn(String) -> Outcome| {
        (Some(refusal.answer), refusal.body, outcome(refusal.reason))
    };
    match ending {
        Ok(answer) => (Some(answer), None, Outcome::Ok),
        Err(Failure::Status(refusal)) => refused(refusal, Outcome::ErrorStatus),
        Err(Failure::Check(refusal)) => refused(refusal, Outcome::FailedCheck),
        Err(Failure::Send(error)) => (None, None, Outcome::SendError(error)),
        Err(Failure::Consumer(error)) => (None, None, Outcome::ConsumerFailure(error)),
        Err(Failure::TimeOut) => (None, None, Outcome::TimeOut),
        Err(Failure::Cut) => (None, None, Outcome::Censored),
    }
}

/// What to wait with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pacer {
    /// A thread of its own, which sleeps to within microseconds: tokio's timers are 1 ms coarse, ten
    /// requests of 10,000 a second.
    Thread,
    #[cfg(test)]
    /// tokio's timer. Follows a clock that tests pause.
    Timer,
}

/// What the open loop wants next.
pub(super) enum Step {
    /// To be called again then, or earlier.
    Wait(Instant),
    /// Not to be called again.
    Done,
}

/// Longest sleep: how soon a stop is seen.
const LONGEST_SLEEP: Duration = Duration::from_millis(20);

/// Drives the steps on a thread of its own.
pub(super) async fn by_thread(mut step: impl FnMut() -> Step + Send + 'static) {
    let (done, finished) = oneshot::channel();
    let thread = std::thread::Builder::new().name("pacer".to_owned());
    let spawned = thread.spawn(move || {
        sleep_precisely();
        while let Step::Wait(until) = step() {
            let rest = until.saturating_duration_since(now());
            std::thread::sleep(rest.min(LONGEST_SLEEP));
        }
        // Told when all that the steps hold on to is gone, as the recorder waits for that.
        drop(step);
        let _ = done.send(());
    });
    // A thread that panicked drops its end: a bug of ours, after which figures would mislead.
    let thread = spawned.expect("the system has a thread for the pacer");
    if finished.await.is_err()
        && let Err(panic) = thread.join()
    {
        std::panic::resume_unwind(panic);
    }
}

/// Drives the steps on tokio's timer.
#[cfg(test)]
pub(super) async fn by_timer(mut step: impl FnMut() -> Step) {
    while let Step::Wait(until) = step() {
        tokio::time::sleep_until(until.into()).await;
    }
}

/// Has Linux wake this thread when it is due. Otherwise sleeps are gathered to save power, up to 50 µs
/// apart, and waiting actively through them would cost a core.
fn sleep_precisely() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1)) {
        tracing::debug!(%error, "timer slack stays at its default");
    }
}

#[cfg(test)]
mod tests;
