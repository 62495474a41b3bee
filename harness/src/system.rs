//! A system under test as a child process: starts it, waits until it is ready, measures its usage, stops it. It may be
//! the order service, a loop that is compared with it, or a command of an experiment.

mod ready;

use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) use self::ready::Ready;
pub(crate) use self::ready::{Group, Probe};
use crate::process::{Child, Surroundings};
use crate::usage::{Usage, family};
use crate::wait;

/// A variable that marks all processes of a system, because child processes inherit it.
const MARK: &str = "HARNESS_SYSTEM";
/// Above the sum of the order service's drain timeout (10 s) and the limit of its last commit (8 s), so that it always
/// ends by itself.
pub(crate) const STOP_GRACE: Duration = Duration::from_secs(25);
const LOOK: Duration = Duration::from_millis(50);

/// How to start a system.
pub(crate) struct Start<'a> {
    /// Its name in messages.
    pub(crate) name: &'a str,
    pub(crate) program: &'a Path,
    pub(crate) arguments: &'a [String],
    /// Its environment variables, also those for values that must not be on a command line.
    pub(crate) variables: Vec<(String, String)>,
    /// Its working folder; that of the harness if `None`.
    pub(crate) folder: Option<&'a Path>,
    pub(crate) log: &'a Path,
    /// How to see that it serves.
    pub(crate) probe: Probe,
}

/// A running system.
#[derive(Debug)]
pub(crate) struct System {
    child: Child,
    probe: Probe,
    family: Family,
}

impl System {
    /// Starts it, but does not wait.
    pub(crate) fn spawn(start: Start<'_>) -> Result<Self> {
        let mark = Uuid::new_v4().to_string();
        let entry = format!("{MARK}={mark}");
        let mut variables = start.variables;
        variables.push((MARK.to_owned(), mark));
        let surroundings = Surroundings {
            variables: &variables,
            folder: start.folder,
        };
        let (program, arguments) = (start.program, start.arguments);
        let child = Child::spawn_with(start.name, program, arguments, surroundings, start.log)?;
        let family = Family {
            entry,
            group: child.id(),
        };
        Ok(Self {
            child,
            probe: start.probe,
            family,
        })
    }

    /// Waits until it serves.
    pub(crate) async fn until_ready(
        &mut self,
        limit: Duration,
        stop: &CancellationToken,
    ) -> Result<()> {
        let log = self.child.log().to_owned();
        let probe = &self.probe;
        wait::until_ready(&mut self.child, limit, stop, || probe.ask(&log)).await
    }

    /// The process that was started, to send a signal or to read its log.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// What all its processes together have used so far; `None` if the machine does not tell.
    pub(crate) fn usage(&self) -> Option<Usage> {
        Usage::sum(&self.family.processes())
    }

    /// Fails if it has ended. The message has the end of its log.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!(
                "{} ended during the run ({status}); {}",
                self.child.name(),
                self.child.log_tail()
            ),
        }
    }

    /// Asks it to end, and kills the processes that it leaves behind. Returns its exit status.
    pub(crate) async fn stop(self, grace: Duration) -> Result<ExitStatus> {
        let Self { child, family, .. } = self;
        let name = child.name().to_owned();
        let deadline = Instant::now() + grace;
        let status = child.stop(grace).await?;
        // The signal went to the whole group. A shell ends at once, but the service that it started may need longer.
        let mut left = family.of_group();
        while !left.is_empty() && Instant::now() < deadline {
            sleep(LOOK).await;
            left = family.of_group();
        }
        let left = family.processes().len();
        if left > 0 {
            tracing::warn!("{name} left {left} process(es) behind: killing them");
        }
        Ok(status)
    }

    /// Like `stop`, for a program that has to end with exit code 0.
    pub(crate) async fn stop_well(self) -> Result<()> {
        let (name, log) = (self.child.name().to_owned(), self.child.log().to_owned());
        let status = self.stop(STOP_GRACE).await?;
        if !status.success() {
            bail!(
                "{name} ended with an error ({status}); its log is {}",
                log.display()
            );
        }
        Ok(())
    }
}

/// All processes of a system. Dropping it kills those that still run.
#[derive(Debug)]
struct Family {
    /// The entry of their environment that marks them.
    entry: String,
    group: Option<u32>,
}

impl Family {
    fn processes(&self) -> Vec<u32> {
        family(Some(&self.entry), self.group)
    }

    fn of_group(&self) -> Vec<u32> {
        family(None, self.group)
    }
}

/// How often to look for processes that still run. A process may start another one just before it is killed.
const ATTEMPTS: usize = 5;

impl Drop for Family {
    fn drop(&mut self) {
        for _ in 0..ATTEMPTS {
            let left = self.processes();
            if left.is_empty() {
                return;
            }
            let ids = left.into_iter();
            for process in ids.filter_map(|id| Pid::from_raw(i32::try_from(id).ok()?)) {
                // It can only fail because the process has ended.
                let _ = kill_process(process, Signal::KILL);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_leaves_its_group_and_its_parent_is_killed_too() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("system.log");
        let script = "setsid sleep 600 & echo serving; exec sleep 600";
        let arguments = ["-c".to_owned(), script.to_owned()];
        let start = || Start {
            name: "system",
            program: Path::new("/bin/sh"),
            arguments: &arguments,
            variables: Vec::new(),
            folder: None,
            log: &log,
            probe: Probe::Line("serving".to_owned()),
        };
        let stop = CancellationToken::new();
        for is_stopped in [true, false] {
            let mut system = System::spawn(start()).unwrap();
            let limit = Duration::from_secs(30);
            system.until_ready(limit, &stop).await.unwrap();
            let (entry, group) = (system.family.entry.clone(), system.family.group);
            let both = async {
                while family(Some(&entry), None).len() < 2 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            tokio::time::timeout(limit, both).await.unwrap();
            assert!(system.usage().is_some());
            match is_stopped {
                true => drop(system.stop(STOP_GRACE).await.unwrap()),
                false => drop(system),
            }
            let gone = async {
                while !family(Some(&entry), group).is_empty() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            tokio::time::timeout(limit, gone).await.unwrap();
        }
    }
}
