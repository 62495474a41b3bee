//! Waits until the containers of broker and store answer. Fails if one ends.

use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::super::{store, topics};
use super::project::{BROKER, Project, STORE};
use crate::wait;

const PAUSE: Duration = Duration::from_millis(200);

/// The addresses of the stack's parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addresses<'a> {
    pub(super) brokers: &'a str,
    pub(super) store: &'a str,
}

impl Addresses<'_> {
    /// The first part that does not answer, with the reason.
    async fn silent(self) -> Option<(&'static str, anyhow::Error)> {
        let (broker, store) =
            tokio::join!(topics::answers(self.brokers, &[]), store::ping(self.store));
        let broker = broker.err().map(|error| (BROKER, error));
        broker.or_else(|| Some((STORE, store.err()?)))
    }
}

/// Waits until both answer. Fails if one ends, or takes longer than `limit`. The message has the end of its log.
pub(super) async fn until_both_answer(
    project: &Project,
    addresses: Addresses<'_>,
    limit: Duration,
    stop: &CancellationToken,
) -> Result<()> {
    let deadline = Instant::now() + limit;
    loop {
        wait::unless_stopped(stop, project.refuse_ended()).await??;
        let Some((service, reason)) = wait::unless_stopped(stop, addresses.silent()).await? else {
            return Ok(());
        };
        if Instant::now() >= deadline {
            return Err(anyhow!(
                "the container of {service} does not answer within {limit:?}: {reason:#}; {}",
                project.log_tail(service).await
            ));
        }
        wait::unless_stopped(stop, sleep(PAUSE)).await?;
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::super::{embedded::EmbeddedBroker, ports};
    use super::super::tests::project;
    use super::*;

    async fn waited(folder: &Path, brokers: &str, store: &str) -> String {
        let stop = CancellationToken::new();
        let addresses = Addresses { brokers, store };
        let waited = until_both_answer(&project(folder), addresses, Duration::ZERO, &stop).await;
        format!("{:#}", waited.unwrap_err())
    }

    #[tokio::test]
    async fn an_ended_container_is_told_with_its_log_instead_of_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ended"), "kvrocks\n").unwrap();
        std::fs::write(folder.path().join("log"), "Failed to open\n").unwrap();
        // The addresses are wrong, because the container is checked first.
        let told = waited(folder.path(), "", "").await;
        assert_eq!(
            told,
            "the container of kvrocks ended by itself; last lines of its log:\n  | Failed to open"
        );
    }

    #[tokio::test]
    async fn a_broker_that_answers_is_not_enough() {
        let folder = tempfile::tempdir().unwrap();
        let broker = EmbeddedBroker::start(None).await.unwrap();
        let brokers = broker.url.trim_start_matches("kafka://");
        let store = format!("redis://127.0.0.1:{}", ports::any().unwrap());
        let told = waited(folder.path(), brokers, &store).await;
        assert!(
            told.starts_with("the container of kvrocks does not answer within 0ns: ")
                && told.ends_with("; it wrote no log"),
            "{told}"
        );
    }
}
