//! Limits how many names of missing topics librdkafka gets.
//!
//! librdkafka keeps a name as long as the producer lives, asks the brokers each second for all names that it has not
//! found, and compares each with each. A hostile requester that makes up a name for every record would take memory and
//! time without limit. Beyond a few unproven names, a new name is first looked for in a list of all topics.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::error::KafkaError;
use tokio::time::{Instant, sleep_until};

/// How many names librdkafka may get before a record was delivered to them.
pub(super) const MAX_UNPROVEN: usize = 100;
/// How often the brokers are asked for the list, which is long in a large cluster.
const LIST_INTERVAL: Duration = Duration::from_secs(1);

/// The known topics of replies and dead letters.
#[derive(Debug, Default)]
pub(super) struct ReplyTopics {
    names: Mutex<Names>,
    listed: tokio::sync::Mutex<Option<Listed>>,
}

#[derive(Debug, Default)]
struct Names {
    /// A record was delivered there.
    proven: HashSet<Arc<str>>,
    /// librdkafka got the name, and nothing was delivered yet.
    unproven: HashSet<Arc<str>>,
    /// When the latest record was delivered, to any topic.
    latest: Option<Instant>,
}

/// The topics of the cluster, and when they were requested.
#[derive(Debug)]
struct Listed {
    topics: HashSet<String>,
    at: Instant,
}

impl ReplyTopics {
    /// Returns whether a record may be produced to a topic without requesting the list. If so, the name counts as
    /// given.
    pub(super) fn take(&self, topic: &Arc<str>) -> bool {
        let mut names = self.names();
        if names.proven.contains(topic) || names.unproven.contains(topic) {
            return true;
        }
        let has_room = names.unproven.len() < MAX_UNPROVEN;
        if has_room {
            names.unproven.insert(Arc::clone(topic));
        }
        has_room
    }

    /// Notes that a record was delivered to a topic.
    pub(super) fn delivered(&self, topic: &Arc<str>) {
        let mut names = self.names();
        names.latest = Some(Instant::now());
        if !names.proven.contains(topic) {
            names.unproven.remove(topic);
            names.proven.insert(Arc::clone(topic));
        }
    }

    /// Returns whether a record was delivered to a topic, and it is not known to be missing since.
    pub(super) fn is_proven(&self, topic: &Arc<str>) -> bool {
        self.names().proven.contains(topic)
    }

    /// Returns whether a record was delivered since an instant, to any topic.
    pub(super) fn has_delivered_since(&self, since: Instant) -> bool {
        self.names().latest.is_some_and(|latest| latest >= since)
    }

    /// Notes that a topic does not exist, or no longer exists.
    pub(super) fn missing(&self, topic: &Arc<str>) {
        let mut names = self.names();
        names.proven.remove(topic);
        names.unproven.insert(Arc::clone(topic));
    }

    /// Returns whether the cluster has a topic, by a list that was requested after this call, because a requester may
    /// have just created the topic. Concurrent calls share one list.
    pub(super) async fn exists<L>(&self, topic: &str, list: L) -> Result<bool, KafkaError>
    where
        L: AsyncFnOnce() -> Result<HashSet<String>, KafkaError>,
    {
        let asked = Instant::now();
        let mut listed = self.listed.lock().await;
        if let Some(last) = &*listed {
            if last.at > asked {
                return Ok(last.topics.contains(topic));
            }
            sleep_until(last.at + LIST_INTERVAL).await;
        }
        let at = Instant::now();
        let topics = list().await?;
        let exists = topics.contains(topic);
        *listed = Some(Listed { topics, at });
        Ok(exists)
    }

    #[cfg(test)]
    pub(super) fn unproven(&self) -> usize {
        self.names().unproven.len()
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn name(number: usize) -> Arc<str> {
        format!("r.{number}").into()
    }

    #[test]
    fn h15_names_that_nothing_was_delivered_to_are_few_and_others_are_not_counted() {
        let topics = ReplyTopics::default();
        for number in 0..MAX_UNPROVEN {
            assert!(topics.take(&name(number)), "{number}");
            topics.missing(&name(number));
        }
        assert!(!topics.take(&name(MAX_UNPROVEN)));
        assert!(topics.take(&name(0)), "librdkafka has it already");
        topics.delivered(&name(0));
        assert!(topics.take(&name(MAX_UNPROVEN)), "a place is free");
        assert!(!topics.take(&name(MAX_UNPROVEN + 1)));
        for number in 1..MAX_UNPROVEN {
            topics.delivered(&name(number));
            assert!(topics.take(&name(MAX_UNPROVEN + 1 + number)), "{number}");
        }
        assert!(topics.take(&name(0)), "it still is proven");
        topics.missing(&name(0));
        assert!(topics.take(&name(0)), "and was given before it went");
        assert_eq!(topics.names().proven.len(), MAX_UNPROVEN - 1);
    }

    #[tokio::test(start_paused = true)]
    async fn h15_a_list_is_younger_than_the_question_shared_and_asked_for_once_a_second() {
        let (topics, lists) = (ReplyTopics::default(), Cell::new(0));
        let list = async || {
            lists.set(lists.get() + 1);
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok(HashSet::from(["r.1".to_owned()]))
        };
        let began = Instant::now();
        assert!(topics.exists("r.1", list).await.unwrap());
        let all = async {
            let ask = |topic| topics.exists(topic, list);
            tokio::join!(ask("r.1"), ask("r.2"), ask("r.1"), ask("r.3"))
        };
        let (one, two, three, four) = all.await;
        let known = [one, two, three, four].map(Result::unwrap);
        assert_eq!(known, [true, false, true, false]);
        assert_eq!(lists.get(), 2);
        assert_eq!(began.elapsed(), LIST_INTERVAL + Duration::from_millis(10));

        let failed = topics.exists("r.1", async || Err(KafkaError::Canceled));
        assert!(failed.await.is_err());
        assert!(topics.exists("r.1", list).await.unwrap(), "asked again");
    }
}
