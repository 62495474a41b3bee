//! Leads a run that workers send: gathers and starts the workers, and collects their measurements. [`Coordinator`]
//! makes the decisions; this module connects it with the log and the clock.

mod open;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow, bail};
use tokio::sync::watch;
use tokio::time::Interval as Ticks;

use crate::distributed::{
    Act, Coordinator, Ending, Entry, LoadNote, Measurement, Terms, WorkerView, parts, validity,
};
use crate::load::Control;
use crate::load::plan::Target;
use crate::measure::interval::{Interval, IntervalRecord};
use crate::measure::recorder::TallyView;
use crate::measure::selfcheck::{Finding, Validity};
use crate::report::run_file::{RunPart, replayed};
use crate::session::gathered::Gathered;
use crate::session::terminal::say;
use crate::transport::kafka::{
    From, KafkaLog, KafkaTransportError, LogReader, LogSettings, Logged,
};

/// How often the coordinator looks at the clock.
const TICK: Duration = Duration::from_millis(250);
/// How long the log may take to accept the last records.
pub(super) const FLUSH: Duration = Duration::from_secs(10);

/// A run to coordinate.
pub(crate) struct Undertaking {
    pub(crate) log: LogSettings,
    /// The name of the run.
    pub(crate) run: String,
    pub(crate) terms: Terms,
    /// The load; `None` takes over a run that another coordinator has begun.
    pub(crate) load: Option<LoadNote>,
    /// Receives the state of the workers.
    pub(crate) views: watch::Sender<Vec<WorkerView>>,
}

/// A run whose workers are about to send, or are sending.
pub(crate) struct Lead {
    log: Arc<KafkaLog>,
    run: String,
    coordinator: Coordinator,
    control: LogReader,
    results: Option<LogReader>,
    ticks: Ticks,
    clock: Instant,
    /// When the workers begin.
    begin: Option<Instant>,
    /// The intervals of each worker.
    intervals: Vec<Vec<IntervalRecord>>,
    /// The users or requests in flight of each worker.
    active: Vec<u32>,
    ending: Option<Ending>,
    views: watch::Sender<Vec<WorkerView>>,
    has_leaders_times: bool,
    /// Whether the records that the control log had at the start are read.
    has_caught_up: bool,
}

impl Lead {
    /// Gathers the workers, and waits until they are about to begin or the run is given up. Fails when the log cannot
    /// be used, or the run cannot begin.
    pub(crate) async fn gather(
        undertaking: Undertaking,
        given_up: impl Future<Output = ()>,
    ) -> anyhow::Result<Self> {
        tokio::pin!(given_up);
        let mut lead = tokio::select! {
            lead = Self::open(undertaking) => lead?,
            () = &mut given_up => return Err(KafkaTransportError::Interrupted.into()),
        };
        let mut is_given_up = false;
        while !lead.is_about_to_begin() {
            let acts = tokio::select! {
                acts = lead.next() => acts?,
                () = &mut given_up, if !is_given_up => {
                    is_given_up = true;
                    lead.coordinator.abort("the run was given up before it began")
                }
            };
            lead.carry_out(acts, None)?;
            match lead.ending.take() {
                None => {}
                Some(Ending::NotBegun(_)) if is_given_up => {
                    lead.flush();
                    return Err(KafkaTransportError::Interrupted.into());
                }
                // The run began, so it gets a report.
                Some(ending @ (Ending::Invalid(_) | Ending::Finished)) => {
                    lead.ending = Some(ending);
                    break;
                }
                Some(ending) => {
                    lead.flush();
                    return Err(lead.not_begun(ending));
                }
            }
        }
        Ok(lead)
    }

    /// Returns whether the workers have confirmed the start and the moment of the start has come.
    fn is_about_to_begin(&self) -> bool {
        let is_confirmed =
            self.coordinator.is_in_office() && self.coordinator.course().log.skew_ms().is_some();
        let begin = self
            .begin
            .filter(|_| is_confirmed && self.results.is_some());
        begin.is_some_and(|begin| begin <= Instant::now())
    }

    fn not_begun(&self, ending: Ending) -> anyhow::Error {
        match ending {
            Ending::NotBegun(reason) | Ending::Invalid(reason) => {
                anyhow!(self.with_trouble(reason))
            }
            Ending::Fenced => anyhow!("another coordinator has taken run {} over", self.run),
            Ending::Finished => anyhow!("run {} is over", self.run),
        }
    }

