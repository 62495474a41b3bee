//! Settles doubts about positions: of a topic that was deleted and created again, or of records that were deleted
//! before they were read. The guard thread does this, while the bridge's task keeps polling.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use tracing::{debug, warn};

use super::assignment::Committed;
use super::commit_metadata::read;
use super::events::ConsumerEvents;
use super::polling::Polling;
use crate::TopicPartition;
use crate::offsets::{Finished, Position};
use crate::telemetry::metric_names;

/// How long the broker may take to answer a question. The guard cannot poll during that time, so it has to stay far
/// below `max.poll.interval.ms`.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// How long after an assignment librdkafka has surely logged the topic's present id.
const ID_IS_TOLD: Duration = Duration::from_millis(500);
/// How long to wait before an unanswered question is asked again.
const AGAIN: Duration = Duration::from_secs(2);

/// A question to be settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Partitions were assigned: to which topic do their committed offsets belong?
    Assigned(Vec<TopicPartition>),
    /// The position may belong to an older topic of the same name.
    Remade(TopicPartition),
    /// The position was not in the log: is it before the beginning, or after the end?
    OutOfRange {
        partition: TopicPartition,
        position: i64,
        /// The assignment during which this was noticed.
        generation: u64,
    },
    /// A topic was not visible: is it now?
    Denied(Arc<str>),
}

/// The open doubts.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    open: Vec<(Instant, Doubt)>,
    /// Up to which offset deleted records were already reported.
    told_below: HashMap<TopicPartition, i64>,
}

impl Doubts {
    /// Returns when the next doubt is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.open.iter().map(|(at, _)| *at).min()
    }

    /// Settles the doubt that has been due the longest. A doubt without an answer is put behind all that are due by
    /// then. Blocks while the broker answers, so only the guard calls it.
    pub(super) fn settle(&mut self, polling: &Polling) {
        let now = Instant::now();
        let new = polling.consumer.context().take_doubts().into_iter();
        self.open.extend(new.map(|doubt| (now, doubt)));
        let due = |(_, (at, _)): &(usize, &(Instant, Doubt))| *at <= now;
        let first = self
            .open
            .iter()
            .enumerate()
            .filter(due)
            .min_by_key(|(_, (at, _))| *at);
        let Some((index, _)) = first else {
            return;
        };
        let (_, doubt) = self.open.remove(index);
        if let Err(error) = self.look_into(polling, &doubt) {
            debug!(%error, ?doubt, "doubt not settled, asking again later");
            self.open.push((Instant::now() + AGAIN, doubt));
        }
    }

    fn look_into(&mut self, polling: &Polling, doubt: &Doubt) -> Result<(), KafkaError> {
        let consumer = &polling.consumer;
        let context = consumer.context();
        match doubt {
            Doubt::Assigned(partitions) => {
                let unanswered = read_committed(consumer, partitions)?;
                // Records that waited for the answer may go now.
                polling.arrived.notify_one();
                let next = after_answers(partitions, unanswered, Instant::now());
                self.open.extend(next);
            }
            Doubt::Remade(partition) if context.is_outdated(partition) => {
                self.begin_anew(polling, partition, "its id has changed")?;
            }
            Doubt::Remade(_) => {}
            Doubt::OutOfRange {
                partition,
                position,
                generation,
            } => {
                if context.locate(&partition.topic, partition.partition).1 == *generation {
                    self.find_again(polling, partition, *position, *generation)?;
                }
            }
            Doubt::Denied(topic) => {
                let metadata = consumer.fetch_metadata(Some(topic), ANSWER_LIMIT)?;
                let denied = Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
                if metadata.topics().iter().any(|one| one.error() == denied) {
                    let again = (Instant::now() + AGAIN, doubt.clone());
                    self.open.push(again);
                } else {
                    context.topic_is_open(topic);
                }
            }
        }
        Ok(())
    }

    /// Finds out on which side of the log a position was that librdkafka has reset to the log's beginning.
    fn find_again(
        &mut self,
        polling: &Polling,
        partition: &TopicPartition,
        position: i64,
        generation: u64,
    ) -> Result<(), KafkaError> {
        let consumer = &polling.consumer;
        let (first, _) =
            consumer.fetch_watermarks(&partition.topic, partition.partition, ANSWER_LIMIT)?;
        if position >= first {
            return self.begin_anew(polling, partition, "the position was above its end");
        }
        // Deletions before the previous reset were already reported.
        let told = self.told_below.insert(partition.clone(), first);
        let records = first - told.map_or(position, |told| told.max(position));
        if records > 0 {
            let deleted = consumer
                .context()
                .label
                .counter(metric_names::DELETED_UNREAD, []);
            deleted.increment(records.unsigned_abs());
            warn!(
                %partition,
                records,
                from = position,
                to = first,
                "records were deleted before they were read: retention overtook the group"
            );
        }
        consumer.context().skip_to(Position {
            topic_partition: partition.clone(),
            next_offset: first,
            generation,
            finished: Finished::default(),
        });
        Ok(())
    }

    /// Restarts a partition from its beginning. All that was fetched or committed of the older topic is void.
    fn begin_anew(
        &mut self,
        polling: &Polling,
        partition: &TopicPartition,
        reason: &str,
    ) -> Result<(), KafkaError> {
        let TopicPartition {
            topic,
            partition: number,
        } = partition;
        let consumer = &polling.consumer;
        let (first, _) = consumer.fetch_watermarks(topic, *number, ANSWER_LIMIT)?;
        polling.alone(|| {
            consumer.seek(topic, *number, Offset::Beginning, ANSWER_LIMIT)?;
            consumer.context().begin_anew(partition, first);
            Ok::<_, KafkaError>(())
        })?;
        self.told_below.remove(partition);
        consumer.context().label.count(metric_names::REMADE, []);
        warn!(%partition, reason, offset = first, "the topic was created again: reading it from its beginning");
        Ok(())
    }
}

