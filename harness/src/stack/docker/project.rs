//! Runs the command `docker compose` for one compose file.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tokio::process::Command;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{programs, wait};

/// The services of the stack in the compose file.
pub(super) const BROKER: &str = "kafka";
pub(super) const STORE: &str = "kvrocks";

/// Removes the whole project, with all profiles, because their containers would keep the network.
pub(super) const DOWN: [&str; 5] = ["--profile", "*", "down", "--volumes", "--remove-orphans"];

/// The variable that becomes a label of the containers. By it, `make down` finds those of a killed harness.
const OWNER: &str = "HARNESS_PID";

pub(super) const SHORT_LIMIT: Duration = Duration::from_secs(30);
const DROP_PAUSE: Duration = Duration::from_millis(50);
const TAIL_LINES: &str = "15";

/// A compose file and the program that reads it.
#[derive(Debug)]
pub(super) struct Project {
    pub(super) docker: PathBuf,
    pub(super) file: PathBuf,
}

impl Project {
    pub(super) fn of(file: &Path) -> Result<Self> {
        let docker = programs::on_path("docker").ok_or_else(|| {
            anyhow!(
                "no docker on PATH: install Docker Engine with Compose v2, or use --stack native"
            )
        })?;
        Ok(Self {
            docker,
            file: file.to_owned(),
        })
    }

    /// Checks for the engine and for Compose. A missing engine, a missing Compose and an old one have different errors.
    pub(super) async fn check(&self, stop: &CancellationToken) -> Result<()> {
        if !wait::unless_stopped(stop, self.engine_answers()).await? {
            bail!("no Docker engine answers: start Docker, or use --stack native");
        }
        // Without the plugin, docker itself refuses the arguments.
        let compose = self.run(&["version", "--short"], SHORT_LIMIT);
        let version = wait::unless_stopped(stop, compose).await?.ok();
        if !version.as_deref().is_some_and(is_new_enough) {
            bail!(
                "the docker stack needs Compose v2 (`docker compose`), found {}: install docker-compose-plugin, or \
                 use --stack native",
                version.as_deref().map_or("none", str::trim)
            );
        }
        Ok(())
    }

    async fn engine_answers(&self) -> bool {
        let asked = Command::new(&self.docker)
            .args(["version", "--format", "{{.Server.Version}}"])
            .kill_on_drop(true)
            .output();
        matches!(timeout(SHORT_LIMIT, asked).await, Ok(Ok(output)) if output.status.success())
    }

    /// The standard output of `docker compose`.
    pub(super) async fn run(&self, arguments: &[&str], limit: Duration) -> Result<String> {
        let mut command = Command::from(self.command(arguments));
        let what = format!("docker compose {}", arguments.join(" "));
        let output = timeout(limit, command.kill_on_drop(true).output())
            .await
            .with_context(|| format!("{what}: no end within {limit:?}"))?;
        let output = output.context("cannot run docker")?;
        if !output.status.success() {
            bail!(
                "{what} failed: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Fails if the container of broker or store has ended, with the end of its log.
    pub(super) async fn refuse_ended(&self) -> Result<()> {
        let ended = [
            "ps",
            "--all",
            "--status",
            "exited",
            "--services",
            BROKER,
            STORE,
        ];
        let ended = self.run(&ended, SHORT_LIMIT).await?;
        match ended.lines().find(|line| !line.trim().is_empty()) {
            Some(service) => bail!(
                "the container of {service} ended by itself; {}",
                self.log_tail(service.trim()).await
            ),
            None => Ok(()),
        }
    }

    /// The last lines of a container's log, indented, for error messages.
    pub(super) async fn log_tail(&self, service: &str) -> String {
        let logs = [
            "logs",
            "--no-color",
            "--no-log-prefix",
            "--tail",
            TAIL_LINES,
            service,
        ];
        match self.run(&logs, SHORT_LIMIT).await {
            Ok(text) if text.trim().is_empty() => "it wrote no log".to_owned(),
            Ok(text) => {
                let lines: Vec<String> = text.lines().map(|line| format!("  | {line}")).collect();
                format!("last lines of its log:\n{}", lines.join("\n"))
            }
            Err(error) => format!("its log cannot be read: {error:#}"),
        }
    }

    /// The command with which a user can remove the project.
    pub(super) fn advice(&self) -> String {
        // Quoted for a shell.
        let down = DOWN.map(|word| if word == "*" { "'*'" } else { word });
        let file = self.file.display();
        format!("docker compose --file {file} {}", down.join(" "))
    }

    /// Removes the project, for places without `await`.
    pub(super) fn remove_blocking(&self) -> Result<()> {
        let mut down = self
            .command(&[&DOWN[..], &["--timeout", "1"]].concat())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run docker")?;
        let deadline = std::time::Instant::now() + SHORT_LIMIT;
        loop {
            match down.try_wait().context("cannot wait for docker")? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("docker compose down failed ({status})"),
                None if std::time::Instant::now() < deadline => std::thread::sleep(DROP_PAUSE),
                None => {
                    // The error below says what matters.
                    let _ = down.kill().and_then(|()| down.wait());
                    bail!("docker compose down: no end within {SHORT_LIMIT:?}");
                }
            }
        }
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(&self.docker);
        command
            .args(["compose", "--file"])
            .arg(&self.file)
            .args(arguments)
            .env(OWNER, std::process::id().to_string());
        // A terminal's Ctrl-C must not reach it, because the harness stops everything in order.
        command.process_group(0);
        command
    }
}

/// Whether this version of Compose can read the file: `2.40.3` or `v2.40.3` can, 1.29 cannot.
fn is_new_enough(version: &str) -> bool {
    let major = version.trim().trim_start_matches('v').split('.').next();
    major.and_then(|major| major.parse::<u32>().ok()) >= Some(2)
}

#[cfg(test)]
mod tests {
    use super::super::tests::project;
    use super::*;

    #[test]
    fn compose_is_new_enough_from_version_two_on() {
        for version in ["2.40.3\n", "v2.0.1", "5.0.0", "2.26.1-4"] {
            assert!(is_new_enough(version), "{version}");
        }
        for version in ["1.29.2", "", "docker-compose version 1.29.2", "dev"] {
            assert!(!is_new_enough(version), "{version}");
        }
    }

    #[tokio::test]
    async fn an_old_compose_is_refused_with_its_version_and_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let project = project(folder.path());
        std::fs::write(folder.path().join("version"), "1.29.2\n").unwrap();
        let checked = project.check(&CancellationToken::new()).await;
        let error = checked.unwrap_err().to_string();
        assert!(error.contains("found 1.29.2: install"), "{error}");
        std::fs::write(folder.path().join("version"), "2.40.3\n").unwrap();
        project.check(&CancellationToken::new()).await.unwrap();
    }

    #[tokio::test]
    async fn a_missing_compose_is_told_from_a_missing_engine() {
        let folder = tempfile::tempdir().unwrap();
        let project = project(folder.path());
        let checked = project.check(&CancellationToken::new()).await;
        let error = checked.unwrap_err().to_string();
        assert!(error.contains("found none: install"), "{error}");
    }
}
