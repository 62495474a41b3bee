//! `load-client report` and `load-client watch`: a run of workers, read from the log.

use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use program_shell::signals::Signals;
use tempfile::TempDir;
use tokio::time::interval;

use crate::args::{LookArguments, MergedOutputs, Misuse, ReportArguments, RunArguments, unpacked};
use crate::distributed::{Course, Entry, Measurement, PlanFlag, parts, validity};
use crate::measure::interval::{Interval, IntervalRecord};
use crate::program::whole::Outputs;
use crate::report::run_file::Replay;
use crate::report::text::live_table;
use crate::session::terminal::Text;
use crate::session::unix_ms;
use crate::transport::kafka::{From, KafkaLog, LogReader, LogSettings};

/// Clocks of two brokers may differ by so much.
const CLOCKS_MS: i64 = 60_000;
const TICK: Duration = Duration::from_millis(250);
/// So long after the last record nothing is on its way.
const QUIET: Duration = Duration::from_secs(1);
/// As often as a run shows its table.
const TABLE_EVERY: Duration = Duration::from_secs(2);

/// Makes the report of a run; returns the exit code. Fails when the log cannot be read, or has nothing of the run.
pub(crate) fn report(arguments: &ReportArguments) -> anyhow::Result<u8> {
    let outputs = Outputs::claim(&arguments.outputs, &[])?;
    let mut look = super::runtime()?.block_on(async {
        let mut look = Look::open(&arguments.look).await?;
        look.catch_up().await?;
        anyhow::Ok(look)
    })?;
    look.conclude(outputs)
}

/// Shows a run until it is over; returns the exit code. Fails when the log cannot be read, or no such run comes.
pub(crate) fn watch(arguments: &LookArguments) -> anyhow::Result<u8> {
    let none = MergedOutputs::none();
    let outputs = Outputs::claim(&none, &[])?;
    let look = super::runtime()?.block_on(async {
        let mut signals = Signals::catch()?;
        let mut look = Look::open(arguments).await?;
        tokio::select! {
            followed = look.follow(arguments.log.patience) => followed?,
            _ = signals.next() => return Ok(None),
        }
        anyhow::Ok(Some(look))
    })?;
    // What it comes to is for the coordinator to judge.
    look.map_or(Ok(0), |mut look| look.conclude(outputs).map(|_| 0))
}

/// The command line of a coordinator that takes over: the load is the log's, and its files are in the folder. Any other is as it
/// was typed. Fails when the log cannot be read, or has no such run.
pub(super) fn resumed(typed: RunArguments) -> anyhow::Result<(RunArguments, Option<TempDir>)> {
    let Some(run) = typed.several.resume.clone() else {
        return Ok((typed, None));
    };
    // What is of the connection may be of this machine.
    let of_load = |flag: &&PlanFlag| flag.name.len() > 1;
    if let Some(flag) = typed.handed_on.iter().find(of_load) {
        let reason = format!(
            "--resume takes the load from the log: leave out --{}",
            flag.name
        );
        return Err(Misuse(reason).into());
    }
    let settings = typed.log_settings()?;
    let load = super::runtime()?.block_on(async {
        let mut look = Look::at(settings, &run).await?;
        look.catch_up_with_control().await?;
        let plan = look.course.log.plan.take();
        plan.map(|plan| plan.load)
            .ok_or_else(|| anyhow!("run {run} has no plan"))
    })?;
    let folder = tempfile::tempdir()?;
    let planned = unpacked(&load, None, folder.path()).map_err(|reason| anyhow!(reason))?;
    Ok((planned.led_by(typed), Some(folder)))
}

struct Look {
    log: std::sync::Arc<KafkaLog>,
    run: String,
    control: LogReader,
    results: Option<LogReader>,
    course: Course,
    clock: Instant,
    intervals: Vec<Vec<IntervalRecord>>,
    active: Vec<u32>,
    live: Option<Replay>,
}

/// What was read.
#[derive(PartialEq)]
enum Seen {
    Record,
    /// All of a topic that was there at the beginning.
    Control,
    Results,
}

impl Look {
    async fn open(arguments: &LookArguments) -> anyhow::Result<Self> {
        let settings = arguments.log.settings(None, &arguments.properties)?;
        Self::at(settings, &arguments.run).await
    }

    async fn at(settings: LogSettings, run: &str) -> anyhow::Result<Self> {
        let log = KafkaLog::open(settings, false).await?;
        let control = log.read_control(From::Beginning).await?;
        Ok(Self {
            log,
            run: run.to_owned(),
            control,
            results: None,
            course: Course::new(run.to_owned()),
            clock: Instant::now(),
            intervals: Vec::new(),
            active: Vec::new(),
            live: None,
        })
    }