/// Reads the metadata of committed offsets. Returns the partitions for which the broker did not answer.
fn read_committed(
    consumer: &BaseConsumer<ConsumerEvents>,
    partitions: &[TopicPartition],
) -> Result<Vec<TopicPartition>, KafkaError> {
    let context = consumer.context();
    let cluster_id = context.cluster_id(|| consumer.client().fetch_cluster_id(ANSWER_LIMIT));
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for TopicPartition { topic, partition } in partitions {
        list.add_partition(topic, *partition);
    }
    let committed = consumer.committed_offsets(list, ANSWER_LIMIT)?;
    let of = |one: &TopicPartitionListElem<'_>| TopicPartition::new(one.topic(), one.partition());
    let answers = committed.elements();
    let answers = answers
        .iter()
        .map(|one| one.error().map(|()| one).map_err(|error| (of(one), error)));
    let (answered, unanswered) = split(answers);
    let mut all = Vec::with_capacity(answered.len());
    for one in answered {
        // rdkafka 0.39 panics on metadata that is not text, which another program may have written.
        let metadata = catch_unwind(AssertUnwindSafe(|| one.metadata())).unwrap_or_default();
        let next_offset = match one.offset() {
            Offset::Offset(next_offset) => next_offset,
            _ => NONE_COMMITTED,
        };
        let written = cluster_id.and_then(|cluster_id| read(metadata, cluster_id, next_offset));
        let (topic_id, finished) = written
            .map(|written| (Arc::from(written.topic_id), written.finished))
            .unzip();
        all.push(Committed {
            partition: of(one),
            topic_id,
            finished: finished
                .filter(|finished: &Finished| !finished.is_empty())
                .map(|finished| (next_offset, finished)),
        });
    }
    forget_what_the_log_lost(consumer, &mut all);
    context.note_committed(all);
    Ok(unanswered)
}

/// Returns the doubts that remain after the broker has returned or refused the committed offsets.
fn after_answers(
    partitions: &[TopicPartition],
    unanswered: Vec<TopicPartition>,
    now: Instant,
) -> Vec<(Instant, Doubt)> {
    let answered = partitions.iter().filter(|one| !unanswered.contains(one));
    let remade = answered.cloned().map(Doubt::Remade);
    let mut next: Vec<_> = remade.map(|doubt| (now + ID_IS_TOLD, doubt)).collect();
    if !unanswered.is_empty() {
        next.push((now + AGAIN, Doubt::Assigned(unanswered)));
    }
    next
}

/// Separates answers from errors, so that one partition's error holds up no other one.
fn split<T>(
    answers: impl Iterator<Item = Result<T, (TopicPartition, KafkaError)>>,
) -> (Vec<T>, Vec<TopicPartition>) {
    let (mut answered, mut unanswered) = (Vec::new(), Vec::new());
    for answer in answers {
        match answer {
            Ok(one) => answered.push(one),
            Err((partition, error)) => {
                debug!(%partition, %error, "committed offset not received");
                unanswered.push(partition);
            }
        }
    }
    (answered, unanswered)
}

/// Drops finished offsets if the partition's log ends below them: the log was cut, so other records have or will have
/// these offsets. Also drops them if the end is unknown. Those records are handled again.
fn forget_what_the_log_lost(consumer: &BaseConsumer<ConsumerEvents>, all: &mut [Committed]) {
    let mut is_answered = true;
    for one in all {
        let Some((_, finished)) = &one.finished else {
            continue;
        };
        let TopicPartition { topic, partition } = &one.partition;
        // A broker that did not answer once is not asked again here: records are waiting.
        let end = is_answered.then(|| consumer.fetch_watermarks(topic, *partition, ANSWER_LIMIT));
        is_answered = matches!(end, Some(Ok(_)));
        let is_within = matches!(end, Some(Ok((_, end))) if finished.end() <= Some(end));
        if !is_within {
            debug!(partition = %one.partition, ?finished, "finished offsets not known to be in the log, handled again");
            one.finished = None;
        }
    }
}

/// Represents no offset, so nothing belongs to it.
const NONE_COMMITTED: i64 = -1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h26_a_partition_that_is_refused_holds_up_no_other_one() {
        let partition = |number| TopicPartition::new("orders", number);
        let answers = [Ok(0), Err((partition(1), KafkaError::Canceled)), Ok(2)];
        let (answered, unanswered) = split(answers.into_iter());
        assert_eq!(
            (&answered[..], &unanswered),
            (&[0, 2][..], &vec![partition(1)])
        );

        // It is asked again, and the others continue.
        let (now, all) = (Instant::now(), [0, 1, 2].map(partition));
        let next = after_answers(&all, unanswered, now);
        let remade = |number| (now + ID_IS_TOLD, Doubt::Remade(partition(number)));
        let again = (now + AGAIN, Doubt::Assigned(vec![partition(1)]));
        assert_eq!(next, [remade(0), remade(2), again]);
    }
}
