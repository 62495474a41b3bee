//! How a bridge is doing, told so that it can be judged from outside even when the bridge hangs.

pub(crate) mod obstacles;

use std::time::Duration;

use tokio::time::Instant;

use crate::TopicPartition;
use crate::health::obstacles::{Blocked, Obstacle, Obstacles};
use crate::offsets::Oldest;

/// How a bridge is doing; read through [`crate::Bridge::status`].
///
/// It says when things were last seen and not how old they are, so a look at it is right at any
/// time after it was told.
#[derive(Clone, Debug)]
pub struct Status {
    /// Whether the consumer group has given an assignment, which was not lost since, and no stop was
    /// asked for.
    pub ready: bool,
    /// Of each partition that waits for one, the lowest record that is not finished.
    pub oldest: Vec<Oldest>,
    /// When the event loop last told how it is doing; `None` while it does not run.
    pub told: Option<Instant>,
    /// Since when a record waits for the application's `poll_ready`, and intake with it.
    pub unready: Option<Instant>,
    /// How long a record's handling may take, and the event loop be silent.
    pub stuck_after: Duration,
    obstacles: Obstacles,
}

/// Why a bridge is not healthy. Starting its process anew may help, waiting will not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unhealthy {
    /// A record's handler has not ended after a long time, and holds back the commit of its partition.
    #[error("{topic_partition} is stuck: the record at offset {offset} is unfinished for {age:?}")]
    Stuck {
        /// The partition.
        topic_partition: TopicPartition,
        /// The record's offset.
        offset: i64,
        /// For how long the partition has waited for it.
        age: Duration,
    },
    /// The event loop does not turn: a handler blocks its thread.
    #[error("the event loop has not turned for {0:?}, a handler may block its thread")]
    Unresponsive(Duration),
    /// The application has taken no record for a long time, though one waits.
    #[error("the application has not been ready for {0:?}: its poll_ready is pending")]
    NotReady(Duration),
    /// No record of a partition or topic has got through for a long time.
    #[error("{blocked} has failed for {age:?}: {cause}")]
    Blocked {
        /// What is held up.
        blocked: Blocked,
        /// The broker's or the client's own words.
        cause: String,
        /// For how long nothing has got through.
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

    /// Returns what holds up whole partitions or topics just now, the oldest first. A bridge with an
    /// obstacle is not to be given more work.
    #[must_use]
    pub fn obstacles(&self) -> Vec<Obstacle> {
        self.obstacles.list()
    }

    /// Judges whether the bridge makes progress.
    ///
    /// # Errors
    ///
    /// Fails with the first reason to think that it does not.
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
        // A reply that waits for a broker is no handler that hangs: a new process would wait as well.
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
