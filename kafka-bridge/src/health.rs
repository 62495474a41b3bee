//! Defines [`Status`]: the health of a bridge, which others can judge even when the bridge hangs.

pub(crate) mod obstacles;

use std::time::Duration;

use tokio::time::Instant;

use crate::TopicPartition;
use crate::health::obstacles::{Blocked, Obstacle, Obstacles};
use crate::offsets::Oldest;

/// Shows how a bridge is doing. [`crate::Bridge::status`] returns it.
///
/// It has instants and not ages, so a reader can judge it correctly at any later time.
#[derive(Clone, Debug)]
pub struct Status {
    /// Whether the consumer group has given an assignment that was not lost since, and no stop was requested.
    pub ready: bool,
    /// For each partition that waits for a record, its lowest unfinished record.
    pub oldest: Vec<Oldest>,
    /// When the event loop last reported its status; `None` while it does not run.
    pub told: Option<Instant>,
    /// Since when a record, and with it all intake, has waited for the application's `poll_ready`.
    pub unready: Option<Instant>,
    /// How long the handling of a record may take, and how long the event loop may be silent.
    pub stuck_after: Duration,
    obstacles: Obstacles,
}

/// Why a bridge is not healthy. A restart of its process may help, waiting will not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unhealthy {
    /// The handler of a record has run for too long, and holds back its partition's commit.
    #[error(
        "{topic_partition} is stuck: the record at offset {offset} has been unfinished for {age:?}"
    )]
    Stuck {
        /// The partition.
        topic_partition: TopicPartition,
        /// The record's offset.
        offset: i64,
        /// How long the partition has waited for the record.
        age: Duration,
    },
    /// The event loop does not run: a handler blocks its thread.
    #[error("the event loop has not run for {0:?}: a handler may block its thread")]
    Unresponsive(Duration),
    /// The application has not been ready for a long time, although a record waits.
    #[error("the application has not been ready for {0:?}: its poll_ready is pending")]
    NotReady(Duration),
    /// No record of a partition or topic has got through for a long time.
    #[error("{blocked} has failed for {age:?}: {cause}")]
    Blocked {
        /// What is held up.
        blocked: Blocked,
        /// The error text of the broker or the client.
        cause: String,
        /// How long nothing has got through.
        age: Duration,
    },
}

impl Status {
    pub(crate) fn new(stuck_after: Duration, obstacles: Obstacles) -> Self {
        Self {
            ready: false,
            oldest: Vec::new(),
            told: None,
            unready: None,
            stuck_after,
            obstacles,
        }
    }

    /// Returns what holds up whole partitions or topics now, the oldest first. Do not give more work to a bridge with
    /// an obstacle.
    #[must_use]
    pub fn obstacles(&self) -> Vec<Obstacle> {
        self.obstacles.list()
    }

    /// Judges whether the bridge makes progress.
    ///
    /// # Errors
    ///
    /// Returns the first reason to think that it does not.
    pub fn health(&self) -> Result<(), Unhealthy> {
        let now = Instant::now();
        let silent = self.told.map_or(Duration::ZERO, |told| now - told);
        if silent > self.stuck_after {
            return Err(Unhealthy::Unresponsive(silent));
        }
        let mut obstacles = self.obstacles().into_iter();
        if let Some(first) = obstacles.find(|obstacle| !obstacle.is_awaited) {
            let age = now.saturating_duration_since(first.since);
            if age > self.stuck_after {
                let Obstacle { blocked, cause, .. } = first;
                return Err(Unhealthy::Blocked {
                    blocked,
                    cause,
                    age,
                });
            }
        }
        let unready = self.unready.map_or(Duration::ZERO, |since| now - since);
        if unready > self.stuck_after {
            return Err(Unhealthy::NotReady(unready));
        }
        // A reply that waits for a broker is not a hanging handler: a new process would wait as well.
        let handled = self.oldest.iter().filter(|oldest| !oldest.replying);
        let Some(first) = handled.min_by_key(|oldest| oldest.since) else {
            return Ok(());
        };
        let age = now.into_std().saturating_duration_since(first.since);
        if age <= self.stuck_after {
            return Ok(());
        }
        Err(Unhealthy::Stuck {
            topic_partition: first.topic_partition.clone(),
            offset: first.offset,
            age,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn h27_a_topic_whose_brokers_are_awaited_is_told_and_is_no_reason_to_start_anew() {
        let (obstacles, topic) = (Obstacles::default(), Blocked::Produce("r".into()));
        let status = Status::new(Duration::from_secs(30), obstacles.clone());
        obstacles.raise_awaited(topic.clone(), "timed out".to_owned(), Instant::now());
        tokio::time::advance(Duration::from_secs(300)).await;
        assert_eq!((status.obstacles().len(), status.health()), (1, Ok(())));
        obstacles.raise(topic, "denied".to_owned(), Instant::now());
        tokio::time::advance(Duration::from_secs(31)).await;
        assert!(matches!(status.health(), Err(Unhealthy::Blocked { .. })));
    }
}
