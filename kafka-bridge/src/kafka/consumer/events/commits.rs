//! Makes the commits, and handles the metadata of earlier commits.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::{Offset, TopicPartitionList};
use tracing::{debug, error, warn};

use super::{ConsumerEvents, lock};
use crate::kafka::consumer::assignment::{Assignment, Committed};
use crate::kafka::consumer::commit_metadata::{self, write};
use crate::offsets::Position;
use crate::ports::SourceEvent;
use crate::telemetry::metric_names;
use crate::{Coordinates, TopicPartition};

/// How long the records of a new partition wait for its committed metadata. After that they go, and records that an
/// earlier member finished are handled again. Far below `max.poll.interval.ms`, because nobody polls meanwhile.
const ANSWER_PATIENCE: Duration = Duration::from_secs(3);

impl ConsumerEvents {
    /// Adds partitions under a new generation, which it returns.
    pub(super) fn add(&self, partitions: &[TopicPartition]) -> u64 {
        let mut assignment = lock(&self.assignment);
        let generation = assignment.add(partitions, Instant::now() + ANSWER_PATIENCE);
        self.note_awaited(&assignment);
        generation
    }

    fn note_awaited(&self, assignment: &Assignment) {
        let awaits = assignment.awaits_answers();
        self.awaits_answers.store(awaits, Ordering::Release);
    }

    /// Returns whether a record has to wait for the committed metadata of its partition.
    pub(in crate::kafka) fn waits(&self, at: &Coordinates) -> bool {
        // For nearly all records this check is enough.
        self.awaits_answers.load(Ordering::Acquire)
            && lock(&self.assignment).waits(at, Instant::now())
    }

    /// Notes the committed metadata of partitions, and reports their finished offsets.
    pub(in crate::kafka) fn note_committed(&self, all: impl IntoIterator<Item = Committed>) {
        let mut assignment = lock(&self.assignment);
        for one in all {
            assignment.note_committed(one);
        }
        // Sent under the lock, so before any of the records that wait for it.
        self.tell_finished(&mut assignment);
        self.note_awaited(&assignment);
    }

    /// Reports the finished offsets of partitions as soon as they are known to belong to the present topic.
    pub(super) fn tell_finished(&self, assignment: &mut Assignment) {
        for position in assignment.take_finished() {
            self.tell(Ok(SourceEvent::Finished(position)));
        }
    }

    /// Converts positions to librdkafka's commits, and is the only place that does. The offsets are next offsets and
    /// stay unchanged, each with the id of the topic in which it was reached.
    ///
    /// A position from another assignment, or from before the topic was created again, is left out: it would rewind the
    /// partition, or lose the records below it. A position of a partition that has just been assigned is left out until
    /// [`ConsumerEvents::note_committed`]. The next commit of all positions includes it.
    pub(in crate::kafka) fn to_list(&self, positions: &[Position]) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(positions.len());
        let assignment = lock(&self.assignment);
        for position in positions {
            let Position {
                topic_partition,
                next_offset,
                generation,
                ..
            } = position;
            let TopicPartition { topic, partition } = topic_partition;
            if !assignment.may_commit(topic_partition, *generation) {
                debug!(partition = %topic_partition, "position left out of the commit");
                continue;
            }
            let mut entry = list.add_partition(topic, *partition);
            if let Err(error) = entry.set_offset(Offset::Offset(*next_offset)) {
                error!(partition = %topic_partition, %error, "position left out of the commit");
            }
            if let (Some(cluster), Some(topic)) =
                (self.cluster_id.get(), assignment.topic_id(topic_partition))
            {
                let room = self.metadata_room.load(Ordering::Relaxed);
                let written = write(cluster, &topic, position, room);
                let is_whole = matches!(written, Some((_, true)));
                if !is_whole && !position.finished.is_empty() {
                    self.label.count(metric_names::FINISHED_LEFT_OUT, []);
                }
                if let Some((metadata, _)) = written {
                    entry.set_metadata(metadata);
                }
            }
        }
        list
    }

    /// Returns the partitions whose commit was refused, by their own results.
    pub(super) fn failed(&self, offsets: &TopicPartitionList) -> Vec<TopicPartition> {
        let elements = offsets.elements().into_iter();
        let failed = elements.filter(|one| one.error().is_err());
        failed
            .map(|one| TopicPartition::new(one.topic(), one.partition()))
            .collect()
    }

    /// Shortens the metadata if a commit, or one of its partitions, was refused for its size.
    pub(super) fn hear_refusals(&self, result: &KafkaResult<()>, offsets: &TopicPartitionList) {
        let elements = offsets.elements();
        let own = elements.iter().filter_map(|one| one.error().err());
        // Once for all partitions: they were all written with the same limit.
        let mut all = own.chain(result.clone().err());
        if let Some(error) = all.find(is_too_large) {
            self.shorten_metadata(&error, offsets);
        }
    }

    /// Halves the size limit of metadata after the broker refused a commit for its size. The ids stay until they alone
    /// were too long. Returns whether that may help.
    pub(in crate::kafka) fn shorten_metadata(
        &self,
        error: &KafkaError,
        refused: &TopicPartitionList,
    ) -> bool {
        if !is_too_large(error) {
            return false;
        }
        let (mut longest, mut ids) = (0, 0);
        for one in refused.elements() {
            longest = longest.max(one.metadata().len());
            ids = ids.max(commit_metadata::ids(one.metadata()).len());
        }
        let room = if longest > ids {
            ids.max(longest / 2)
        } else {
            0
        };
        if room < self.metadata_room.fetch_min(room, Ordering::Relaxed) {
            warn!(
                bytes = room,
                "commit metadata is shortened: the broker accepts less than usual (offset.metadata.max.bytes)"
            );
        }
        longest > 0
    }
}

