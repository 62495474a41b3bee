//! Holds the meters that each record updates, so that they are looked up once per topic and not once per record.
//!
//! A recorder finds a meter by a key of strings, which costs more than all of the dispatch. The price is that a
//! recorder that is installed after a topic's first record does not see these meters.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use metrics::{Counter, Histogram};

use crate::telemetry::labels::BridgeLabel;
use crate::telemetry::metric_names;

/// The meters of all topics. Each is made with its topic's first record.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    label: BridgeLabel,
    by_topic: BTreeMap<Arc<str>, Arc<TopicMeters>>,
}

impl Meters {
    pub(crate) fn new(label: BridgeLabel) -> Self {
        let by_topic = BTreeMap::new();
        Self { label, by_topic }
    }

    pub(crate) fn of(&mut self, topic: &Arc<str>) -> Arc<TopicMeters> {
        if let Some(meters) = self.by_topic.get(topic) {
            return Arc::clone(meters);
        }
        let meters = Arc::new(TopicMeters::new(topic, self.label.clone()));
        self.by_topic.insert(Arc::clone(topic), Arc::clone(&meters));
        meters
    }
}

/// The meters of one topic.
pub(crate) struct TopicMeters {
    label: BridgeLabel,
    topic: Arc<str>,
    time_to_reply: Histogram,
    replied: Counter,
    /// By status, starting with [`LOWEST`].
    replies: [OnceLock<Counter>; 500],
}

/// The lowest status of a final answer. Lower ones are interim.
const LOWEST: u16 = 100;

impl TopicMeters {
    fn new(topic: &Arc<str>, label: BridgeLabel) -> Self {
        let own = [("topic", Arc::clone(topic).into())];
        Self {
            topic: Arc::clone(topic),
            time_to_reply: label.histogram(metric_names::TIME_TO_REPLY, own),
            replied: records(&label, topic, "replied", ""),
            label,
            replies: [const { OnceLock::new() }; 500],
        }
    }

    pub(crate) fn time_to_reply(&self) -> &Histogram {
        &self.time_to_reply
    }

    /// Counts a finished record by its outcome. Outcomes other than a reply are rare.
    pub(crate) fn count_record(&self, outcome: &'static str, reason: &'static str) {
        if outcome == "replied" {
            self.replied.increment(1);
        } else {
            records(&self.label, &self.topic, outcome, reason).increment(1);
        }
    }

    /// Counts a retry.
    pub(crate) fn count_retry(&self) {
        let own = [("topic", Arc::clone(&self.topic).into())];
        self.label.count(metric_names::RETRIES, own);
    }

    pub(crate) fn count_reply(&self, status: u16) {
        let place = usize::from(status).checked_sub(usize::from(LOWEST));
        match place.and_then(|place| self.replies.get(place)) {
            Some(counter) => counter.get_or_init(|| self.replies(status)).increment(1),
            None => self.replies(status).increment(1),
        }
    }

    fn replies(&self, status: u16) -> Counter {
        let topic = Arc::clone(&self.topic).into();
        let own = [("topic", topic), ("status", status.to_string().into())];
        self.label.counter(metric_names::REPLIES, own)
    }
}

impl std::fmt::Debug for TopicMeters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TopicMeters").field(&self.topic).finish()
    }
}

fn records(
    label: &BridgeLabel,
    topic: &Arc<str>,
    outcome: &'static str,
    reason: &'static str,
) -> Counter {
    let own = [
        ("topic", Arc::clone(topic).into()),
        ("outcome", outcome.into()),
        ("reason", reason.into()),
    ];
    label.counter(metric_names::RECORDS, own)
}
