//! The event loop: takes records while there is room, starts their jobs, follows their offsets,
//! commits, lets partitions go, and drains at the end.

use std::ops::ControlFlow;
use std::pin::pin;
use std::time::Duration;

use futures_util::FutureExt;
use metrics::Gauge;
use tokio::select;
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::{debug, info, warn};

use super::Summary;
use super::job::{Done, Settled};
use super::modes::Running;
use super::progress::{Progress, StatusSender};
use super::revocations::Revocations;
use super::shared::{Shared, Why};
use super::timers::{Timers, after};
use crate::offsets::{Delivery, OffsetTracker, Position};
use crate::ports::{Intake, RecordSource, SourceEvent};
use crate::telemetry::labels::BridgeLabel;
use crate::telemetry::metric_names;
use crate::{Error, Record, Settings, TopicPartition};

/// The loop's state. Owned by the bridge's one task; jobs only report back through `running`.
pub(crate) struct Engine<Source, Make, Job> {
    source: Source,
    make_job: Make,
    settings: Settings,
    running: Running<Job>,
    offsets: OffsetTracker,
    revocations: Revocations,
    in_flight_bytes: usize,
    shared: Shared,
    summary: Summary,
    progress: Progress,
    /// When the latest record came: near enough to tell whether a timer is due.
    now: Instant,
    timers: Timers,
    label: BridgeLabel,
    /// Stored so that the gauge is not looked up by name for each record.
    in_flight: Gauge,
}

