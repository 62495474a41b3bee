//! Tracks which partitions a consumer holds now, under which generation, and of which topic.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crate::offsets::{Finished, Position};
use crate::{Coordinates, TopicPartition};

/// The partitions that are assigned now.
#[derive(Debug, Default)]
pub(super) struct Assignment {
    /// Counts the assignments, and the partitions that restarted from the beginning of a new topic.
    pub(super) generation: u64,
    topics: HashMap<Arc<str>, HashMap<i32, Held>>,
    /// The id of each topic that was seen. A topic that is deleted and created again has a new id.
    ids: HashMap<Arc<str>, Arc<str>>,
}

/// An assigned partition.
#[derive(Clone, Debug)]
struct Held {
    generation: u64,
    /// The topic that the position belongs to, if known.
    topic_id: Option<Arc<str>>,
    /// Whether the committed topic id was read. A commit before that would hide it.
    is_looked_at: bool,
    /// Until when the partition's records wait for that.
    waits_until: Instant,
    /// The finished offsets above the committed position, until it is known whether they belong to the present topic.
    finished: Option<(i64, Finished)>,
}

/// The metadata of a partition's committed position.
#[derive(Clone, Debug)]
pub(super) struct Committed {
    pub(super) partition: TopicPartition,
    /// The topic that the position belongs to. Without an id it counts as the present topic.
    pub(super) topic_id: Option<Arc<str>>,
    /// The position, and the finished offsets above it.
    pub(super) finished: Option<(i64, Finished)>,
}

impl Assignment {
    pub(super) fn partitions(&self) -> Vec<TopicPartition> {
        let topics = self.topics.iter();
        let partitions = topics.flat_map(|(topic, partitions)| {
            let topic_partition = |&partition| TopicPartition {
                topic: Arc::clone(topic),
                partition,
            };
            partitions.keys().map(topic_partition)
        });
        partitions.collect()
    }

    /// Adds partitions under a new generation, which it returns. Their records wait until the committed metadata was
    /// read, at most until the given time.
    pub(super) fn add(&mut self, partitions: &[TopicPartition], waits_until: Instant) -> u64 {
        self.generation += 1;
        let held = Held {
            generation: self.generation,
            topic_id: None,
            is_looked_at: false,
            waits_until,
            finished: None,
        };
        for TopicPartition { topic, partition } in partitions {
            let of_topic = self.topics.entry(Arc::clone(topic)).or_default();
            of_topic.insert(*partition, held.clone());
        }
        self.generation
    }

    /// Removes partitions, and returns those that were assigned.
    pub(super) fn remove(&mut self, mut partitions: Vec<TopicPartition>) -> Vec<TopicPartition> {
        partitions.retain(|TopicPartition { topic, partition }| {
            let of_topic = self.topics.get_mut(topic);
            of_topic.is_some_and(|of_topic| of_topic.remove(partition).is_some())
        });
        partitions
    }

    /// Returns a partition that shares its topic's name, and its generation, which is 0 when not assigned.
    pub(super) fn locate(&self, topic: &str, partition: i32) -> (TopicPartition, u64) {
        match self.topics.get_key_value(topic) {
            Some((topic, partitions)) => {
                let generation = partitions.get(&partition).map_or(0, |held| held.generation);
                let topic = Arc::clone(topic);
                (TopicPartition { topic, partition }, generation)
            }
            None => (TopicPartition::new(topic, partition), 0),
        }
    }

    /// Notes a topic's id. Returns the partitions whose position belongs to an older topic of that name.
    pub(super) fn note_id(&mut self, topic: &str, id: &str) -> Vec<TopicPartition> {
        let id: Arc<str> = id.into();
        self.ids.insert(topic.into(), Arc::clone(&id));
        let Some((topic, _)) = self.topics.get_key_value(topic) else {
            return Vec::new();
        };
        let topic = Arc::clone(topic);
        let mut outdated = Vec::new();
        for (partition, held) in self.topics.get_mut(&topic).into_iter().flatten() {
            let own = held.topic_id.get_or_insert_with(|| Arc::clone(&id));
            if *own != id {
                outdated.push(TopicPartition {
                    topic: Arc::clone(&topic),
                    partition: *partition,
                });
            }
        }
        outdated
    }

