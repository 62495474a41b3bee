//! Handles the client's log lines, errors and statistics. librdkafka calls this from within `poll`.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rdkafka::ClientContext;
use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;

use super::{ConsumerEvents, lock};
use crate::TopicPartition;
use crate::kafka::consumer::doubts::Doubt;
use crate::kafka::consumer::lag;
use crate::kafka::consumer::overheard::{self, Overheard};
use crate::kafka::token;
use crate::offsets::{Finished, Position};
use crate::ports::SourceEvent;

impl ConsumerEvents {
    /// Notes that records are held back now.
    pub(in crate::kafka) fn hold_back(&self) {
        self.held_back.store(true, Ordering::Relaxed);
    }

    /// Notes that the records of these topics, and of no others, are held back from now on.
    pub(in crate::kafka) fn hold_topics_back(&self, topics: &[Arc<str>]) {
        lock(&self.watch).hold_back(topics);
    }

    pub(in crate::kafka) fn doubt(&self, doubts: impl IntoIterator<Item = Doubt>) {
        let mut all = lock(&self.doubts);
        let before = all.len();
        all.extend(doubts);
        if all.len() == before {
            return;
        }
        drop(all);
        self.has_doubts.store(true, Ordering::Relaxed);
        self.wake_guard();
    }

    /// Returns whether [`ConsumerEvents::take_doubts`] may have something. For the guard.
    pub(in crate::kafka) fn has_doubts(&self) -> bool {
        self.has_doubts.load(Ordering::Relaxed)
    }

    pub(in crate::kafka) fn take_doubts(&self) -> Vec<Doubt> {
        self.has_doubts.store(false, Ordering::Relaxed);
        std::mem::take(&mut *lock(&self.doubts))
    }

    /// Returns the cluster's id, and asks for it until it is known.
    pub(in crate::kafka) fn cluster_id(&self, ask: impl Fn() -> Option<String>) -> Option<&str> {
        if self.cluster_id.get().is_none()
            && let Some(id) = ask()
        {
            let _ = self.cluster_id.set(id);
        }
        self.cluster_id.get().map(String::as_str)
    }

    pub(in crate::kafka) fn is_outdated(&self, partition: &TopicPartition) -> bool {
        lock(&self.assignment).is_outdated(partition)
    }

    pub(in crate::kafka) fn topic_is_open(&self, topic: &Arc<str>) {
        lock(&self.watch).topic_is_open(topic);
    }

    /// Restarts a partition from this offset, as if it had just been assigned.
    pub(in crate::kafka) fn begin_anew(&self, partition: &TopicPartition, next_offset: i64) {
        let generation = lock(&self.assignment).begin_anew(partition);
        if let Some(generation) = generation {
            self.tell(Ok(SourceEvent::Anew(Position {
                topic_partition: partition.clone(),
                next_offset,
                generation,
                finished: Finished::default(),
            })));
        }
    }

    /// Notes that nothing before the position will come any more.
    pub(in crate::kafka) fn skip_to(&self, position: Position) {
        self.tell(Ok(SourceEvent::Skipped(position)));
    }
}

impl ClientContext for ConsumerEvents {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        self.hear();
        token::answer(self.tokens.as_ref())
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.hear();
        self.log.line(level, facility, message);
        match overheard::read(facility, message) {
            Some(Overheard::TopicId { topic, id }) => {
                let outdated = lock(&self.assignment).note_id(topic, id);
                self.tell_finished(&mut lock(&self.assignment));
                self.doubt(outdated.into_iter().map(Doubt::Remade));
            }
            Some(Overheard::Reset {
                topic,
                partition,
                position,
            }) => {
                let (partition, generation) = self.locate(topic, partition);
                let doubt = Doubt::OutOfRange {
                    partition,
                    position,
                    generation,
                };
                self.doubt((generation > 0).then_some(doubt));
            }
            None => {}
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.hear();
        self.log.error(&error, reason);
        let denied = lock(&self.watch).hear(&error, reason);
        self.doubt(denied.map(Doubt::Denied));
    }

    fn stats(&self, statistics: Statistics) {
        self.hear();
        let held_back = self.held_back.swap(false, Ordering::Relaxed);
        let partitions = lock(&self.assignment).partitions();
        lock(&self.watch).look(&statistics, partitions, held_back);
        let lags = lag::of_partitions(&statistics).into_iter();
        lags.filter(|(partition, _)| self.is_assigned(partition))
            .for_each(|(partition, lag)| lag::show(&self.label, &partition, lag));
    }
}
