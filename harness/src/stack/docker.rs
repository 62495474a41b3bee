//! The docker stack: broker and store of `docker/compose.yaml`, through the `docker` command.

use std::path::{Path, PathBuf};
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

/// The running containers; `stop` removes them, with what they hold.
#[derive(Debug)]
pub(super) struct Compose {
    docker: PathBuf,
    file: PathBuf,
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
        let compose = Self {
            docker,
            file: file.to_owned(),
            broker: broker_image(&text),
        };
        compose.check(stop).await?;
        let up = ["up", "--detach", "kafka", "kvrocks"];
        let started = match wait::unless_stopped(stop, compose.run(&up, UP_LIMIT)).await {
            Ok(Ok(())) => compose.until_answers(stop).await,
            Ok(Err(error)) | Err(error) => Err(error),
        };
        if let Err(error) = started {
            // The first failure is the one to show; what it left is removed as far as possible.
            let _ = compose.down().await;
            return Err(error);
        }
        Ok(compose)
    }

    /// The store's container; if it does not answer, all containers are removed.
    pub(super) async fn store(&self) -> Result<Store> {
        let store = Store::connect(STORE_URL).await;
        if store.is_err() {
            let _ = self.down().await;
        }
        store
    }

    pub(super) async fn stop(self) -> Result<()> {
        self.down().await
    }

    async fn down(&self) -> Result<()> {
        self.run(&["down", "--volumes", "--timeout", "10"], SHORT_LIMIT * 2)
            .await
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

    async fn run(&self, arguments: &[&str], limit: Duration) -> Result<()> {
        let mut command = self.command(arguments);
        let what = format!("docker compose {}", arguments[0]);
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
        Ok(())
    }

    async fn until_answers(&self, stop: &CancellationToken) -> Result<()> {
        let servers = super::external::bootstrap_servers(KAFKA_URL)?;
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
