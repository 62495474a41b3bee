//! Reports the state of the dispatch as health status and as gauges.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::shared::Replying;
use crate::offsets::{OffsetTracker, Oldest};
use crate::telemetry::labels::BridgeLabel;
use crate::telemetry::metric_names;
use crate::{Coordinates, Status, TopicPartition};

/// Sends the status to observers.
pub(crate) type StatusSender = watch::Sender<Status>;

/// How often the status is sent. A status that is a few times older means that the loop hangs.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);

/// The observers, and the status that they got last.
#[derive(Debug)]
pub(super) struct Progress {
    status: StatusSender,
    replying: Replying,
    /// For each partition that waited for a record at the last report: that record, and since when.
    lowest: HashMap<TopicPartition, Oldest>,
    told: Option<Instant>,
    label: BridgeLabel,
}

impl Progress {
    pub(super) fn new(status: StatusSender, replying: Replying, label: BridgeLabel) -> Self {
        Self {
            status,
            replying,
            lowest: HashMap::new(),
            told: None,
            label,
        }
    }

    /// Notes that an assignment came, even an empty one: the group knows this member.
    pub(super) fn assigned(&self) {
        self.status.send_modify(|status| status.ready = true);
    }

    /// Notes that the group gave this member's partitions to others.
    pub(super) fn lost(&self) {
        self.status.send_modify(|status| status.ready = false);
    }

    /// Notes that a stop was requested. The loop no longer reports the partitions.
    pub(super) fn stopping(&self) {
        self.status.send_modify(|status| {
            (status.ready, status.told) = (false, None);
            status.unready = None;
        });
    }

    /// Reports the state of each partition.
    ///
    /// `waiting` are the records that have not started, because other records take all the room or the application is
    /// not ready. Their time counts from their start: a partition may get its turn long after its lowest record came.
    pub(super) fn tell<'a>(
        &mut self,
        offsets: &OffsetTracker,
        waiting: impl Iterator<Item = &'a Coordinates>,
        unready: Option<Instant>,
    ) {
        let now = Instant::now();
        let before = std::mem::take(&mut self.lowest);
        let mut oldest: Vec<_> = offsets
            .oldest()
            .map(|one| self.since(one, &before))
            .collect();
        for at in waiting {
            let is_of = |one: &&mut Oldest| {
                one.offset == at.offset && one.topic_partition == at.topic_partition
            };
            if let Some(own) = oldest.iter_mut().find(is_of) {
                own.since = now.into_std();
            }
        }
        // Whether a reply is on its way matters only for a record that is about to count as stuck.
        let matters = self
            .status
            .borrow()
            .stuck_after
            .saturating_sub(2 * INTERVAL);
        let age = |one: &Oldest| now.into_std().saturating_duration_since(one.since);
        if oldest.iter().any(|one| age(one) >= matters) {
            self.replying.mark(&mut oldest);
        }
        for one in &oldest {
            self.show_age(&one.topic_partition, age(one));
            self.lowest.insert(one.topic_partition.clone(), one.clone());
        }
        for partition in before.keys().filter(|own| !self.lowest.contains_key(own)) {
            self.show_age(partition, Duration::ZERO);
        }
        self.told = Some(now);
        let uncommitted = self.label.gauge(metric_names::UNCOMMITTED, []);
        uncommitted.set(offsets.tracked() as f64);
        self.status.send_modify(|status| {
            (status.oldest, status.told) = (oldest, Some(now));
            status.unready = unready;
        });
    }

    /// Counts the time of a record that waited behind others from when it became the lowest. Behind a hot key it may
    /// have waited long while the partition still moved.
    fn since(&self, mut one: Oldest, before: &HashMap<TopicPartition, Oldest>) -> Oldest {
        match (before.get(&one.topic_partition), self.told) {
            (Some(same), _) if same.offset == one.offset => one.since = same.since,
            (Some(_), Some(told)) => one.since = one.since.max(told.into_std()),
            _ => {}
        }
        one
    }

    fn show_age(&self, partition: &TopicPartition, age: Duration) {
        let gauge = self.label.of_partition(metric_names::OLDEST, partition);
        gauge.set(age.as_secs_f64());
    }

    /// Reports that nothing runs any more, so that a later look finds nothing old.
    pub(super) fn ended(&mut self) {
        self.tell(&OffsetTracker::default(), std::iter::empty(), None);
        self.stopping();
    }
}
