//! The docker stack: broker and store of `docker/compose.yaml`, through the `docker` command.
//!
//! Containers are no children: nothing removes them after a kill -9 of the harness.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::store::Store;
use super::topics;
use crate::{programs, wait};

/// The ports that the compose file publishes on loopback.
pub(super) const KAFKA_URL: &str = "kafka://127.0.0.1:9092";
const STORE_URL: &str = "redis://127.0.0.1:6666";

/// A first start downloads the images.
const UP_LIMIT: Duration = Duration::from_secs(600);
const READY_LIMIT: Duration = Duration::from_secs(60);
const SHORT_LIMIT: Duration = Duration::from_secs(30);
const DROP_PAUSE: Duration = Duration::from_millis(50);

/// Whose the project's containers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Containers {
    /// There before this harness, with the user's data: they stay.
    Found,
    /// Started by this harness, which removes them, with what they hold.
    Started,
    /// Removed again, or never started.
    Gone,
}

/// The running containers. [`Compose::stop`] removes those that it started; so does dropping it, which blocks
/// meanwhile.
#[derive(Debug)]
pub(super) struct Compose {
    docker: PathBuf,
    file: PathBuf,
    containers: Containers,
    /// The broker's image, as the compose file names it.
    pub(super) broker: String,
}

impl Compose {
    pub(super) async fn start(file: &Path, stop: &CancellationToken) -> Result<Self> {
        let docker = programs::on_path("docker").ok_or_else(|| {
            anyhow!("no docker on PATH: install Docker Engine with its compose plugin, or use --stack native")
        })?;
        let text = std::fs::read_to_string(file).with_context(|| {
            format!(
                "cannot read {}: run from the project's folder or set --compose-file",
                file.display()
            )
        })?;
        let mut compose = Self {
            docker,
            file: file.to_owned(),
            containers: Containers::Gone,
            broker: broker_image(&text),
        };
        compose.check(stop).await?;
        let started = match compose.up(stop).await {
            Ok(()) => compose.until_answers(stop).await,
            failed => failed,
        };
        if let Err(error) = started {
            // The first failure is the one to show; what it left is removed as far as possible.
            if let Err(left) = compose.stop().await {
                tracing::error!("{left:#}");
            }
            return Err(error);
        }
        Ok(compose)
    }

    pub(super) async fn store(&self) -> Result<Store> {
        Store::connect(STORE_URL).await
    }

    /// Whether the containers were there before, and so is what they hold.
    pub(super) fn is_shared(&self) -> bool {
        self.containers == Containers::Found
    }

    /// Removes the containers that this harness started.
    pub(super) async fn stop(mut self) -> Result<()> {
        if self.containers != Containers::Started {
            return Ok(());
        }
        let down = ["down", "--volumes", "--timeout", "10"];
        let removed = self.run(&down, SHORT_LIMIT * 2).await;
        // A failure is reported and not tried again when this is dropped.
        self.containers = Containers::Gone;
        removed.map(drop).with_context(|| self.advice())
    }

    /// Starts what is not up yet, after a look at what is.
    async fn up(&mut self, stop: &CancellationToken) -> Result<()> {
        // Containers of every profile count, stopped ones too: removing them would remove their data.
        let list = ["--profile", "*", "ps", "--all", "--quiet"];
        let found = wait::unless_stopped(stop, self.run(&list, SHORT_LIMIT)).await??;
        // A changed compose file must not replace a container that is the user's.
        let keep = ["up", "--detach", "--no-recreate", "kafka", "kvrocks"];
        self.containers = if found.trim().is_empty() {
            Containers::Started
        } else {
            tracing::info!("the compose project has containers already: they are used, and stay");
            Containers::Found
        };
        let up = wait::unless_stopped(stop, self.run(&keep, UP_LIMIT));
        up.await?.map(drop)
    }

    fn advice(&self) -> String {
        let file = self.file.display();
        format!(
            "containers may be left; remove them with: docker compose --file {file} down --volumes"
        )
    }

    /// As [`Compose::stop`], where nothing can be awaited any more.
    fn remove_blocking(&self) -> Result<()> {
        let mut down = std::process::Command::new(&self.docker)
            .args(["compose", "--file"])
            .arg(&self.file)
            .args(["down", "--volumes", "--timeout", "1"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot run docker")?;
        let deadline = std::time::Instant::now() + SHORT_LIMIT;
        loop {
            match down.try_wait().context("cannot wait for docker")? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("docker compose down failed ({status})"),
                None if std::time::Instant::now() < deadline => std::thread::sleep(DROP_PAUSE),
                None => {
                    // What matters is said with the error.
                    let _ = down.kill().and_then(|()| down.wait());
                    bail!("docker compose down: over {SHORT_LIMIT:?}");
                }
            }
        }
    }

    /// Tells a missing engine from a missing plugin, in one line each.
    async fn check(&self, stop: &CancellationToken) -> Result<()> {
        let engine = self.answers(&["version", "--format", "{{.Server.Version}}"]);
        if !wait::unless_stopped(stop, engine).await? {
            bail!("no Docker engine answers: start Docker, or use --stack native");
        }
        if !wait::unless_stopped(stop, self.answers(&["compose", "version"])).await? {
            bail!(
                "docker has no compose plugin: install docker-compose-plugin, or use --stack native"
            );
        }
        Ok(())
    }

    async fn answers(&self, arguments: &[&str]) -> bool {
        let asked = Command::new(&self.docker)
            .args(arguments)
            .kill_on_drop(true)
            .output();
        matches!(timeout(SHORT_LIMIT, asked).await, Ok(Ok(output)) if output.status.success())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.docker);
        command
            .arg("compose")
            .arg("--file")
            .arg(&self.file)
            .args(arguments);
        // A terminal's Ctrl-C must not reach it: the harness decides what is stopped, and when.
        command.process_group(0).kill_on_drop(true);
        command
    }

