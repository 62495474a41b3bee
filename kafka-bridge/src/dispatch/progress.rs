//! Tells how the dispatch is doing: the health that is asked for and the gauges that are scraped.

use std::collections::HashSet;
use std::time::Duration;

use metrics::gauge;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::offsets::OffsetTracker;
use crate::{Status, TopicPartition, metric_names};

/// Tells observers how the bridge is doing.
pub(crate) type StatusSender = watch::Sender<Status>;

/// How often it is told; what is older than a few of these says that the loop does not turn.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);

/// The observers, and what they were told last.
#[derive(Debug)]
pub(super) struct Progress {
    status: StatusSender,
    /// Partitions whose age was told as other than zero.
    aged: HashSet<TopicPartition>,
}

impl Progress {
    pub(super) fn new(status: StatusSender) -> Self {
        let aged = HashSet::new();
        Self { status, aged }
    }

    /// Partitions came, perhaps none: the group knows this member.
    pub(super) fn assigned(&self) {
        self.status.send_modify(|status| {
            (status.ready, status.evicted) = (true, false);
        });
    }

    /// The group gave this member's partitions to others.
    pub(super) fn evicted(&self) {
        self.status.send_modify(|status| {
            (status.ready, status.evicted) = (false, true);
        });
    }

    /// A stop was asked for; the loop tells no more where partitions stand.
    pub(super) fn stopping(&self) {
        self.status.send_modify(|status| {
            (status.ready, status.told) = (false, None);
        });
    }

    /// Tells where each partition stands.
    pub(super) fn tell(&mut self, offsets: &OffsetTracker) {
        let now = Instant::now();
        let oldest: Vec<_> = offsets.oldest().collect();
        let mut settled = std::mem::take(&mut self.aged);
        for one in &oldest {
            let age = now.into_std().saturating_duration_since(one.delivered);
            age_gauge(&one.topic_partition, age);
            settled.remove(&one.topic_partition);
            self.aged.insert(one.topic_partition.clone());
        }
        for partition in settled {
            age_gauge(&partition, Duration::ZERO);
        }
        gauge!(metric_names::UNCOMMITTED).set(offsets.tracked() as f64);
        self.status.send_modify(|status| {
            (status.oldest, status.told) = (oldest, Some(now));
        });
    }

    /// Tells that nothing runs any more, so that a look at it later finds nothing old.
    pub(super) fn ended(&mut self) {
        self.tell(&OffsetTracker::default());
        self.stopping();
    }
}

fn age_gauge(TopicPartition { topic, partition }: &TopicPartition, age: Duration) {
    let (topic, partition) = (topic.to_string(), partition.to_string());
    gauge!(metric_names::OLDEST, "topic" => topic, "partition" => partition).set(age.as_secs_f64());
}
