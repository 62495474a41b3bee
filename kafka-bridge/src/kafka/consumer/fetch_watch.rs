//! Detects partitions whose records do not arrive although there are some, from the client's errors and its statistics.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::statistics::{Partition, Statistics};
use tokio::time::Instant;

use crate::TopicPartition;
use crate::health::obstacles::{Blocked, Obstacles};
use crate::telemetry::labels::BridgeLabel;

/// How much earlier than the halt it explains an error may have come. Statistics come every few seconds.
const LEAD: Duration = Duration::from_secs(10);
/// The start of librdkafka's error for a topic that it may not see.
const NOT_AVAILABLE: &str = "Subscribed topic not available: ";
/// The state of a connection that can send requests.
const UP: &str = "UP";
/// Why a member is not in its group after it lost its partitions.
const EVICTED: &str = "the group removed this member and gave its partitions to others";
/// The end in statistics when the latest fetch failed.
const NO_END: i64 = -1;

/// The last known movement of each partition, and the client's last error.
#[derive(Debug)]
pub(super) struct FetchWatch {
    obstacles: Obstacles,
    group: Arc<str>,
    partitions: HashMap<TopicPartition, Halt>,
    /// The topics that the bridge holds back now, and those that it held back since the latest look.
    held_back: [Vec<Arc<str>>; 2],
    said: Option<Said>,
}

/// The position of a partition, and since when at least it has been there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Halt {
    /// The next offset to be fetched, and the next to be polled.
    position: (i64, i64),
    since: Instant,
    /// Whether the partition should have moved since the look before.
    is_overdue: bool,
}

#[derive(Debug)]
struct Said {
    words: String,
    is_denial: bool,
    at: Instant,
}

impl FetchWatch {
    pub(super) fn new(obstacles: Obstacles, group: &str) -> Self {
        Self {
            obstacles,
            group: group.into(),
            partitions: HashMap::new(),
            held_back: Default::default(),
            said: None,
        }
    }

    /// Returns the label of the bridge's metrics.
    pub(super) fn label(&self) -> &BridgeLabel {
        self.obstacles.label()
    }

    /// Notes an error of the client. Returns the topic if the error says that the client may not see it.
    pub(super) fn hear(&mut self, error: &KafkaError, reason: &str) -> Option<Arc<str>> {
        let code = error.rdkafka_error_code()?;
        let now = Instant::now();
        match code {
            // A connection error concerns no partition: while it is down nothing is fetched, and nobody is to blame.
            Code::BrokerTransportFailure | Code::AllBrokersDown | Code::Resolve => return None,
            Code::GroupAuthorizationFailed => {
                let group = Blocked::Group(Arc::clone(&self.group));
                self.obstacles.raise(group, reason.to_owned(), now);
            }
            _ => {}
        }
        let is_denial = code == Code::TopicAuthorizationFailed;
        let Some(unavailable) = reason.strip_prefix(NOT_AVAILABLE) else {
            let words = reason.to_owned();
            self.said = Some(Said {
                words,
                is_denial,
                at: now,
            });
            return None;
        };
        // The error concerns only that topic, and does not explain why others stand still.
        let (topic, _) = unavailable.split_once(": ")?;
        let topic: Arc<str> = is_denial.then(|| topic.into())?;
        self.obstacles
            .raise(Blocked::Topic(Arc::clone(&topic)), reason.to_owned(), now);
        Some(topic)
    }

    /// Notes that the group gave this member's partitions away without asking.
    pub(super) fn evicted(&self) {
        let group = Blocked::Group(Arc::clone(&self.group));
        self.obstacles
            .raise(group, EVICTED.to_owned(), Instant::now());
    }

    /// Notes that the group accepts this member, or its commits.
    pub(super) fn group_is_open(&self) {
        self.obstacles
            .clear(&Blocked::Group(Arc::clone(&self.group)));
    }