    /// What it printed on standard output.
    async fn run(&self, arguments: &[&str], limit: Duration) -> Result<String> {
        let mut command = self.command(arguments);
        let what = format!("docker compose {}", arguments.join(" "));
        let output = timeout(limit, command.output())
            .await
            .with_context(|| format!("{what}: over {limit:?}"))?;
        let output = output.context("cannot run docker")?;
        if !output.status.success() {
            bail!(
                "{what} failed: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    async fn until_answers(&self, stop: &CancellationToken) -> Result<()> {
        let servers = KAFKA_URL.trim_start_matches("kafka://");
        let deadline = Instant::now() + READY_LIMIT;
        while let Err(error) = wait::unless_stopped(stop, topics::answers(servers, &[])).await? {
            if Instant::now() >= deadline {
                return Err(error.context(format!(
                    "the broker's container is not ready after {READY_LIMIT:?}"
                )));
            }
            wait::unless_stopped(stop, sleep(Duration::from_millis(200))).await?;
        }
        Ok(())
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        if self.containers != Containers::Started {
            return;
        }
        if let Err(error) = self.remove_blocking() {
            tracing::error!("{}: {error:#}", self.advice());
        }
    }
}

/// `apache/kafka-native:4.1.1` of the line `image: apache/kafka-native:4.1.1`.
fn broker_image(compose: &str) -> String {
    let images = compose
        .lines()
        .filter_map(|line| line.trim().strip_prefix("image:"));
    let broker = images.map(str::trim).find(|image| image.contains("kafka"));
    broker.unwrap_or("Apache Kafka, unknown image").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With a program that stands in for docker, and a project that has these containers. (The program is no
    /// file written here: one that was just written can be busy when another test forks at that moment.)
    fn compose(folder: &Path, containers: &str) -> Compose {
        std::fs::write(folder.join("containers"), containers).unwrap();
        Compose {
            docker: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/docker")),
            file: folder.join("compose.yaml"),
            containers: Containers::Gone,
            broker: String::new(),
        }
    }

    fn calls(folder: &Path, part: &str) -> usize {
        let calls = std::fs::read_to_string(folder.join("calls")).unwrap_or_default();
        calls.lines().filter(|line| line.contains(part)).count()
    }

    #[tokio::test]
    async fn containers_that_were_there_are_used_and_stay() {
        let folder = tempfile::tempdir().unwrap();
        let mut found = compose(folder.path(), "0123456789ab\n");
        found.up(&CancellationToken::new()).await.unwrap();
        assert!(found.is_shared());
        assert_eq!(calls(folder.path(), " up --detach --no-recreate "), 1);
        found.stop().await.unwrap();
        assert_eq!(calls(folder.path(), " down "), 0);
    }

    #[tokio::test]
    async fn containers_that_were_started_are_removed_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut started = compose(folder.path(), "");
        started.up(&CancellationToken::new()).await.unwrap();
        assert!(!started.is_shared());
        started.stop().await.unwrap();
        assert_eq!(calls(folder.path(), " down --volumes"), 1);
    }

    #[tokio::test]
    async fn dropped_containers_are_removed_too() {
        let folder = tempfile::tempdir().unwrap();
        let mut dropped = compose(folder.path(), "");
        dropped.up(&CancellationToken::new()).await.unwrap();
        drop(dropped);
        assert_eq!(calls(folder.path(), " down --volumes"), 1);
    }

    #[tokio::test]
    async fn containers_that_cannot_be_removed_are_named_with_the_command() {
        let folder = tempfile::tempdir().unwrap();
        let mut broken = compose(folder.path(), "");
        broken.up(&CancellationToken::new()).await.unwrap();
        std::fs::write(folder.path().join("broken"), "").unwrap();
        let error = broken.stop().await.unwrap_err().to_string();
        assert!(error.ends_with("compose.yaml down --volumes"), "{error}");
        assert_eq!(calls(folder.path(), " down "), 1);
    }

    #[tokio::test]
    async fn an_interruption_before_the_look_starts_and_removes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut early = compose(folder.path(), "");
        let stop = CancellationToken::new();
        stop.cancel();
        assert!(
            early
                .up(&stop)
                .await
                .unwrap_err()
                .is::<crate::Interrupted>()
        );
        drop(early);
        assert_eq!(calls(folder.path(), " up "), 0);
        assert_eq!(calls(folder.path(), " down "), 0);
    }

    #[test]
    fn the_compose_file_of_this_repository_names_the_broker() {
        let file = include_str!("../../../docker/compose.yaml");
        assert!(
            broker_image(file).starts_with("apache/kafka-native:4."),
            "{}",
            broker_image(file)
        );
    }
}
