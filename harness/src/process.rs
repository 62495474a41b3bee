//! Child processes that never outlive the harness: broker, store, service and load client.
//!
//! Each child leads its own process group. So a terminal's Ctrl-C reaches only the harness, which then stops the
//! children in order. Three mechanisms end a child:
//!
//! 1. [`Child::stop`]: SIGTERM, a bounded wait, SIGKILL.
//! 2. `Drop`: SIGKILL to the group, after panics and early returns.
//! 3. The kernel (`setpriv --pdeathsig`, if util-linux has it), after a kill -9 of the harness.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;
use tokio::time::timeout;

use crate::programs;

/// Last lines of a child's log in an error message.
const TAIL_LINES: usize = 15;

/// The environment of a child, beside that of the harness.
#[derive(Debug, Clone, Copy, Default)]
pub struct Surroundings<'a> {
    /// Further environment variables. Secrets belong here, because every user of the machine can read a command line.
    pub variables: &'a [(String, String)],
    /// Its working folder; that of the harness if `None`.
    pub folder: Option<&'a Path>,
}

impl<'a> From<&'a [(String, String)]> for Surroundings<'a> {
    fn from(variables: &'a [(String, String)]) -> Self {
        Self {
            variables,
            folder: None,
        }
    }
}

/// A running child process and its log file. Dropping it kills the child.
#[derive(Debug)]
pub struct Child {
    name: String,
    log: PathBuf,
    process: tokio::process::Child,
    /// The process group to signal. `None` after the leader has been reaped, because another group may get its id.
    group: Option<Pid>,
}

impl Child {
    /// Starts `program` with `arguments`. Both output streams go to the file `log`.
    ///
    /// Call it from a thread that lives as long as the child should: the kernel kills the child when that thread ends.
    /// The main thread of a current-thread runtime is right, a thread of the blocking pool is wrong.
    ///
    /// # Errors
    ///
    /// Fails if the log file cannot be written, or if the program cannot be started.
    pub fn spawn<I, S>(name: &str, program: &Path, arguments: I, log: &Path) -> Result<Self>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        Self::spawn_with(name, program, arguments, Surroundings::default(), log)
    }

    /// Like [`Child::spawn`], with another environment.
    ///
    /// # Errors
    ///
    /// Fails as [`Child::spawn`] does.
    pub fn spawn_with<I, S>(
        name: &str,
        program: &Path,
        arguments: I,
        surroundings: Surroundings<'_>,
        log: &Path,
    ) -> Result<Self>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        if let Some(folder) = log.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let output =
            File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = tied_to_this_thread(program);
        if let Some(folder) = surroundings.folder {
            command.current_dir(folder);
        }
        let variables = surroundings.variables.iter();
        // The shell may have read those of another stack (`make up`), and they would join the flags of this one.
        let process = command
            .args(arguments)
            .env_remove("LOAD_CLIENT_X")
            .env_remove("ORDER_SERVICE_PROPERTIES")
            .envs(variables.map(|(name, value)| (name, value)))
            // Colours would put control codes into the log file.
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("cannot share the log file")?)
            .stderr(output)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name} ({})", program.display()))?;
        let group = process
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        Ok(Self {
            name: name.to_owned(),
            log: log.to_owned(),
            process,
            group,
        })
    }

    /// The name given at [`Child::spawn`].
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The operating system's process id, while the child runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// The file with both output streams.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The exit status if the child has ended, without waiting.
    ///
    /// # Errors
    ///
    /// Fails if the operating system cannot tell.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        let status = self
            .process
            .try_wait()
            .with_context(|| format!("cannot wait for {}", self.name))?;
        if status.is_some() {
            self.group = None;
        }
        Ok(status)
    }

    /// Waits until the child ends by itself.
    ///
    /// # Errors
    ///
    /// Fails if the operating system cannot tell.
    pub async fn wait(&mut self) -> Result<ExitStatus> {
        let status = self
            .process
            .wait()
            .await
            .with_context(|| format!("cannot wait for {}", self.name))?;
        self.group = None;
        Ok(status)
    }

    /// Sends `signal` to the child's process group. A child that has ended already is no error.
    pub fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // It can only fail because the group has ended, which is no error.
            let _ = kill_process_group(group, signal);
        }
    }

    /// Asks the child to end (SIGTERM), waits up to `grace`, then kills it.
    ///
    /// # Errors
    ///
    /// Fails if the operating system cannot tell how it ended.
    pub async fn stop(mut self, grace: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM);
        match timeout(grace, self.wait()).await {
            Ok(status) => status,
            Err(_elapsed) => {
                tracing::warn!(child = %self.name, ?grace, "no exit after SIGTERM, killing it");
                self.signal(Signal::KILL);
                self.wait().await
            }
        }
    }

    /// The last lines of the log, indented, with its path, for error messages.
    #[must_use]
    pub fn log_tail(&self) -> String {
        log_tail(&self.name, &self.log)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// A command that the kernel kills with the thread that starts it, if `setpriv` is installed.
fn tied_to_this_thread(program: &Path) -> Command {
    match programs::on_path("setpriv") {
        Some(setpriv) if cfg!(target_os = "linux") => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]).arg(program);
            command
        }
        _ => Command::new(program),
    }
}

/// The last lines of the log of a child that may have ended.
pub(crate) fn log_tail(name: &str, log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    tail(name, log, &String::from_utf8_lossy(&text))
}

fn tail(name: &str, log: &Path, text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    if lines.is_empty() {
        return format!("{name} wrote nothing to {}", log.display());
    }
    let from = lines.len().saturating_sub(TAIL_LINES);
    let shown: Vec<String> = lines[from..]
        .iter()
        .map(|line| format!("  | {line}"))
        .collect();
    format!("last lines of {}:\n{}", log.display(), shown.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_shows_the_last_lines_and_where_the_rest_is() {
        let text = (1..=20)
            .map(|line| line.to_string())
            .collect::<Vec<_>>()
            .join("\n");
        let shown = tail("store", Path::new("store.log"), &text);
        assert!(
            shown.starts_with("last lines of store.log:\n  | 6\n"),
            "{shown}"
        );
        assert!(shown.ends_with("  | 20"), "{shown}");
    }

    #[tokio::test]
    async fn a_child_that_ignores_sigterm_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
        let log = folder.path().join("deaf.log");
        let child = Child::spawn("deaf", Path::new("/bin/sh"), ["-c", script], &log).unwrap();
        let ready = async {
            while !fs::read_to_string(&log).unwrap().contains("ready") {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(30), ready)
            .await
            .expect("the script never started");
        let status = child.stop(Duration::from_millis(50)).await.unwrap();
        assert!(!status.success());
    }

    #[tokio::test]
    async fn a_dropped_child_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("sleep.log");
        let child = Child::spawn("sleep", Path::new("/bin/sleep"), ["600"], &log).unwrap();
        let group = child.group.unwrap();
        drop(child);
        let gone = async {
            while rustix::process::test_kill_process_group(group).is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(30), gone)
            .await
            .expect("the dropped child still runs");
    }
}