    /// Notes the metadata of a partition's committed position: its topic, if written, and the finished offsets.
    pub(super) fn note_committed(&mut self, committed: Committed) {
        let known = self.ids.get(&committed.partition.topic).cloned();
        if let Some(held) = self.held_mut(&committed.partition) {
            held.topic_id = committed.topic_id.or(known);
            held.is_looked_at = true;
            held.finished = committed.finished;
        }
    }

    /// Takes out the finished offsets of partitions whose topic id is known. Those of another topic are dropped.
    pub(super) fn take_finished(&mut self) -> Vec<Position> {
        let mut all = Vec::new();
        for (topic, partitions) in &mut self.topics {
            let Some(present) = self.ids.get(topic) else {
                continue;
            };
            for (&partition, held) in partitions {
                let taken = held.finished.take();
                let taken = taken.filter(|_| held.topic_id.as_ref() == Some(present));
                all.extend(taken.map(|(next_offset, finished)| Position {
                    topic_partition: TopicPartition {
                        topic: Arc::clone(topic),
                        partition,
                    },
                    next_offset,
                    generation: held.generation,
                    finished,
                }));
            }
        }
        all
    }

    /// Returns whether the committed metadata of a partition is still to be read.
    pub(super) fn awaits_answers(&self) -> bool {
        let mut held = self.topics.values().flat_map(HashMap::values);
        held.any(|held| !held.is_looked_at)
    }

    /// Returns whether the records of a partition's generation wait for that.
    pub(super) fn waits(&self, at: &Coordinates, now: Instant) -> bool {
        let held = self.held(&at.topic_partition);
        let held = held.filter(|held| held.generation == at.generation);
        held.is_some_and(|held| !held.is_looked_at && now < held.waits_until)
    }

    /// Returns whether a position that was reached under a generation may be committed.
    pub(super) fn may_commit(&self, partition: &TopicPartition, generation: u64) -> bool {
        let held = self.held(partition);
        held.is_some_and(|held| held.generation == generation && held.is_looked_at)
    }

    /// Returns which topic a partition's position belongs to, if known.
    pub(super) fn topic_id(&self, partition: &TopicPartition) -> Option<Arc<str>> {
        self.held(partition)?.topic_id.clone()
    }

    /// Returns whether a partition's position belongs to an older topic of that name.
    pub(super) fn is_outdated(&self, partition: &TopicPartition) -> bool {
        let (own, present) = (self.topic_id(partition), self.ids.get(&partition.topic));
        own.is_some() && present.is_some() && own.as_ref() != present
    }

    /// Restarts a partition in the present topic under a new generation, which it returns.
    pub(super) fn begin_anew(&mut self, partition: &TopicPartition) -> Option<u64> {
        let topic_id = self.ids.get(&partition.topic).cloned();
        let generation = self.generation + 1;
        let held = self.held_mut(partition)?;
        *held = Held {
            generation,
            topic_id,
            is_looked_at: true,
            waits_until: held.waits_until,
            finished: None,
        };
        self.generation = generation;
        Some(generation)
    }

    fn held(&self, partition: &TopicPartition) -> Option<&Held> {
        self.topics.get(&partition.topic)?.get(&partition.partition)
    }

