//! Lists the obstacles that hold up whole partitions or topics and are not the fault of one record. The Kafka clients
//! write them, and [`crate::Status`] reads them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::Gauge;
use tokio::time::Instant;

use crate::TopicPartition;
use crate::telemetry::labels::BridgeLabel;
use crate::telemetry::metric_names;

/// What an obstacle holds up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Blocked {
    /// No record can be fetched from this partition.
    Fetch(TopicPartition),
    /// The client cannot get any information about this topic, not even its partitions.
    Topic(Arc<str>),
    /// The consumer group of this name does not accept the member or its commits.
    Group(Arc<str>),
    /// No record can be produced to this topic.
    Produce(Arc<str>),
    /// The brokers require a token, and there is no valid one.
    Login,
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetch(partition) => write!(f, "fetching from {partition}"),
            Self::Topic(topic) => write!(f, "reading topic {topic}"),
            Self::Group(group) => write!(f, "taking part in group {group}"),
            Self::Produce(topic) => write!(f, "producing to {topic}"),
            Self::Login => f.write_str("logging in to the brokers"),
        }
    }
}

/// Says why no record of a partition or topic gets through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// What is held up.
    pub blocked: Blocked,
    /// The error text of the broker or the client.
    pub cause: String,
    /// When it first happened without a success since.
    pub since: Instant,
    /// Whether only an answer of the brokers can clear it. A new process would wait as well, so
    /// [`crate::Status::health`] ignores it.
    pub is_awaited: bool,
}

/// The obstacles of one bridge. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Obstacles {
    noted: Arc<Mutex<BTreeMap<Blocked, Noted>>>,
    label: BridgeLabel,
}

#[derive(Clone, Debug)]
struct Noted {
    cause: String,
    since: Instant,
    is_awaited: bool,
}

impl Obstacles {
    /// Returns an empty list. Metrics of later obstacles get the label.
    pub(crate) fn new(label: BridgeLabel) -> Self {
        let noted = Arc::default();
        Self { noted, label }
    }

    /// Returns the label of the bridge that has these obstacles.
    pub(crate) fn label(&self) -> &BridgeLabel {
        &self.label
    }

    /// Notes an obstacle. A known obstacle keeps its instant and takes the newer cause.
    pub(crate) fn raise(&self, blocked: Blocked, cause: String, since: Instant) {
        self.note(blocked, cause, since, false);
    }

    /// Notes an obstacle that only an answer of the brokers can clear.
    pub(crate) fn raise_awaited(&self, blocked: Blocked, cause: String, since: Instant) {
        self.note(blocked, cause, since, true);
    }

    fn note(&self, blocked: Blocked, cause: String, since: Instant, is_awaited: bool) {
        self.gauge_of(&blocked).set(1.0);
        let mut all = self.all();
        // The time of waiting for brokers does not count against the bridge.
        let before = all.get(&blocked);
        let same = before.filter(|noted| is_awaited || !noted.is_awaited);
        let since = same.map_or(since, |noted| noted.since);
        let noted = Noted {
            cause,
            since,
            is_awaited,
        };
        all.insert(blocked, noted);
    }

    /// Lets a known obstacle count from a later instant.
    pub(crate) fn restart(&self, blocked: &Blocked, since: Instant) {
        if let Some(noted) = self.all().get_mut(blocked) {
            noted.since = since;
        }
    }

    /// Notes that records get through again.
    pub(crate) fn clear(&self, blocked: &Blocked) {
        if self.all().remove(blocked).is_some() {
            self.gauge_of(blocked).set(0.0);
        }
    }

    /// Returns all obstacles, the oldest first.
    pub(crate) fn list(&self) -> Vec<Obstacle> {
        let all = self.all();
        let mut list: Vec<_> = all
            .iter()
            .map(|(blocked, noted)| Obstacle {
                blocked: blocked.clone(),
                cause: noted.cause.clone(),
                since: noted.since,
                is_awaited: noted.is_awaited,
            })
            .collect();
        list.sort_by_key(|obstacle| obstacle.since);
        list
    }

    fn gauge_of(&self, blocked: &Blocked) -> Gauge {
        let (what, topic, partition) = match blocked {
            Blocked::Fetch(TopicPartition { topic, partition }) => {
                ("fetch", &**topic, partition.to_string())
            }
            Blocked::Topic(topic) => ("topic", &**topic, String::new()),
            Blocked::Group(_) => ("group", "", String::new()),
            Blocked::Produce(topic) => ("produce", &**topic, String::new()),
            Blocked::Login => ("login", "", String::new()),
        };
        let own = [
            ("what", what.into()),
            ("topic", topic.to_owned().into()),
            ("partition", partition.into()),
        ];
        self.label.gauge(metric_names::BLOCKED, own)
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Blocked, Noted>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn an_obstacle_keeps_its_first_instant_and_its_latest_cause() {
        let obstacles = Obstacles::default();
        let topic = Blocked::Produce("replies".into());
        let start = Instant::now();
        obstacles.raise(topic.clone(), "one".to_owned(), start);
        obstacles.clone().raise(
            topic.clone(),
            "two".to_owned(),
            start + Duration::from_secs(1),
        );
        let list = obstacles.list();
        assert_eq!(list.len(), 1);
        assert_eq!((list[0].cause.as_str(), list[0].since), ("two", start));
        obstacles.clear(&topic);
        assert_eq!(obstacles.list(), []);
    }

    #[test]
    fn what_blocks_one_bridge_is_not_cleared_by_another_one() {
        let named = |name| Obstacles::new(BridgeLabel::named(name));
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            let (one, other) = (named("one"), named("other"));
            let topic = Blocked::Group("group".into());
            for obstacles in [&one, &other] {
                obstacles.raise(topic.clone(), "denied".to_owned(), Instant::now());
            }
            other.clear(&topic);
        });
        let told = recorder.handle().render();
        for (bridge, value) in [("one", 1), ("other", 0)] {
            let is_line = |line: &&str| {
                line.contains("what=\"group\"")
                    && line.ends_with(&format!(",bridge=\"{bridge}\"}} {value}"))
            };
            assert_eq!(told.lines().filter(is_line).count(), 1, "{told}");
        }
    }

    #[test]
    fn the_time_that_brokers_were_waited_for_does_not_count_once_they_refuse() {
        let (obstacles, topic) = (Obstacles::default(), Blocked::Produce("replies".into()));
        let start = Instant::now();
        let later = start + Duration::from_secs(1);
        obstacles.raise_awaited(topic.clone(), "time-out".to_owned(), start);
        obstacles.raise_awaited(topic.clone(), "time-out".to_owned(), later);
        let told = |all: Vec<Obstacle>| (all[0].since, all[0].is_awaited);
        assert_eq!(told(obstacles.list()), (start, true));
        obstacles.raise(topic, "denied".to_owned(), later);
        assert_eq!(told(obstacles.list()), (later, false));
    }
}