    /// Notes that the bridge holds back the records of these topics, and no others any more.
    pub(super) fn hold_back(&mut self, topics: &[Arc<str>]) {
        let [now, before] = &mut self.held_back;
        for topic in std::mem::replace(now, topics.to_vec()) {
            if !before.contains(&topic) {
                before.push(topic);
            }
        }
    }

    /// Notes that the topic is visible.
    pub(super) fn topic_is_open(&self, topic: &Arc<str>) {
        self.obstacles.clear(&Blocked::Topic(Arc::clone(topic)));
    }

    /// Forgets a partition that now belongs to another member.
    pub(super) fn forget(&mut self, partition: &TopicPartition) {
        self.partitions.remove(partition);
        self.obstacles.clear(&Blocked::Fetch(partition.clone()));
    }

    /// Compares the partitions' positions with the previous ones. `held_back` says that the bridge itself has held
    /// records back since the last look.
    pub(super) fn look(
        &mut self,
        statistics: &Statistics,
        partitions: Vec<TopicPartition>,
        held_back: bool,
    ) {
        if !statistics.brokers.values().any(|broker| broker.state == UP) {
            // Nobody can join a group whose brokers are away.
            let group = Blocked::Group(Arc::clone(&self.group));
            self.obstacles.restart(&group, Instant::now());
        }
        for partition in partitions {
            let topic = statistics.topics.get(&*partition.topic);
            let Some(seen) = topic.and_then(|topic| topic.partitions.get(&partition.partition))
            else {
                continue;
            };
            let is_held_back = self
                .held_back
                .iter()
                .flatten()
                .any(|own| *own == partition.topic);
            let idle = held_back || is_held_back || !is_connected(statistics, seen.broker);
            self.look_at(partition, seen, idle);
        }
        self.held_back[1].clear();
    }

    fn look_at(&mut self, partition: TopicPartition, seen: &Partition, idle: bool) {
        let here = Halt {
            position: (seen.next_offset, seen.app_offset),
            since: Instant::now(),
            is_overdue: false,
        };
        let before = self.partitions.get(&partition).copied();
        let blocked = Blocked::Fetch(partition.clone());
        let has_moved = before.is_some_and(|before| before.position != here.position);
        if idle && !has_moved {
            // An idle partition is not at fault, and does not prove that an earlier fault is gone.
            self.partitions.insert(partition, here);
            return;
        }
        if has_moved || !is_behind(seen) {
            self.obstacles.clear(&blocked);
            self.partitions.insert(partition, here);
            return;
        }
        let since = before.unwrap_or(here).since;
        let said = self.said.as_ref().filter(|said| said.at + LEAD >= since);
        // One look proves nothing, because records may arrive just now, unless the client said why none will.
        let is_denied = seen.ls_offset == NO_END && said.is_some_and(|said| said.is_denial);
        if before.is_some_and(|before| before.is_overdue) || is_denied {
            let cause = match said {
                Some(said) => said.words.clone(),
                None => format!(
                    "no record since offset {}, although the log ends at {}",
                    seen.next_offset, seen.ls_offset
                ),
            };
            self.obstacles.raise(blocked, cause, since);
        }
        let halt = Halt {
            since,
            is_overdue: true,
            ..here
        };
        self.partitions.insert(partition, halt);
    }
}

/// Returns whether something was not fetched: records before the end, or an answer that explains why there are none.
fn is_behind(seen: &Partition) -> bool {
    let looks_for_its_position = matches!(
        &*seen.fetch_state,
        "offset-query" | "offset-wait" | "validate-epoch-wait"
    );
    seen.ls_offset > seen.next_offset.max(0) || seen.ls_offset == NO_END || looks_for_its_position
}

fn is_connected(statistics: &Statistics, broker: i32) -> bool {
    let mut brokers = statistics.brokers.values();
    brokers.any(|own| own.nodeid == broker && own.state == UP)
}

#[cfg(test)]
mod tests;