impl<Source, Make, Job> Engine<Source, Make, Job>
where
    Source: RecordSource,
    Make: FnMut(Record, Instant) -> Job,
    Job: Future<Output = Done> + Send + 'static,
{
    pub(crate) fn new(
        source: Source,
        make_job: Make,
        shared: Shared,
        settings: Settings,
        status: StatusSender,
    ) -> Self {
        let running = Running::new(settings.dispatch);
        let now = Instant::now();
        let timers = Timers::new(settings.commit_interval, now);
        let label = BridgeLabel::of(&settings);
        Self {
            source,
            make_job,
            settings,
            running,
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

    /// Runs until the shutdown resolves, the source is exhausted, or something fails for good;
    /// then drains, commits and closes the source.
    pub(crate) async fn run(
        mut self,
        shutdown: impl Future<Output = ()>,
    ) -> Result<Summary, Error> {
        let served = self.serve(shutdown).await;
        self.progress.stopping();
        let deadline = after(Instant::now(), self.settings.drain_timeout);
        let drained = self.drain(deadline).await;
        let positions = self.offsets.positions();
        let closing = timeout_at(
            deadline.max(Instant::now()) + CLOSE_PATIENCE,
            self.source.close(positions),
        );
        let closed = closing.await.unwrap_or(Err(Error::CloseTimedOut));
        self.progress.ended();
        served.and(drained).and(closed).map(|()| self.summary)
    }

    async fn serve(&mut self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let mut shutdown = pin!(shutdown);
        // Told before the first record, whose handler may block this loop.
        self.progress.tell(&self.offsets);
        let mut alarm = pin!(sleep_until(self.now));
        loop {
            let due = self.timers.next(self.offsets.is_changed());
            if self.now >= due {
                if self.on_time()?.is_break() {
                    return Ok(());
                }
                continue;
            }
            if alarm.deadline() != due {
                alarm.as_mut().reset(due);
            }
            let intake = self.intake();
            let deadline = self.revocations.deadline();
            // Biased: what ends comes before what begins, so that memory is given back first and
            // a steady stream of records cannot hold up a stop. Nor a timer: each record brings the
            // time along, and the alarm is for when nothing else happens.
            select! { biased;
                () = &mut shutdown => return Ok(()),
                done = self.running.next() => self.on_done(done?)?,
                () = expire(deadline) => self.release_ready(),
                event = self.source.next(intake) => {
                    if self.on_event(event?).is_break() {
                        return Ok(());
                    }
                }
                () = &mut alarm => self.now = Instant::now(),
            }
        }
    }

    /// Does what is due.
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
            self.progress.tell(&self.offsets);
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Lets what is under way come to its end; what does not by the deadline is abandoned. A failure
    /// ends nothing early: the other records may well be answered. The first one is returned.
    async fn drain(&mut self, deadline: Instant) -> Result<(), Error> {
        info!(in_flight = self.running.len(), "draining");
        let mut outcome = Ok(());
        let mut source_alive = true;
        while self.running.len() > 0 {
            let until = self
                .revocations
                .deadline()
                .map_or(deadline, |at| at.min(deadline));
            select! { biased;
                done = self.running.next() => {
                    outcome = outcome.and(done.and_then(|done| self.on_done(done)));
                }
                () = sleep_until(until) => {
                    self.release_ready();
                    if Instant::now() >= deadline {
                        self.abandon();
                    }
                }
                event = self.source.next(Intake::Closed), if source_alive => match event {
                    Ok(event) => {
                        source_alive = self.on_event(event).is_continue();
                        // An assignment that comes now does not make a stopping bridge ready.
                        self.progress.stopping();
                    }
                    Err(_) => source_alive = false,
                }
            }
        }
        outcome
    }

    fn abandon(&mut self) {
        self.summary.abandoned += self.running.len() as u64;
        warn!(
            records = self.running.len(),
            "drain time is over, records will be delivered again"
        );
        self.running.abandon();
        self.in_flight.set(0.0);
        // Nothing will finish any more: whoever waits for these partitions need not.
        self.revocations.release_all(&mut self.offsets);
    }

    fn intake(&self) -> Intake {
        let limits = &self.settings.limits;
        let bound = self.running.bound(limits.max_in_flight);
        let bytes = self.in_flight_bytes + self.shared.replies.expected(self.running.len());
        let room = self.running.len() < bound
            && bytes < limits.max_in_flight_bytes
            && self.offsets.tracked() < limits.max_uncommitted;
        if room { Intake::Open } else { Intake::Closed }
    }

    fn on_event(&mut self, event: SourceEvent) -> ControlFlow<()> {
        match event {
            SourceEvent::Record(record) => self.on_record(record),
            SourceEvent::Assigned {
                partitions,
                generation,
            } => {
                self.on_assigned(&partitions, generation);
            }
            SourceEvent::Revoked(revocation) => {
                let count = revocation.partitions.len() as u64;
                self.count(metric_names::REVOCATIONS, count);
                revocation
                    .partitions
                    .iter()
                    .for_each(|partition| self.offsets.close(partition));
                self.revocations
                    .add(revocation, self.settings.revocation_timeout);
                self.release_ready();
            }
            SourceEvent::Lost(partitions) => self.on_lost(&partitions),
            SourceEvent::Anew(start) => {
                self.offsets.begin_anew(&start);
                self.forget(&start.topic_partition, Why::Remade);
            }
            SourceEvent::Finished(committed) => self.on_finished_before(&committed),
            SourceEvent::Skipped(position) => self.offsets.skip_to(&position),
            SourceEvent::CommitFailed(partitions) => {
                self.count(metric_names::COMMIT_FAILURES, 1);
                partitions
                    .iter()
                    .for_each(|partition| self.offsets.commit_failed(partition));
            }
            SourceEvent::Exhausted => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    fn count(&self, metric: &'static str, times: u64) {
        self.label.counter(metric, []).increment(times);
    }

    fn on_record(&mut self, record: Record) {
        self.now = Instant::now();
        match self
            .offsets
            .deliver(&record.coordinates, self.now.into_std())
        {
            Delivery::Next => {}
            Delivery::Rewound => {
                self.count(metric_names::REWINDS, 1);
                warn!(record = %record.coordinates, "the partition was set back");
            }
            Delivery::Finished => {
                self.count(metric_names::FINISHED_BEFORE, 1);
                debug!(record = %record.coordinates, "finished before, not handled again");
                return;
            }
            Delivery::Stale => {
                self.count(metric_names::STALE, 1);
                debug!(record = %record.coordinates, "record of another assignment dropped");
                return;
            }
        }
        let (lane, size) = (self.running.lane(&record), record.size());
        self.in_flight_bytes += size;
        let job = (self.make_job)(record, self.now);
        self.running.start(lane, size, job);
        self.in_flight.set(self.running.len() as f64);
    }

    fn on_done(&mut self, done: Done) -> Result<(), Error> {
        self.in_flight_bytes -= done.size;
        self.in_flight.set(self.running.len() as f64);
        match done.settled.map_err(Error::Producer)? {
            Settled::Replied => self.summary.replied += 1,
            Settled::DeadLettered(_) => self.summary.dead_lettered += 1,
            Settled::Skipped(_) => self.summary.skipped += 1,
            Settled::Left => {
                self.count(metric_names::STALE, 1);
                debug!(record = %done.coordinates, "dropped, as its partition has gone");
                return Ok(());
            }
        }
        self.offsets.finish(&done.coordinates);
        self.release_ready();
        Ok(())
    }

    fn release_ready(&mut self) {
        for partition in self.revocations.release_ready(&mut self.offsets) {
            self.forget(&partition, Why::Moved);
        }
    }

    /// Drops the jobs of a partition that is gone, as far as they were not started; those that were
    /// call the application no more.
    fn forget(&mut self, partition: &TopicPartition, why: Why) {
        self.shared.depart(partition, why);
        let dropped = self.running.forget(partition);
        if dropped.records > 0 {
            warn!(%partition, records = dropped.records, ?why, "records that were not begun are dropped");
            self.in_flight_bytes -= dropped.bytes;
        }
    }

    /// Ends what waits: the source tells one rebalance after the other, so it has given up waiting
    /// for a revocation when the next one begins. Left alone it would take the new assignment along.
    fn end_revocations(&mut self) {
        for partition in self.revocations.release_all(&mut self.offsets) {
            self.forget(&partition, Why::Moved);
        }
    }

    fn on_assigned(&mut self, partitions: &[TopicPartition], generation: u64) {
        self.end_revocations();
        for partition in partitions {
            info!(%partition, generation, "partition assigned");
            self.offsets.assign(partition, generation);
        }
        self.progress.assigned();
    }

    fn on_finished_before(&mut self, committed: &Position) {
        info!(
            partition = %committed.topic_partition,
            next_offset = committed.next_offset,
            offsets = committed.finished.count(),
            "finished before above the committed offset, not handled again"
        );
        self.offsets.restore(committed);
    }

    fn on_lost(&mut self, partitions: &[TopicPartition]) {
        self.end_revocations();
        for partition in partitions {
            warn!(%partition, "partition lost");
            self.offsets.revoke(partition);
            self.forget(partition, Why::Moved);
        }
        self.progress.lost();
    }

    fn commit(&mut self) -> Result<ControlFlow<()>, Error> {
        // What the source has to tell comes first: a partition that it lost must not be committed.
        while let Some(event) = self.source.next(Intake::Closed).now_or_never() {
            if self.on_event(event?).is_break() {
                // The last commit is that of the stop.
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

/// How long the last commit and the farewell to the group may take after the drain. Above what
/// `kafka` allows the last commit alone, so that its outcome is known.
const CLOSE_PATIENCE: Duration = Duration::from_secs(8);

async fn expire(deadline: Option<Instant>) {
    match deadline {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
