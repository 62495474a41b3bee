//! Finds partitions that a topic has got since librdkafka last asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::debug;

use super::client::Client;

/// How long one answer serves all replies to a topic. A requester may name a partition that will never exist.
const FRESH: Duration = Duration::from_secs(1);

/// When a topic was last asked for. The task that asks holds the lock, and the others wait for its answer.
type Asked = Arc<tokio::sync::Mutex<Option<Instant>>>;

/// The topics that were asked for recently.
#[derive(Debug, Default)]
pub(super) struct NewPartitions(Mutex<HashMap<Arc<str>, Asked>>);

impl NewPartitions {
    /// Makes librdkafka ask for a topic's number of partitions, unless it has just asked.
    pub(super) async fn look_for(&self, topic: &Arc<str>, client: &Arc<Client>) {
        let asked = self.asked(topic);
        let mut asked = asked.lock().await;
        if asked.is_some_and(|at| at.elapsed() < FRESH) {
            return;
        }
        let (client, name) = (Arc::clone(client), Arc::clone(topic));
        let answer = tokio::task::spawn_blocking(move || client.look_for(&name)).await;
        debug!(%topic, ?answer, "asked for new partitions");
        *asked = Some(Instant::now());
    }

    fn asked(&self, topic: &Arc<str>) -> Asked {
        let mut topics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Requesters choose these names: keep none longer than its answer serves.
        topics.retain(|_, asked| {
            let unused = Arc::get_mut(asked).map(tokio::sync::Mutex::get_mut);
            unused.is_none_or(|at| at.is_some_and(|at| at.elapsed() < FRESH))
        });
        Arc::clone(topics.entry(Arc::clone(topic)).or_default())
    }
}
