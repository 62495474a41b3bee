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
use crate::transport::kafka::{From, KafkaLog, LogReader, LogSettings, Logged};

const TICK: Duration = Duration::from_millis(250);
/// Silence of the log after which no further record is expected.
const QUIET: Duration = Duration::from_secs(1);
/// How often the table is shown, as in `run`.
const TABLE_EVERY: Duration = Duration::from_secs(2);

/// Makes the report of a run and returns the exit code. Fails when the log cannot be read, or has no such run.
pub(crate) fn report(arguments: &ReportArguments) -> anyhow::Result<u8> {
    let outputs = Outputs::claim(&arguments.outputs, &[])?;
    let mut look = super::runtime()?.block_on(async {
        let mut look = Look::open(&arguments.look).await?;
        look.catch_up().await?;
        anyhow::Ok(look)
    })?;
    look.conclude(outputs)
}

/// Shows a run until it is over and returns the exit code. Fails when the log cannot be read, or no such run appears.
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
    // Only the coordinator's exit code judges the run.
    look.map_or(Ok(0), |mut look| look.conclude(outputs).map(|_| 0))
}

/// Returns the command line of a coordinator that takes a run over: its load comes from the log, with its files in the
/// folder. Any other command line is returned unchanged. Fails when the log cannot be read, or has no such run.
pub(super) fn resumed(typed: RunArguments) -> anyhow::Result<(RunArguments, Option<TempDir>)> {
    let Some(run) = typed.several.resume.clone() else {
        return Ok((typed, None));
    };
    // `-X` is allowed: it may be needed to connect from this machine.
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
        look.expect_plan()?;
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

    /// Takes a record of the control log.
    fn ordered(&mut self, logged: &Logged) {
        let entry = Entry::read(logged.offset, logged.appended_ms, &logged.payload);
        let now = self.clock.elapsed();
        entry.iter().for_each(|entry| self.course.read(entry, now));
    }

    /// Takes a record of the results.
    fn measured(&mut self, logged: &Logged) -> anyhow::Result<()> {
        let now = self.clock.elapsed();
        let measured = Measurement::read(&logged.payload);
        let added = measured.and_then(|own| self.course.measured(own, now));
        let (part, records) = added.unwrap_or_default();
        records
            .into_iter()
            .try_for_each(|record| self.add(part, record))
    }

    /// Reads the results once the plan is known.
    async fn open_results(&mut self) -> anyhow::Result<()> {
        let log = &self.course.log;
        if self.results.is_some() || log.plan.is_none() {
            return Ok(());
        }
        let since = log.results_since_ms();
        self.results = Some(self.log.read_results(From::Time(since)).await?);
        let seats = self.course.seats.len();
        self.intervals.resize_with(seats, Vec::new);
        self.active.resize(seats, 0);
        Ok(())
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

    /// Reads the records that the log has of the run now. Orders come first, so that all measurements up to the last
    /// order are read.
    async fn catch_up(&mut self) -> anyhow::Result<()> {
        self.catch_up_with_control().await?;
        self.expect_plan()?;
        self.open_results().await?;
        while let Some(results) = &mut self.results
            && let Some(logged) = results.next().await?
        {
            self.measured(&logged)?;
        }
        Ok(())
    }

    async fn catch_up_with_control(&mut self) -> anyhow::Result<()> {
        while let Some(logged) = self.control.next().await? {
            self.ordered(&logged);
        }
        Ok(())
    }

    fn expect_plan(&self) -> anyhow::Result<()> {
        let (log, run) = (&self.course.log, &self.run);
        if log.opened_ms.is_none() {
            bail!("the log at {} has no run {run}", self.log.brokers());
        }
        if log.plan.is_none() {
            bail!("run {run} has no plan: its workers did not come; start a new run");
        }
        Ok(())
    }

    /// Shows the run until it is over.
    async fn follow(&mut self, patience: Duration) -> anyhow::Result<()> {
        let (mut ticks, text) = (interval(TICK), Text::beside(std::iter::empty()));
        let (mut shown, mut read) = (Instant::now(), Instant::now());
        let mut has_caught_up = false;
        self.catch_up_with_control().await?;
        // The two topics have no common order, so the last results may arrive after the end of the run.
        while !(self.is_over(read.elapsed()) && has_caught_up) {
            self.open_results().await?;
            let results = async {
                match &mut self.results {
                    Some(results) => results.next().await,
                    None => std::future::pending().await,
                }
            };
            let (logged, is_result) = tokio::select! {
                logged = self.control.next() => (logged?, false),
                logged = results => (logged?, true),
                _ = ticks.tick() => (None, false),
            };
            read = logged.as_ref().map_or(read, |logged| logged.read);
            match (logged, is_result) {
                (Some(logged), true) => self.measured(&logged)?,
                (Some(logged), false) => self.ordered(&logged),
                (None, own) => has_caught_up |= own,
            }
            self.begin_live();
            let log = &self.course.log;
            if log.opened_ms.is_none() && self.clock.elapsed() >= patience {
                let patience = humantime::format_duration(patience);
                bail!("no run {} came within --patience {patience}", self.run);
            }
            if log.is_over() && log.plan.is_none() {
                break;
            }
            if shown.elapsed() >= TABLE_EVERY && self.live.is_some() {
                shown = Instant::now();
                self.show(text);
            }
        }
        Ok(())
    }

    /// Returns whether nothing more is expected after this silence. Without a verdict it takes longer, because the
    /// coordinator may have died before it wrote one.
    fn is_over(&self, silence: Duration) -> bool {
        let log = &self.course.log;
        let has_verdict = log.aborted.is_some() || log.verdict.is_some();
        log.is_over() && silence >= if has_verdict { QUIET } else { QUIET * 10 }
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
            return Err(anyhow!("run {} did not begin: {reason}", self.run));
        }
        outputs.conclude(parts, |parts| validity(log, parts))
    }
}
