//! The event loop: takes records while there is room, starts their jobs, tracks and commits offsets, releases revoked
//! partitions, and drains at the end.

mod events;

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::pin;
use std::time::Duration;

use futures_util::FutureExt;
use metrics::Gauge;
use tokio::select;
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::{info, warn};

use super::awaiting::Awaiting;
use super::gate::{Gate, InHand};
use super::job::{Done, IsReady};
use super::pools::Pools;
use super::progress::{Progress, StatusSender};
use super::revocations::Revocations;
use super::shared::Shared;
use super::timers::{Timers, after};
use super::{Answer, Summary};
use crate::offsets::OffsetTracker;
use crate::ports::{Intake, RecordSource};
use crate::telemetry::labels::BridgeLabel;
use crate::telemetry::metric_names;
use crate::{Error, Record, Settings};

/// The loop's state. The bridge's one task owns it. Jobs report back only through `pools`.
pub(crate) struct Engine<Source, V, Make, Job> {
    source: Source,
    gate: Gate<V>,
    make_job: Make,
    settings: Settings,
    pools: Pools<Job>,
    offsets: OffsetTracker,
    revocations: Revocations,
    in_flight_bytes: usize,
    shared: Shared,
    summary: Summary,
    progress: Progress,
    /// When the latest record came: precise enough to decide whether a timer is due.
    now: Instant,
    timers: Timers,
    label: BridgeLabel,
    /// Kept here so that a record needs no lookup of the gauge by name.
    in_flight: Gauge,
}