    /// Reads the next record of either topic; the results' once the plan is known.
    async fn next(&mut self) -> anyhow::Result<Seen> {
        if self.results.is_none() && self.course.log.plan.is_some() {
            let since = self
                .course
                .log
                .opened_ms
                .unwrap_or(0)
                .saturating_sub(CLOCKS_MS);
            self.results = Some(self.log.read_results(From::Time(since)).await?);
            self.intervals
                .resize_with(self.course.seats.len(), Vec::new);
            self.active.resize(self.course.seats.len(), 0);
        }
        let results = async {
            match &mut self.results {
                Some(results) => results.next().await,
                None => std::future::pending().await,
            }
        };
        let (read, is_result) = tokio::select! {
            read = self.control.next() => (read, false),
            read = results => (read, true),
        };
        let now = self.clock.elapsed();
        match (read?, is_result) {
            (None, false) => return Ok(Seen::Control),
            (None, true) => return Ok(Seen::Results),
            (Some(logged), false) => {
                let entry = Entry::read(logged.offset, logged.appended_ms, &logged.payload);
                entry.iter().for_each(|entry| self.course.read(entry, now));
            }
            (Some(logged), true) => {
                let measured = Measurement::read(&logged.payload);
                let added = measured.and_then(|own| self.course.measured(own, now));
                if let Some((part, record)) = added {
                    self.add(part, *record)?;
                }
            }
        }
        Ok(Seen::Record)
    }

    fn add(&mut self, part: usize, record: IntervalRecord) -> anyhow::Result<()> {
        let interval = Interval::try_from(&record)?;
        if let Some(active) = self.active.get_mut(part) {
            *active = interval.users;
        }
        if let Some(live) = &mut self.live {
            live.tally.add(&interval);
            live.stages.add(&interval);
        }
        if let Some(own) = self.intervals.get_mut(part) {
            own.push(record);
        }
        Ok(())
    }

    /// Reads what the log has of the run now.
    async fn catch_up(&mut self) -> anyhow::Result<()> {
        self.catch_up_with_control().await?;
        while self.next().await? != Seen::Results {}
        Ok(())
    }

    async fn catch_up_with_control(&mut self) -> anyhow::Result<()> {
        while self.next().await? != Seen::Control {}
        if self.course.log.opened_ms.is_none() {
            bail!("the log at {} has no run {}", self.log.brokers(), self.run);
        }
        if self.course.log.plan.is_none() {
            bail!(
                "run {} has no plan: its workers did not come; start a new run",
                self.run
            );
        }
        Ok(())
    }

    /// Shows the run until it is over.
    async fn follow(&mut self, patience: Duration) -> anyhow::Result<()> {
        let (mut ticks, text) = (interval(TICK), Text::beside(std::iter::empty()));
        let (mut shown, mut read) = (Instant::now(), Instant::now());
        let mut has_caught_up = false;
        // The two topics have no common order: the last results may come behind the end.
        while !(self.is_over() && has_caught_up && read.elapsed() >= QUIET) {
            tokio::select! {
                seen = self.next() => {
                    has_caught_up |= seen? == Seen::Results;
                    read = Instant::now();
                }
                _ = ticks.tick() => {}
            }
            self.begin_live();
            if self.course.log.opened_ms.is_none() && self.clock.elapsed() >= patience {
                let patience = humantime::format_duration(patience);
                bail!("no run {} came within --patience {patience}", self.run);
            }
            if self.is_over() && self.course.log.plan.is_none() {
                break;
            }
            if shown.elapsed() >= TABLE_EVERY && self.live.is_some() {
                shown = Instant::now();
                self.show(text);
            }
        }
        Ok(())
    }

    /// Nothing more is to come, but for what is on its way. One that was aborted before its plan has no results.
    fn is_over(&self) -> bool {
        let log = &self.course.log;
        log.is_over() && (log.aborted.is_some() || log.verdict.is_some())
    }

    fn begin_live(&mut self) {
        let log = &self.course.log;
        let (None, Some(start)) = (&self.live, log.start) else {
            return;
        };
        if let Some(ready) = log.ready.values().next() {
            let began = u64::try_from(start.appended_ms).unwrap_or(0) + start.delay_ms;
            self.live = Some(Replay::new(&ready.header.run, began, None));
        }
    }

    fn show(&mut self, text: Text) {
        let start = self.course.log.start.map_or(0, |start| start.appended_ms);
        let second = u64::try_from((unix_ms() - start) / 1000).unwrap_or(0);
        let users = self
            .active
            .iter()
            .fold(0_u32, |sum, own| sum.saturating_add(*own));
        let workers = self.course.views(self.clock.elapsed(), true);
        let Some(live) = &mut self.live else {
            return;
        };
        let moment = live.moment(second, users);
        let table = live_table(&live.summary(&[]), Some(&moment), text.columns());
        let lines: String = workers.iter().map(|own| own.line() + "\n").collect();
        text.print(&format!("\n{table}{lines}"));
    }

    fn conclude(&mut self, outputs: Outputs<'_>) -> anyhow::Result<u8> {
        let log = &self.course.log;
        let parts = parts(&self.course, std::mem::take(&mut self.intervals));
        if parts.is_empty() || log.start.is_none() {
            let reason = log
                .aborted
                .as_deref()
                .unwrap_or("its workers are not ready");
            return Err(anyhow!("run {} was not begun: {reason}", self.run));
        }
        outputs.conclude(parts, |parts| validity(log, parts))
    }
}
