//! Which partitions a consumer holds just now, under which generation, and of which topic.

use std::collections::HashMap;
use std::sync::Arc;

use crate::TopicPartition;

/// The partitions that are assigned just now.
#[derive(Debug, Default)]
pub(super) struct Assignment {
    /// Counts the assignments, and the partitions that were begun anew.
    pub(super) generation: u64,
    topics: HashMap<Arc<str>, HashMap<i32, Held>>,
    /// The id of each topic that was seen. A topic that is deleted and made again has another one.
    ids: HashMap<Arc<str>, Arc<str>>,
}

/// A partition that is assigned.
#[derive(Clone, Debug)]
struct Held {
    generation: u64,
    /// The topic that the position belongs to, as far as it is known.
    topic_id: Option<Arc<str>>,
    /// Whether it was looked at which topic the committed position belongs to. A commit before would hide that.
    is_looked_at: bool,
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

    /// Takes partitions in under a new generation, which it returns.
    pub(super) fn add(&mut self, partitions: &[TopicPartition]) -> u64 {
        self.generation += 1;
        let held = Held {
            generation: self.generation,
            topic_id: None,
            is_looked_at: false,
        };
        for TopicPartition { topic, partition } in partitions {
            let of_topic = self.topics.entry(Arc::clone(topic)).or_default();
            of_topic.insert(*partition, held.clone());
        }
        self.generation
    }

    /// Takes partitions out, and returns those that were in.
    pub(super) fn remove(&mut self, mut partitions: Vec<TopicPartition>) -> Vec<TopicPartition> {
        partitions.retain(|TopicPartition { topic, partition }| {
            let of_topic = self.topics.get_mut(topic);
            of_topic.is_some_and(|of_topic| of_topic.remove(partition).is_some())
        });
        partitions
    }

    /// Returns a partition, its topic's name shared, and its generation; 0 when not assigned.
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

    /// Notes a topic's id; returns the partitions whose position belongs to another topic of that name.
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

    /// Notes which topic a partition's committed position belongs to, if that was written beside it.
    pub(super) fn note_committed(&mut self, partition: &TopicPartition, id: Option<&str>) {
        let known = self.ids.get(&partition.topic).cloned();
        if let Some(held) = self.held_mut(partition) {
            held.topic_id = id.map(Arc::from).or(known);
            held.is_looked_at = true;
        }
    }

    /// Returns whether a position that was reached under a generation may be committed.
    pub(super) fn may_commit(&self, partition: &TopicPartition, generation: u64) -> bool {
        let of_topic = self.topics.get(&partition.topic);
        let held = of_topic.and_then(|of_topic| of_topic.get(&partition.partition));
        held.is_some_and(|held| held.generation == generation && held.is_looked_at)
    }

    /// Returns which topic a partition's position belongs to, as far as it is known.
    pub(super) fn topic_id(&self, partition: &TopicPartition) -> Option<Arc<str>> {
        let held = self
            .topics
            .get(&partition.topic)?
            .get(&partition.partition)?;
        held.topic_id.clone()
    }

    /// Returns whether a partition's position belongs to another topic of that name.
    pub(super) fn is_outdated(&self, partition: &TopicPartition) -> bool {
        let (own, present) = (self.topic_id(partition), self.ids.get(&partition.topic));
        own.is_some() && present.is_some() && own.as_ref() != present
    }

    /// Begins a partition anew: under another generation, which it returns, and in the present topic.
    pub(super) fn begin_anew(&mut self, partition: &TopicPartition) -> Option<u64> {
        let topic_id = self.ids.get(&partition.topic).cloned();
        let generation = self.generation + 1;
        *self.held_mut(partition)? = Held {
            generation,
            topic_id,
            is_looked_at: true,
        };
        self.generation = generation;
        Some(generation)
    }

    fn held_mut(&mut self, partition: &TopicPartition) -> Option<&mut Held> {
        let of_topic = self.topics.get_mut(&partition.topic)?;
        of_topic.get_mut(&partition.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition() -> TopicPartition {
        TopicPartition::new("orders", 0)
    }

    #[test]
    fn h26_a_position_belongs_to_the_topic_that_it_was_reached_in() {
        let mut assignment = Assignment::default();
        assert!(assignment.note_id("orders", "old").is_empty());
        let generation = assignment.add(&[partition()]);
        assignment.note_committed(&partition(), None);
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

    /// What a member commits is all that the next look finds: the old topic's id would be gone.
    #[test]
    fn h26_nothing_is_committed_before_it_was_looked_at_what_is_committed() {
        let mut assignment = Assignment::default();
        let generation = assignment.add(&[partition()]);
        assert!(!assignment.may_commit(&partition(), generation));
        assignment.note_id("orders", "new");
        assert!(!assignment.may_commit(&partition(), generation));
        assignment.note_committed(&partition(), None);
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
        assignment.add(&[partition()]);
        assignment.note_committed(&partition(), Some("old"));
        assert!(
            !assignment.is_outdated(&partition()),
            "the present id is not known"
        );
        assert_eq!(assignment.note_id("orders", "new"), [partition()]);
        assignment.note_committed(&partition(), Some("new"));
        assert!(!assignment.is_outdated(&partition()));
        let other = TopicPartition::new("orders", 1);
        assignment.note_committed(&other, Some("old"));
        assert!(!assignment.is_outdated(&other), "not assigned");
        assert_eq!(assignment.begin_anew(&other), None);
    }
}
