//! The meters that each record moves, looked up once per topic and not once per record.
//!
//! A recorder finds a meter by a key made of texts, which costs more than all of the dispatch. The
//! price is that a recorder installed after a topic's first record sees nothing of these meters.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use metrics::{Counter, Histogram, counter, histogram};

use crate::telemetry::metric_names;

/// The meters of all topics, each made at its first record.
#[derive(Debug, Default)]
pub(crate) struct Meters(BTreeMap<Arc<str>, Arc<TopicMeters>>);

impl Meters {
    pub(crate) fn of(&mut self, topic: &Arc<str>) -> Arc<TopicMeters> {
        if let Some(meters) = self.0.get(topic) {
            return Arc::clone(meters);
        }
        let meters = Arc::new(TopicMeters::new(topic));
        self.0.insert(Arc::clone(topic), Arc::clone(&meters));
        meters
    }
}

/// The meters of one topic.
pub(crate) struct TopicMeters {
    topic: Arc<str>,
    time_to_reply: Histogram,
    replied: Counter,
    /// By status, from [`LOWEST`] on.
    replies: [OnceLock<Counter>; 500],
}

/// The lowest status of an answer; the ones below it come before answers.
const LOWEST: u16 = 100;

impl TopicMeters {
    fn new(topic: &Arc<str>) -> Self {
        Self {
            topic: Arc::clone(topic),
            time_to_reply: histogram!(metric_names::TIME_TO_REPLY, "topic" => Arc::clone(topic)),
            replied: records(topic, "replied", ""),
            replies: [const { OnceLock::new() }; 500],
        }
    }

    pub(crate) fn time_to_reply(&self) -> &Histogram {
        &self.time_to_reply
    }

    /// Counts a finished record by its outcome; those that end otherwise than they should are few.
    pub(crate) fn count_record(&self, outcome: &'static str, reason: &'static str) {
        if outcome == "replied" {
            self.replied.increment(1);
        } else {
            records(&self.topic, outcome, reason).increment(1);
        }
    }

    pub(crate) fn count_reply(&self, status: u16) {
        let place = usize::from(status).checked_sub(usize::from(LOWEST));
        match place.and_then(|place| self.replies.get(place)) {
            Some(counter) => counter.get_or_init(|| self.replies(status)).increment(1),
            None => self.replies(status).increment(1),
        }
    }

    fn replies(&self, status: u16) -> Counter {
        let topic = Arc::clone(&self.topic);
        counter!(metric_names::REPLIES, "topic" => topic, "status" => status.to_string())
    }
}

impl std::fmt::Debug for TopicMeters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TopicMeters").field(&self.topic).finish()
    }
}

fn records(topic: &Arc<str>, outcome: &'static str, reason: &'static str) -> Counter {
    let topic = Arc::clone(topic);
    counter!(metric_names::RECORDS, "topic" => topic, "outcome" => outcome, "reason" => reason)
}