fn is_too_large(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(Code::OffsetMetadataTooLarge)
}

#[cfg(test)]
mod tests {
    use super::super::tests::assigned;
    use super::*;
    use crate::offsets::Finished;

    fn partition() -> TopicPartition {
        TopicPartition::new("orders", 0)
    }

    fn position(generation: u64) -> Position {
        Position {
            topic_partition: partition(),
            next_offset: 5,
            generation,
            finished: Finished::decode("1:5:1+20", 5).unwrap(),
        }
    }

    fn committed(topic_id: Option<&str>) -> Committed {
        let finished = position(1).finished;
        Committed {
            partition: partition(),
            finished: topic_id.map(|_| (5, finished)),
            topic_id: topic_id.map(Into::into),
        }
    }

    /// With the new topic's id it would hide that the records below were never read.
    #[test]
    fn h26_a_position_of_another_assignment_or_topic_is_not_committed() {
        let (context, mut events) = assigned(&[0]);
        assert_eq!(context.to_list(&[position(1)]).count(), 0);
        context.note_committed([committed(None)]);
        assert_eq!(context.to_list(&[position(1)]).count(), 1);
        context.begin_anew(&partition(), 0);
        let Ok(SourceEvent::Anew(start)) = events.try_recv().unwrap() else {
            panic!("another event");
        };
        assert_eq!(context.to_list(&[position(1)]).count(), 0);
        assert_eq!(context.to_list(&[start]).count(), 1);
    }

    #[test]
    fn h33_what_is_finished_is_told_before_records_may_go() {
        let (context, mut events) = assigned(&[0]);
        let at = |generation| Coordinates {
            topic_partition: partition(),
            offset: 5,
            generation,
        };
        assert!(context.waits(&at(1)));
        assert!(!context.waits(&at(0)), "stale anyway");
        lock(&context.assignment).note_id("orders", "present");
        context.note_committed([committed(Some("present"))]);
        assert!(!context.waits(&at(1)));
        let Ok(SourceEvent::Finished(told)) = events.try_recv().unwrap() else {
            panic!("another event");
        };
        assert_eq!(told, position(1));
        context.note_committed([committed(Some("old"))]);
        assert!(events.try_recv().is_err(), "another topic's");
    }

    #[test]
    fn h33_metadata_is_shortened_until_the_broker_accepts_it() {
        let (context, _events) = assigned(&[0]);
        context.note_committed([committed(Some("present"))]);
        context.cluster_id(|| Some("here".to_owned()));
        let list = || context.to_list(&[position(1)]);
        let written = |list: &TopicPartitionList| list.elements()[0].metadata().to_owned();
        let whole = list();
        assert!(written(&whole).ends_with(" finished=1:5:1+20"));
        let other = KafkaError::ConsumerCommit(Code::RebalanceInProgress);
        assert!(!context.shorten_metadata(&other, &whole));
        let too_large = KafkaError::ConsumerCommit(Code::OffsetMetadataTooLarge);
        // Several commits that are all too long may be in flight.
        for _ in 0..12 {
            context.hear_refusals(&Err(too_large.clone()), &whole);
        }
        let ids = list();
        assert_eq!(written(&ids), "topic-id=present cluster-id=here");
        assert!(context.shorten_metadata(&too_large, &ids));
        let nothing = list();
        assert_eq!(written(&nothing), "");
        assert!(!context.shorten_metadata(&too_large, &nothing));
    }
}