    /// Adds the trouble of the log to a reason, because a silent log looks like silent workers.
    fn with_trouble(&self, reason: String) -> String {
        let readers = [Some(&self.control), self.results.as_ref()];
        match readers.into_iter().flatten().find_map(LogReader::trouble) {
            Some(trouble) => format!("{reason} (the log at {}: {trouble})", self.log.brokers()),
            None => reason,
        }
    }

    /// Waits for the next record or tick, and returns what the coordinator wants done.
    async fn next(&mut self) -> anyhow::Result<Vec<Act>> {
        self.open_results().await?;
        let results = async {
            match &mut self.results {
                Some(results) => results.next().await,
                None => std::future::pending().await,
            }
        };
        let clock = self.clock;
        Ok(tokio::select! {
            read = self.control.next() => match read? {
                None => {
                    self.has_caught_up = true;
                    self.coordinator.begin(clock.elapsed())
                }
                Some(logged) => self.ordered(&logged),
            },
            read = results => {
                let Some(logged) = read? else {
                    self.coordinator.has_read_results(clock.elapsed());
                    return Ok(Vec::new());
                };
                let read = Measurement::read(&logged.payload);
                let acts = read.map(|own| self.coordinator.measured(own, clock.elapsed()));
                acts.unwrap_or_default()
            }
            _ = self.ticks.tick() => {
                self.log.check().map_err(|reason| anyhow!(reason))?;
                let results = self.results.as_ref();
                match results.and_then(|own| tokio::task::block_in_place(|| own.trouble())) {
                    Some(_) => self.coordinator.deaf(clock.elapsed()),
                    None => self.coordinator.tick(clock.elapsed()),
                }
            }
        })
    }

    /// Takes a record of the control log.
    fn ordered(&mut self, logged: &Logged) -> Vec<Act> {
        let had_start = self.coordinator.course().log.start.is_some();
        let entry = Entry::read(logged.offset, logged.appended_ms, &logged.payload);
        let acts = entry.map(|entry| self.coordinator.read(&entry, self.clock.elapsed()));
        if let (false, Some(start)) = (had_start, self.coordinator.course().log.start) {
            self.has_leaders_times = logged.is_leaders_time;
            let since = unix_ms().saturating_sub(start.appended_ms);
            let delay = Duration::from_millis(start.delay_ms);
            // A run that is taken over began long ago, by the clocks of this machine and of the broker.
            let since = if self.has_caught_up { 0 } else { since };
            let late =
                Duration::from_millis(u64::try_from(since).unwrap_or(0)).saturating_sub(delay);
            let begin = match late.is_zero() {
                true => Some(logged.read + delay),
                false => Instant::now().checked_sub(late),
            };
            self.begin = begin.or(Some(logged.read));
        }
        acts.unwrap_or_default()
    }

    /// Begins to read the results once the workers are known, before they are started.
    async fn open_results(&mut self) -> anyhow::Result<()> {
        let log = &self.coordinator.course().log;
        if self.results.is_some() || log.plan.is_none() {
            return Ok(());
        }
        let since = log.results_since_ms();
        let seats = self.coordinator.course().seats.len();
        self.intervals.resize_with(seats, Vec::new);
        self.active.resize(seats, 0);
        self.results = Some(self.log.read_results(From::Time(since)).await?);
        Ok(())
    }

    fn carry_out(
        &mut self,
        acts: Vec<Act>,
        figures: Option<(&TallyView, &Control)>,
    ) -> anyhow::Result<()> {
        for act in acts {
            match act {
                Act::Write(note) => {
                    let json = serde_json::to_vec(&note)?;
                    let written = self.log.control(&self.run, &json);
                    written.map_err(|reason| anyhow!(reason))?;
                }
                Act::Add(part, records) => {
                    for record in records {
                        self.add(part, record, figures)?;
                    }
                }
                Act::Tell(told) => say(&told),
                Act::End(ending) => self.ending = Some(ending),
            }
        }
        let log = &self.coordinator.course().log;
        let begun = self.begin.is_some_and(|begin| begin <= Instant::now()) && log.start.is_some();
        let views = self.coordinator.course().views(self.clock.elapsed(), begun);
        self.views.send_replace(views);
        Ok(())
    }

