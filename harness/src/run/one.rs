//! The course of one run, and how it ends when something goes wrong.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Result, bail};
use rustix::process::Signal;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::load::{self, LoadCommand};
use super::{Identity, RunFiles, Settings, Variant};
use crate::environment::Environment;
use crate::process::Child;
use crate::stack::Stack;
use crate::system::{STOP_GRACE, System};
use crate::usage::Usage;
use crate::wait::Interrupted;

/// The load client drains for up to its reply time-out; beyond that and this it hangs.
const LOAD_SLACK: Duration = Duration::from_secs(60);
const LOAD_STOP_GRACE: Duration = Duration::from_secs(10);
const WATCH_INTERVAL: Duration = Duration::from_millis(50);
/// What a shell and a JVM say of SIGTERM.
const TERMINATED: i32 = 128 + 15;

/// How a run that took place ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// Every request was answered well.
    Clean,
    /// Some requests failed; they are in the files, and the comparison takes them into account.
    WithFailures,
    /// The load client was the bottleneck: the figures are in the files, and speak of it rather than of the
    /// service.
    Invalid,
}

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ran {
    /// How it ended.
    pub end: RunEnd,
    /// What all processes of the service took after the warm-up; `None` where the machine does not tell.
    pub usage: Option<Usage>,
}

/// A run to be made.
#[derive(Debug)]
pub struct Planned<'a> {
    /// What is run.
    pub variant: &'a Variant,
    /// Under which names.
    pub identity: Identity,
    /// Where its files go.
    pub files: RunFiles,
}

/// Makes one run, or several at once whose load clients take turns: creates topics, starts services and load clients,
/// waits, stops all, tidies up (on a shared broker also when it fails).
///
/// # Errors
///
/// When a program is missing, ends by itself or hangs, with its log's end; [`Interrupted`] when `stop` is
/// cancelled. In every case services and load clients are gone.
pub async fn run(
    stack: &mut Stack,
    settings: &Settings,
    planned: &[Planned<'_>],
    stop: &CancellationToken,
) -> Result<Vec<Ran>> {
    let mut loads = Vec::new();
    for (index, one) in planned.iter().enumerate() {
        one.files.prepare()?;
        let turn = (planned.len() > 1).then_some((index + 1, planned.len()));
        // Before any service starts, so that a missing load client costs no wait.
        loads.push(load::command(stack, settings, one, turn)?);
    }
    let names = planned.iter().map(|one| &one.identity);
    let topics: Vec<String> = names
        .flat_map(|identity| [identity.topic(), identity.reply_topic()])
        .collect();
    let mut course = Course {
        settings,
        stop,
        live: Vec::new(),
    };
    let outcome = course.take_place(stack, planned, &loads, &topics).await;
    stack.tidy_after(outcome, &topics).await
}

/// A service under load.
struct Live<'a> {
    planned: &'a Planned<'a>,
    system: System,
    environment: Environment,
    load: Option<Child>,
    /// When the load client began to send.
    began: Option<Instant>,
    /// What the service had taken when the warm-up was over.
    warm: Option<Usage>,
    end: Option<RunEnd>,
}

impl Live<'_> {
    /// Notes what the service has taken, once the warm-up is over.
    fn note_warm_up(&mut self, warm_up: Duration) {
        let Some(load) = self.load.as_ref().filter(|_| self.warm.is_none()) else {
            return;
        };
        // The first line of its log says what it sends, when it is about to.
        let has_begun = || fs::metadata(load.log()).is_ok_and(|log| log.len() > 0);
        if self.began.is_none() && has_begun() {
            self.began = Some(Instant::now());
        }
        if self.began.is_some_and(|began| began.elapsed() >= warm_up) {
            self.warm = self.system.usage();
        }
    }

    /// What the service has taken since the warm-up.
    fn usage(&self) -> Option<Usage> {
        Some(self.system.usage()?.since(self.warm?))
    }

    /// Notes how the load client ended, once it has.
    fn settle(&mut self) -> Result<()> {
        let Some(load) = &mut self.load else {
            return Ok(());
        };
        if let Some(status) = load.try_wait()? {
            self.end = Some(judge(status, load, &self.planned.files)?);
            self.load = None;
        }
        Ok(())
    }
}

/// The runs that take place at once.
struct Course<'a> {
    settings: &'a Settings,
    stop: &'a CancellationToken,
    live: Vec<Live<'a>>,
}

