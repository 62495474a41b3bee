//! The docker stack: broker and store of `docker/compose.yaml`, through the `docker` command.
//!
//! Containers are no child processes: after a kill -9 of the harness they keep running until `make down` removes them.

mod project;
mod ready;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio_util::sync::CancellationToken;

use self::project::{BROKER, DOWN, Project, SHORT_LIMIT, STORE};
use self::ready::{Addresses, until_both_answer};
use super::store::Store;
use crate::wait;

/// The ports that the compose file publishes on loopback.
pub(super) const KAFKA_URL: &str = "kafka://127.0.0.1:9092";
const STORE_URL: &str = "redis://127.0.0.1:6666";

/// A first start downloads the images.
const UP_LIMIT: Duration = Duration::from_secs(600);
/// Long, for a busy machine. A container that has ended is noticed at once.
const READY_LIMIT: Duration = Duration::from_secs(180);

/// The owner of the containers of broker and store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Containers {
    /// They existed before, with the user's data, and stay.
    Found,
    /// This harness started them. It removes the whole project, with its data.
    Started,
    /// They are removed, or never started.
    Gone,
}

/// The running containers. [`Compose::stop`] removes those that it started. Dropping it does the same, and blocks
/// meanwhile.
#[derive(Debug)]
pub(super) struct Compose {
    project: Project,
    containers: Containers,
    /// The broker's image, from the compose file.
    pub(super) broker: String,
}

impl Compose {
    pub(super) async fn start(file: &Path, stop: &CancellationToken) -> Result<Self> {
        let project = Project::of(file)?;
        let text = std::fs::read_to_string(file).with_context(|| {
            format!(
                "cannot read {}: run from the project's folder or set --compose-file",
                file.display()
            )
        })?;
        let mut compose = Self {
            project,
            containers: Containers::Gone,
            broker: broker_image(&text),
        };
        compose.project.check(stop).await?;
        let started = match compose.up(stop).await {
            Ok(()) => {
                let addresses = Addresses {
                    brokers: KAFKA_URL.trim_start_matches("kafka://"),
                    store: STORE_URL,
                };
                until_both_answer(&compose.project, addresses, READY_LIMIT, stop).await
            }
            failed => failed,
        };
        if let Err(error) = started {
            // The first failure is shown. This removes as much as possible of what it left.
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

    /// Whether the containers existed before, with the user's data.
    pub(super) fn is_shared(&self) -> bool {
        self.containers == Containers::Found
    }

    /// Removes the project if this harness started it.
    pub(super) async fn stop(mut self) -> Result<()> {
        match self.containers {
            Containers::Started => {}
            Containers::Found => {
                tracing::info!(
                    "{BROKER} or {STORE} had a container before, so both stay; to remove them: {}",
                    self.project.advice()
                );
                return Ok(());
            }
            Containers::Gone => return Ok(()),
        }
        let down = [&DOWN[..], &["--timeout", "10"]].concat();
        let removed = self.project.run(&down, SHORT_LIMIT * 2).await;
        // After a failure, dropping this must not try again.
        self.containers = Containers::Gone;
        removed.map(drop).with_context(|| self.left())
    }

    /// Looks for existing containers, and starts those that are not up.
    async fn up(&mut self, stop: &CancellationToken) -> Result<()> {
        // Stopped containers count too, because they may have data. Containers of other services, such as a load client
        // that has ended, have none and do not count.
        let list = ["ps", "--all", "--quiet", BROKER, STORE];
        let found = wait::unless_stopped(stop, self.project.run(&list, SHORT_LIMIT)).await??;
        // A changed compose file must not replace the user's container.
        let keep = ["up", "--detach", "--no-recreate", BROKER, STORE];
        self.containers = if found.trim().is_empty() {
            Containers::Started
        } else {
            tracing::info!("{BROKER} or {STORE} has a container already: using it, and keeping it");
            Containers::Found
        };
        let up = wait::unless_stopped(stop, self.project.run(&keep, UP_LIMIT));
        up.await?.map(drop)
    }

    fn left(&self) -> String {
        let advice = self.project.advice();
        format!("containers may be left; remove them with: {advice}")
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        if self.containers != Containers::Started {
            return;
        }
        if let Err(error) = self.project.remove_blocking() {
            tracing::error!("{}: {error:#}", self.left());
        }
    }
}

/// The broker's image, such as `apache/kafka-native:4.1.1` from the line `image: apache/kafka-native:4.1.1`.
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

    /// A project with a program that stands in for docker. The test does not write that file, because a new file can be
    /// busy if another test forks at that moment.
    pub(super) fn project(folder: &Path) -> Project {
        Project {
            docker: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/docker").into(),
            file: folder.join("compose.yaml"),
        }
    }

    /// A project with these containers of broker and store.
    fn compose(folder: &Path, containers: &str) -> Compose {
        std::fs::write(folder.join("containers"), containers).unwrap();
        Compose {
            project: project(folder),
            containers: Containers::Gone,
            broker: String::new(),
        }
    }

    /// Without `--profile`, containers of profiles stay, and keep the network. Without `--remove-orphans`, containers
    /// stay whose services are no longer in the file.
    const ALL: &str = " --profile * down --volumes --remove-orphans ";

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
        // Only containers of these two services may have the user's data.
        assert_eq!(calls(folder.path(), " ps --all --quiet kafka kvrocks"), 1);
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
        assert_eq!(calls(folder.path(), ALL), 1);
    }

    #[tokio::test]
    async fn dropped_containers_are_removed_too() {
        let folder = tempfile::tempdir().unwrap();
        let mut dropped = compose(folder.path(), "");
        dropped.up(&CancellationToken::new()).await.unwrap();
        drop(dropped);
        assert_eq!(calls(folder.path(), ALL), 1);
    }

    #[tokio::test]
    async fn containers_that_cannot_be_removed_are_named_with_the_command() {
        let folder = tempfile::tempdir().unwrap();
        let mut broken = compose(folder.path(), "");
        broken.up(&CancellationToken::new()).await.unwrap();
        std::fs::write(folder.path().join("broken"), "").unwrap();
        let error = broken.stop().await.unwrap_err().to_string();
        let command = "compose.yaml --profile '*' down --volumes --remove-orphans";
        assert!(error.ends_with(command), "{error}");
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