    fn add(
        &mut self,
        part: usize,
        record: IntervalRecord,
        figures: Option<(&TallyView, &Control)>,
    ) -> anyhow::Result<()> {
        let read = Interval::try_from(&record);
        let interval = read.with_context(|| {
            let name = self
                .coordinator
                .course()
                .seats
                .get(part)
                .map_or("", |own| &own.name);
            format!("worker {name} sent an interval that cannot be read")
        })?;
        if let Some(active) = self.active.get_mut(part) {
            *active = interval.users;
        }
        if let Some((view, control)) = figures {
            view.add(&interval);
            let active = self.active.iter().map(|own| *own as usize).sum();
            control.users_are(active, view.elapsed());
        }
        if let Some(own) = self.intervals.get_mut(part) {
            own.push(record);
        }
        Ok(())
    }

    /// Returns when the workers begin.
    pub(crate) fn begin(&self) -> Instant {
        self.begin.unwrap_or_else(Instant::now)
    }

    /// Collects the measurements of the workers until the run is over. In the end, the view is that of one client that
    /// had sent the whole load. Fails when another coordinator has taken the run, or the log cannot be used.
    pub(crate) async fn follow(
        mut self,
        view: &TallyView,
        control: &Control,
    ) -> anyhow::Result<Gathered> {
        control.begin(
            Target::Users {
                users: 0,
                spawn_rate: 1.0,
            },
            Duration::ZERO,
        );
        for part in 0..self.intervals.len() {
            for record in std::mem::take(&mut self.intervals[part]) {
                self.add(part, record, Some((view, control)))?;
            }
        }
        let (mut stopping, mut aborting) = (false, false);
        while self.ending.is_none() {
            let acts = tokio::select! {
                acts = self.next() => acts?,
                () = control.stop.cancelled(), if !stopping => {
                    stopping = true;
                    self.coordinator.stop("the coordinator has stopped the run")
                }
                () = control.abort.cancelled(), if !aborting => {
                    aborting = true;
                    self.coordinator.abort("the coordinator did not wait for requests in flight")
                }
            };
            self.carry_out(acts, Some((view, control)))?;
        }
        let is_reached = self.flush();
        self.gathered(view, control, is_reached)
    }

    fn gathered(
        mut self,
        view: &TallyView,
        control: &Control,
        is_reached: bool,
    ) -> anyhow::Result<Gathered> {
        let log = &self.coordinator.course().log;
        let intervals = std::mem::take(&mut self.intervals);
        let parts = parts(self.coordinator.course(), intervals);
        let validity = match self.ending.take() {
            Some(Ending::Invalid(reason)) => Validity::Invalid {
                findings: vec![Finding {
                    reason: self.with_trouble(reason),
                    advice: "start a new run".to_owned(),
                }],
            },
            Some(Ending::Finished) => validity(log, &parts),
            Some(ending) => return Err(self.not_begun(ending)),
            None => bail!("run {} has no end", self.run),
        };
        if let Some(ended) = parts.iter().filter_map(RunPart::sent_until_ns).max() {
            control.sending_ended(Duration::from_nanos(ended));
        }
        if parts.iter().any(|part| part.is_exhausted()) {
            control.nothing_is_left();
        }
        if !parts.is_empty() {
            let replay = replayed(&parts, |_, _| anyhow::Ok(()))?;
            view.replace(replay.tally, replay.stages, replay.history);
        }
        let skew_ms = self.coordinator.course().log.skew_ms();
        if let (Some(skew), false) = (skew_ms, self.has_leaders_times) {
            say(&format!(
                "workers began within {skew} ms by the clocks of their machines, because the control topic keeps the \
                 times of its writers (message.timestamp.type)"
            ));
        }
        Ok(Gathered {
            parts,
            validity,
            log: self.log,
            coordinator: self.coordinator,
            skew_ms,
            is_reached,
        })
    }

    /// Waits until the log has all records. Returns whether it has them.
    fn flush(&self) -> bool {
        let flushed = tokio::task::block_in_place(|| self.log.flush(FLUSH));
        if let Err(reason) = &flushed {
            say(&format!("error: {reason}"));
        }
        flushed.is_ok()
    }
}

/// Returns the milliseconds since 1970, by this machine's clock.
pub(crate) fn unix_ms() -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}