    fn held_mut(&mut self, partition: &TopicPartition) -> Option<&mut Held> {
        let of_topic = self.topics.get_mut(&partition.topic)?;
        of_topic.get_mut(&partition.partition)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn partition() -> TopicPartition {
        TopicPartition::new("orders", 0)
    }

    fn committed(topic_id: Option<&str>) -> Committed {
        Committed {
            partition: partition(),
            topic_id: topic_id.map(Arc::from),
            finished: None,
        }
    }

    #[test]
    fn h26_a_position_belongs_to_the_topic_that_it_was_reached_in() {
        let mut assignment = Assignment::default();
        assert!(assignment.note_id("orders", "old").is_empty());
        let generation = assignment.add(&[partition()], Instant::now());
        assignment.note_committed(committed(None));
        assert_eq!(assignment.topic_id(&partition()).as_deref(), Some("old"));
        assert!(assignment.note_id("orders", "old").is_empty());

        assert_eq!(assignment.note_id("orders", "new"), [partition()]);
        assert!(assignment.is_outdated(&partition()));
        assert_eq!(assignment.topic_id(&partition()).as_deref(), Some("old"));
        assert_eq!(assignment.begin_anew(&partition()), Some(generation + 1));
        assert!(!assignment.is_outdated(&partition()));
        assert_eq!(assignment.topic_id(&partition()).as_deref(), Some("new"));
        assert_eq!(assignment.locate("orders", 0).1, generation + 1);
    }

    /// The next look finds only what a member has committed: the old topic's id would be gone.
    #[test]
    fn h26_nothing_is_committed_before_the_committed_topic_is_known() {
        let mut assignment = Assignment::default();
        let generation = assignment.add(&[partition()], Instant::now());
        assert!(!assignment.may_commit(&partition(), generation));
        assignment.note_id("orders", "new");
        assert!(!assignment.may_commit(&partition(), generation));
        assignment.note_committed(committed(None));
        assert!(assignment.may_commit(&partition(), generation));
        let anew = assignment.begin_anew(&partition()).unwrap();
        assert!(!assignment.may_commit(&partition(), generation));
        assert!(assignment.may_commit(&partition(), anew));
        assignment.remove(vec![partition()]);
        assert!(!assignment.may_commit(&partition(), anew));
    }

    #[test]
    fn h26_a_committed_position_of_another_topic_is_told_from_one_of_the_present() {
        let mut assignment = Assignment::default();
        assignment.add(&[partition()], Instant::now());
        assignment.note_committed(committed(Some("old")));
        assert!(
            !assignment.is_outdated(&partition()),
            "the present id is not known"
        );
        assert_eq!(assignment.note_id("orders", "new"), [partition()]);
        assignment.note_committed(committed(Some("new")));
        assert!(!assignment.is_outdated(&partition()));
        let other = TopicPartition::new("orders", 1);
        assignment.note_committed(Committed {
            partition: other.clone(),
            ..committed(Some("old"))
        });
        assert!(!assignment.is_outdated(&other), "not assigned");
        assert_eq!(assignment.begin_anew(&other), None);
    }

    #[test]
    fn h33_what_is_finished_is_told_once_and_only_of_the_present_topic() {
        let finished = Finished::decode("1:5:1+20", 5).unwrap();
        let of_topic = |topic_id| Committed {
            finished: Some((5, finished.clone())),
            ..committed(topic_id)
        };
        let mut assignment = Assignment::default();
        let generation = assignment.add(&[partition()], Instant::now());
        assignment.note_committed(of_topic(Some("present")));
        assert_eq!(
            assignment.take_finished(),
            [],
            "the present id is not known"
        );
        assignment.note_id("orders", "present");
        let told = Position {
            topic_partition: partition(),
            next_offset: 5,
            generation,
            finished: finished.clone(),
        };
        assert_eq!(assignment.take_finished(), [told]);
        assert_eq!(assignment.take_finished(), []);
        assignment.note_committed(of_topic(Some("old")));
        assert_eq!(assignment.take_finished(), []);
        assignment.note_committed(of_topic(Some("present")));
        assignment.note_id("orders", "new");
        assert_eq!(assignment.take_finished(), [], "created again meanwhile");
        assignment.note_committed(of_topic(Some("new")));
        assignment.begin_anew(&partition());
        assert_eq!(assignment.take_finished(), []);
    }

    #[test]
    fn h33_records_wait_for_the_committed_metadata_but_not_for_long() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut assignment = Assignment::default();
        let generation = assignment.add(&[partition()], now + second);
        let at = |generation| Coordinates {
            topic_partition: partition(),
            offset: 5,
            generation,
        };
        assert!(assignment.awaits_answers());
        assert!(assignment.waits(&at(generation), now));
        assert!(!assignment.waits(&at(generation), now + second));
        assert!(!assignment.waits(&at(generation - 1), now), "stale anyway");
        assignment.note_committed(committed(None));
        assert!(!assignment.waits(&at(generation), now));
        assert!(!assignment.awaits_answers());
    }
}