impl<Source, V, Make, Job> Engine<Source, V, Make, Job>
where
    Source: RecordSource,
    V: Answer,
    Make: FnMut(Record, Instant, (V, IsReady)) -> Job,
    Job: Future<Output = Done> + Send + 'static,
{
    pub(crate) fn new(
        source: Source,
        (service, make_job): (V, Make),
        shared: Shared,
        settings: Settings,
        pools: Pools<Job>,
        status: StatusSender,
    ) -> Self {
        let now = Instant::now();
        let timers = Timers::new(settings.commit_interval, now);
        let label = BridgeLabel::of(&settings);
        Self {
            source,
            gate: Gate::new(service),
            make_job,
            settings,
            pools,
            offsets: OffsetTracker::default(),
            revocations: Revocations::default(),
            in_flight_bytes: 0,
            summary: Summary::default(),
            progress: Progress::new(status, shared.replying.clone(), label.clone()),
            shared,
            now,
            timers,
            in_flight: label.gauge(metric_names::IN_FLIGHT, []),
            label,
        }
    }

    /// Runs until the shutdown resolves, the source is exhausted, or something fails permanently. Then it drains,
    /// commits and closes the source.
    pub(crate) async fn run(
        mut self,
        shutdown: impl Future<Output = ()>,
    ) -> Result<Summary, Error> {
        let served = self.serve(shutdown).await;
        self.progress.stopping();
        // The drain time is for started records. Waiting records go to the next owner, but an exhausted source has
        // none.
        if !matches!(served, Ok(Ended::Exhausted)) {
            self.leave_waiting();
        }
        let deadline = after(Instant::now(), self.settings.drain_timeout);
        let drained = self.drain(deadline).await;
        let positions = self.offsets.positions();
        let closing = timeout_at(
            deadline.max(Instant::now()) + CLOSE_PATIENCE,
            self.source.close(positions),
        );
        let closed = closing.await.unwrap_or(Err(Error::CloseTimedOut));
        self.progress.ended();
        served
            .map(|_| ())
            .and(drained)
            .and(closed)
            .map(|()| self.summary)
    }

    async fn serve(&mut self, shutdown: impl Future<Output = ()>) -> Result<Ended, Error> {
        let mut shutdown = pin!(shutdown);
        // Report now: the first handler may block this loop.
        self.tell();
        let mut alarm = pin!(sleep_until(self.now));
        loop {
            let due = self.timers.next(self.offsets.is_changed());
            if self.now >= due {
                if self.on_time()?.is_break() {
                    return Ok(Ended::Exhausted);
                }
                continue;
            }
            if alarm.deadline() != due {
                alarm.as_mut().reset(due);
            }
            if let Some(topics) = self.pools.held_back() {
                self.source.hold_back(&topics);
            }
            // Read once: a job that becomes ready later wakes the loop.
            let is_awaited = self.shared.awaiting.any();
            let intake = self.intake(is_awaited);
            let deadline = self.revocations.deadline();
            // Biased: finished work comes before new work. This frees memory first, and a steady stream of records
            // cannot delay a stop. It cannot delay a timer either: each record updates `now`, and the alarm is for idle
            // times.
            select! { biased;
                () = &mut shutdown => return Ok(Ended::Asked),
                turn = turn(&mut self.pools, &mut self.gate, &self.shared.awaiting, is_awaited) => match turn {
                    Turn::Done(done) => self.on_done(done?)?,
                    Turn::Ready => self.begin(),
                    Turn::Again => {}
                },
                () = expire(deadline) => self.release_ready(),
                event = self.source.next(intake) => {
                    if self.on_event(event?).is_break() {
                        return Ok(Ended::Exhausted);
                    }
                }
                () = &mut alarm => self.now = Instant::now(),
            }
        }
    }

    /// Runs the timers that are due.
    fn on_time(&mut self) -> Result<ControlFlow<()>, Error> {
        let now = self.now;
        if self.offsets.is_changed() && self.timers.commit.is_due(now) && self.commit()?.is_break()
        {
            return Ok(ControlFlow::Break(()));
        }
        if self.timers.again.is_due(now) {
            self.offsets.commit_again();
        }
        if self.timers.look.is_due(now) {
            self.tell();
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Lets started jobs finish until the deadline and abandons the rest. An error ends nothing early, because other
    /// records may still get their replies. Returns the first error.
    async fn drain(&mut self, deadline: Instant) -> Result<(), Error> {
        info!(in_flight = self.count(), "draining");
        let mut outcome = Ok(());
        let mut source_alive = true;
        while self.count() > 0 {
            let until = self
                .revocations
                .deadline()
                .map_or(deadline, |at| at.min(deadline));
            let is_awaited = self.shared.awaiting.any();
            select! { biased;
                turn = turn(&mut self.pools, &mut self.gate, &self.shared.awaiting, is_awaited) => match turn {
                    Turn::Done(done) => {
                        outcome = outcome.and(done.and_then(|done| self.on_done(done)));
                    }
                    Turn::Ready => self.begin(),
                    Turn::Again => {}
                },
                () = sleep_until(until) => {
                    self.release_ready();
                    if Instant::now() >= deadline {
                        self.abandon();
                    }
                }
                event = self.source.next(Intake::Closed), if source_alive => match event {
                    Ok(event) => {
                        source_alive = self.on_event(event).is_continue();
                        // An assignment must not make a stopping bridge ready.
                        self.progress.stopping();
                    }
                    Err(_) => source_alive = false,
                }
            }
        }
        outcome
    }

    fn leave_waiting(&mut self) {
        let (mut left, mut records) = self.pools.leave_all();
        if let Some(in_hand) = self.gate.leave(|_| true) {
            left.bytes += in_hand.place.size;
            records.push(in_hand.record.coordinates);
        }
        self.in_flight_bytes -= left.bytes;
        self.offsets.take_back(&records);
        if !records.is_empty() {
            info!(
                records = records.len(),
                "leaving records that have not started, they will be delivered again"
            );
        }
    }

    fn abandon(&mut self) {
        self.summary.abandoned += self.count() as u64;
        warn!(
            records = self.count(),
            "drain timeout expired, unfinished records will be delivered again"
        );
        self.pools.abandon();
        self.gate.leave(|_| true);
        self.in_flight.set(0.0);
        // No job will finish any more, so nobody needs to wait for these partitions.
        self.revocations.release_all(&mut self.offsets);
    }

    /// Returns how many records are in flight, started or not.
    fn count(&self) -> usize {
        self.pools.len() + usize::from(self.gate.is_waiting())
    }

    fn tell(&mut self) {
        let waiting = self.pools.waiting().chain(self.gate.waiting());
        let unready = self.gate.since();
        self.progress.tell(&self.offsets, waiting, unready);
    }

    fn begin(&mut self) {
        let Some((in_hand, service)) = self.gate.take() else {
            return;
        };
        let InHand {
            record,
            place,
            arrived,
        } = in_hand;
        let (make_job, service) = (&mut self.make_job, (service, IsReady::Yes));
        self.pools
            .start(place, || make_job(record, arrived, service));
    }

    fn intake(&self, is_awaited: bool) -> Intake {
        let limits = &self.settings.limits;
        // Jobs that wait for room have no reply yet: each starts only when another job has ended.
        let bytes = self.in_flight_bytes + self.shared.replies.expected(self.pools.with_room());
        let is_ready = !self.gate.is_waiting() && !is_awaited;
        let room = is_ready
            && self.pools.has_room()
            && self.pools.len() < limits.max_in_flight
            && bytes < limits.max_in_flight_bytes
            && self.offsets.tracked() < limits.max_uncommitted;
        if room { Intake::Open } else { Intake::Closed }
    }

    fn commit(&mut self) -> Result<ControlFlow<()>, Error> {
        // Read the source's events first: a lost partition must not be committed.
        while let Some(event) = self.source.next(Intake::Closed).now_or_never() {
            if self.on_event(event?).is_break() {
                // The stop makes the last commit.
                return Ok(ControlFlow::Break(()));
            }
        }
        let positions = self.offsets.take_changed();
        if !positions.is_empty() {
            self.source.commit(&positions);
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// The loop's next step for a job.
enum Turn {
    Done(Result<Done, Error>),
    /// The application is ready for the record in hand.
    Ready,
    /// No job waits for the application any more.
    Again,
}

/// Waits until a job ends or can start. Cancel safe.
async fn turn<J, V>(
    pools: &mut Pools<J>,
    gate: &mut Gate<V>,
    awaiting: &Awaiting,
    is_awaited: bool,
) -> Turn
where
    J: Future<Output = Done> + Send + 'static,
    V: Answer,
{
    if !is_awaited && !gate.is_waiting() {
        return Turn::Done(pools.next().await);
    }
    let may_ask = gate.may_ask(is_awaited);
    select! { biased;
        done = pools.next() => Turn::Done(done),
        () = awaiting.over(), if is_awaited => Turn::Again,
        () = poll_fn(|context| gate.poll_ready(context)), if may_ask => Turn::Ready,
    }
}

/// Why the bridge takes no more records.
enum Ended {
    /// A stop was requested.
    Asked,
    /// The source has no more records.
    Exhausted,
}

/// How long the last commit and leaving the group may take after the drain. It is longer than `kafka` allows for the
/// last commit alone, so that the commit's result is known.
const CLOSE_PATIENCE: Duration = Duration::from_secs(8);

async fn expire(deadline: Option<Instant>) {
    match deadline {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
