//! Finds the tracked partitions without hashing: each record needs two lookups.

use super::partition::Partition;
use crate::TopicPartition;

/// Partitions in order of number, then of topic. Numbers are faster to compare, and decide first.
#[derive(Debug, Default)]
pub(super) struct Table(Vec<(TopicPartition, Partition)>);

impl Table {
    pub(super) fn insert(&mut self, topic_partition: TopicPartition, partition: Partition) {
        match self.place(&topic_partition) {
            Ok(place) => self.0[place].1 = partition,
            Err(place) => self.0.insert(place, (topic_partition, partition)),
        }
    }

    pub(super) fn remove(&mut self, topic_partition: &TopicPartition) -> Option<Partition> {
        let place = self.place(topic_partition).ok()?;
        Some(self.0.remove(place).1)
    }

    pub(super) fn get(&self, topic_partition: &TopicPartition) -> Option<&Partition> {
        let place = self.place(topic_partition).ok()?;
        Some(&self.0[place].1)
    }

    pub(super) fn get_mut(&mut self, topic_partition: &TopicPartition) -> Option<&mut Partition> {
        let place = self.place(topic_partition).ok()?;
        Some(&mut self.0[place].1)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&TopicPartition, &Partition)> {
        self.0.iter().map(|(name, own)| (name, own))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&TopicPartition, &mut Partition)> {
        self.0.iter_mut().map(|(name, own)| (&*name, own))
    }

    fn place(&self, wanted: &TopicPartition) -> Result<usize, usize> {
        self.0.binary_search_by(|(own, _)| {
            let numbers = own.partition.cmp(&wanted.partition);
            numbers.then_with(|| own.topic.cmp(&wanted.topic))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_each_partition_of_each_topic_and_no_other() {
        let mut table = Table::default();
        let all =
            || ["b", "a", "c"].map(|topic| [2, 0, 1].map(|at| TopicPartition::new(topic, at)));
        for (generation, own) in all().into_iter().flatten().enumerate() {
            table.insert(own, Partition::new(generation as u64));
        }
        for (generation, own) in all().into_iter().flatten().enumerate() {
            let found = table.get(&own).map(|partition| partition.generation);
            assert_eq!(found, Some(generation as u64), "{own}");
        }
        assert!(table.get(&TopicPartition::new("a", 3)).is_none());
        assert!(table.get(&TopicPartition::new("aa", 1)).is_none());

        let gone = TopicPartition::new("a", 1);
        assert_eq!(table.remove(&gone).map(|own| own.generation), Some(5));
        assert!(table.remove(&gone).is_none() && table.get_mut(&gone).is_none());
        assert_eq!(table.iter().count(), 8);
        table.insert(TopicPartition::new("c", 2), Partition::new(99));
        assert_eq!(table.iter_mut().count(), 8);
    }
}
