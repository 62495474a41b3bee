//! The steps of one run, and its end after a failure.

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

/// The load client drains for up to its reply timeout. After this time more, it counts as hanging.
const LOAD_SLACK: Duration = Duration::from_secs(60);
const LOAD_STOP_GRACE: Duration = Duration::from_secs(10);
const WATCH_INTERVAL: Duration = Duration::from_millis(50);
/// The exit code of a shell and of a JVM after SIGTERM.
const TERMINATED: i32 = 128 + 15;

/// How a run that took place ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// No request failed.
    Clean,
    /// Some requests failed. They are in the files, and the comparison takes them into account.
    WithFailures,
    /// The load client was the bottleneck: the figures in the files say more about it than about the service.
    Invalid,
}

/// The result of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ran {
    /// How it ended.
    pub end: RunEnd,
    /// What all processes of the service used after the warm-up; `None` if the machine does not tell.
    pub usage: Option<Usage>,
}

/// A run to make.
#[derive(Debug)]
pub struct Planned<'a> {
    /// The variant to run.
    pub variant: &'a Variant,
    /// Names of topics and group.
    pub identity: Identity,
    /// The files to write.
    pub files: RunFiles,
}

/// Makes one run: creates topics, starts service and load client, waits, stops both, and deletes the topics on a shared
/// broker, also after a failure.
///
/// # Errors
///
/// Fails if a program is missing, ends by itself or hangs. The message has the end of its log. Fails with
/// [`Interrupted`] if `stop` is cancelled. Service and load client have ended in every case.
pub async fn run(
    stack: &mut Stack,
    settings: &Settings,
    planned: &Planned<'_>,
    stop: &CancellationToken,
) -> Result<Ran> {
    planned.files.prepare()?;
    let topics = [planned.identity.topic(), planned.identity.reply_topic()];
    let course = Course {
        settings,
        planned,
        // Before the service starts, so that a missing load client costs no wait.
        load: load::command(stack, settings, planned)?,
        stop,
    };
    let outcome = course.take_place(stack, &topics).await;
    stack.tidy_after(outcome, &topics).await
}

/// A service under load.
struct Live {
    system: System,
    environment: Environment,
    /// When the load client began to send.
    began: Option<Instant>,
    /// What the service had used at the end of the warm-up.
    warm: Option<Usage>,
}

impl Live {
    /// Notes what the service has used, at the end of the warm-up.
    fn note_warm_up(&mut self, load: &Child, warm_up: Duration) {
        if self.warm.is_some() {
            return;
        }
        // The load client writes the first line of its log just before it sends.
        let has_begun = || fs::metadata(load.log()).is_ok_and(|log| log.len() > 0);
        if self.began.is_none() && has_begun() {
            self.began = Some(Instant::now());
        }
        if self.began.is_some_and(|began| began.elapsed() >= warm_up) {
            self.warm = self.system.usage();
        }
    }

    /// What the service has used since the warm-up.
    fn usage(&self) -> Option<Usage> {
        Some(self.system.usage()?.since(self.warm?))
    }
}

/// A run in progress.
struct Course<'a> {
    settings: &'a Settings,
    planned: &'a Planned<'a>,
    load: LoadCommand,
    stop: &'a CancellationToken,
}

impl Course<'_> {
    /// Makes the run, from its topics to the end of its service.
    async fn take_place(&self, stack: &mut Stack, topics: &[String]) -> Result<Ran> {
        for topic in topics {
            stack.create_topic(topic, self.settings.partitions).await?;
        }
        let mut live = self.start(stack).await?;
        let outcome = self.drive(stack, &mut live).await;
        let usage = live.usage();
        let stopped = end_well(live.system).await;
        live.environment.usage = usage;
        let written = live.environment.write(&self.planned.files.environment);
        // The load's failure is the cause of those of the service and the store.
        let end = outcome?;
        stopped.and(written)?;
        Ok(Ran { end, usage })
    }

    /// Starts the service and waits until it serves.
    async fn start(&self, stack: &Stack) -> Result<Live> {
        let Planned {
            variant,
            identity,
            files,
        } = self.planned;
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
            &self.load.line,
        );
        environment.write(&files.environment)?;
        Ok(Live {
            system,
            environment,
            began: None,
            warm: None,
        })
    }

    /// Starts the load client, and watches all programs until it ends.
    async fn drive(&self, stack: &mut Stack, live: &mut Live) -> Result<RunEnd> {
        let log = self.planned.files.logs.join("load-client.log");
        let mut load = self.load.spawn(&log)?;
        let watched = self.watch(stack, live, &mut load).await;
        if watched.is_err() {
            load.stop(LOAD_STOP_GRACE).await?;
        }
        watched
    }

    /// Waits for the load client. Fails if anything ends the run before.
    async fn watch(&self, stack: &mut Stack, live: &mut Live, load: &mut Child) -> Result<RunEnd> {
        let limit = self.settings.run_time + self.load.reply_limit + LOAD_SLACK;
        let deadline = Instant::now() + limit;
        loop {
            live.note_warm_up(load, self.settings.warm_up);
            if let Some(status) = load.try_wait()? {
                return judge(status, load, &self.planned.files);
            }
            if Instant::now() >= deadline {
                bail!(
                    "load-client did not end within {limit:?}; {}",
                    load.log_tail()
                );
            }
            live.system.check()?;
            stack.check()?;
            let pause = self.stop.run_until_cancelled(sleep(WATCH_INTERVAL));
            if pause.await.is_none() {
                return Err(Interrupted.into());
            }
        }
    }
}

/// Stops a service. After SIGTERM, exit code 0, a JVM's 143, and an end by the signal itself are all right.
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
            "{name} ended with an error ({status}); its log is {}",
            log.display()
        );
    }
    Ok(())
}

/// Reads the result of a run from the load client's exit code. Without its files, no run took place.
fn judge(status: ExitStatus, load: &Child, files: &RunFiles) -> Result<RunEnd> {
    let is_recorded = files.requests.is_file() && files.summary.is_file();
    match end_of(status.code()) {
        Some(RunEnd::Clean) => Ok(RunEnd::Clean),
        Some(end) if is_recorded => Ok(end),
        _ => bail!("load-client failed ({status}); {}", load.log_tail()),
    }
}

/// The load client's exit codes of a run that took place. The others are: 1 it could not be done, 2 wrong use, 6 it
/// ended early, 130 it was interrupted. Code 4 needs a threshold, which the harness does not give.
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