impl<'a> Course<'a> {
    /// The runs themselves, from their topics to the end of their services.
    async fn take_place(
        &mut self,
        stack: &mut Stack,
        planned: &'a [Planned<'a>],
        loads: &[LoadCommand],
        topics: &[String],
    ) -> Result<Vec<Ran>> {
        for topic in topics {
            stack.create_topic(topic, self.settings.partitions).await?;
        }
        let mut outcome = Ok(());
        for (one, load) in planned.iter().zip(loads) {
            outcome = self.start(stack, one, load).await;
            if outcome.is_err() {
                break;
            }
        }
        if outcome.is_ok() {
            outcome = self.drive(stack, loads).await;
        }
        let mut stopped = Ok(());
        let mut ran = Vec::new();
        for live in std::mem::take(&mut self.live) {
            let usage = live.usage();
            stopped = stopped.and(end_well(live.system).await);
            let mut environment = live.environment;
            environment.usage = usage;
            stopped = stopped.and(environment.write(&live.planned.files.environment));
            ran.extend(live.end.map(|end| Ran { end, usage }));
        }
        // The load's failure is the cause, the service's and the store's only follow from it.
        outcome?;
        stopped?;
        Ok(ran)
    }

    /// Starts a service and waits until it serves.
    async fn start(
        &mut self,
        stack: &Stack,
        planned: &'a Planned<'a>,
        load: &LoadCommand,
    ) -> Result<()> {
        let Planned {
            variant,
            identity,
            files,
        } = planned;
        let log = variant.log(&files.logs);
        let (mut system, command) = variant.spawn(stack, identity, &log)?;
        let ready = system.until_ready(self.settings.ready_timeout, self.stop);
        if let Err(error) = ready.await {
            system.stop(STOP_GRACE).await?;
            return Err(error);
        }
        let environment = Environment::of_run(
            stack,
            self.settings,
            variant,
            identity,
            &command,
            &load.line,
        );
        environment.write(&files.environment)?;
        self.live.push(Live {
            planned,
            system,
            environment,
            load: None,
            began: None,
            warm: None,
            end: None,
        });
        Ok(())
    }

    /// Starts the load clients and watches everything until they end.
    async fn drive(&mut self, stack: &mut Stack, loads: &[LoadCommand]) -> Result<()> {
        for (live, command) in self.live.iter_mut().zip(loads) {
            let log = live.planned.files.logs.join("load-client.log");
            live.load = Some(command.spawn(&log)?);
        }
        let patience = loads.iter().map(|command| command.reply_limit).max();
        let watched = self.watch(stack, patience.unwrap_or_default()).await;
        for live in &mut self.live {
            if let Some(load) = live.load.take() {
                load.stop(LOAD_STOP_GRACE).await?;
            }
        }
        watched
    }

    /// Waits for the load clients, and for whatever ends the runs before them.
    async fn watch(&mut self, stack: &mut Stack, patience: Duration) -> Result<()> {
        let limit = self.settings.run_time + patience + LOAD_SLACK;
        let deadline = Instant::now() + limit;
        loop {
            for live in &mut self.live {
                live.note_warm_up(self.settings.warm_up);
                live.settle()?;
            }
            let Some(open) = self.live.iter().find_map(|live| live.load.as_ref()) else {
                return Ok(());
            };
            if Instant::now() >= deadline {
                bail!(
                    "load-client did not end within {limit:?}; {}",
                    open.log_tail()
                );
            }
            for live in &mut self.live {
                live.system.check()?;
            }
            stack.check()?;
            let pause = self.stop.run_until_cancelled(sleep(WATCH_INTERVAL));
            if pause.await.is_none() {
                return Err(Interrupted.into());
            }
        }
    }
}

/// Stops a service. One that handles SIGTERM ends with 0, a JVM with 143, and one that does not handle it by the signal.
async fn end_well(mut system: System) -> Result<()> {
    let (name, log) = {
        let child = system.child();
        (child.name().to_owned(), child.log().to_owned())
    };
    let status = system.stop(STOP_GRACE).await?;
    let is_well = matches!(status.code(), Some(0 | TERMINATED))
        || status.signal() == Some(Signal::TERM.as_raw());
    if !is_well {
        bail!(
            "{name} did not end well ({status}); its log is {}",
            log.display()
        );
    }
    Ok(())
}

/// What the load client's exit code says of a run. Without its files, no run took place.
fn judge(status: ExitStatus, load: &Child, files: &RunFiles) -> Result<RunEnd> {
    let is_recorded = files.requests.is_file() && files.summary.is_file();
    match end_of(status.code()) {
        Some(RunEnd::Clean) => Ok(RunEnd::Clean),
        Some(end) if is_recorded => Ok(end),
        _ => bail!("load-client failed ({status}); {}", load.log_tail()),
    }
}

/// Exit codes of the load client that stand for a run that took place. The others: 1 it could not be done, 2
/// wrong use, 6 it ended early, 130 it was interrupted; 4 needs a threshold, and we give none.
fn end_of(code: Option<i32>) -> Option<RunEnd> {
    match code? {
        0 => Some(RunEnd::Clean),
        3 => Some(RunEnd::WithFailures),
        5 => Some(RunEnd::Invalid),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_runs_to_the_end_count() {
        for (code, end) in [
            (Some(0), Some(RunEnd::Clean)),
            (Some(3), Some(RunEnd::WithFailures)),
            (Some(5), Some(RunEnd::Invalid)),
            (Some(1), None),
            (Some(2), None),
            (Some(6), None),
            (Some(130), None),
            (None, None),
        ] {
            assert_eq!(end_of(code), end, "{code:?}");
        }
    }
}
