//! A consumer group as the broker sees it: its committed offsets and its members.

use std::collections::BTreeMap;
use std::time::Duration;

use harness::stack::Stack;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::{Instant, sleep};

use crate::support::LIMIT;

const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A view of one group's progress in one topic. It does not join the group.
pub(crate) struct Group {
    client: BaseConsumer,
    name: String,
    topic: String,
    partitions: i32,
}

impl Group {
    pub(crate) fn of(stack: &Stack, name: &str, topic: &str, partitions: i32) -> Self {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", stack.bootstrap_servers())
            .set("group.id", name);
        Self {
            client: config.create().unwrap(),
            name: name.to_owned(),
            topic: topic.to_owned(),
            partitions,
        }
    }

    /// The committed offset of each partition that has one.
    pub(crate) fn committed(&self) -> BTreeMap<i32, i64> {
        let committed = self.commits();
        let offsets = committed.elements().into_iter().map(|one| {
            let offset = match one.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            };
            Some((one.partition(), offset?))
        });
        offsets.flatten().collect()
    }

    /// The commits, with their metadata.
    pub(crate) fn commits(&self) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        list.add_partition_range(&self.topic, 0, self.partitions - 1);
        self.client.committed_offsets(list, ANSWER_LIMIT).unwrap()
    }

    /// Commits for the group, which must have no members.
    pub(crate) fn commit(&self, commits: &TopicPartitionList) {
        self.client.commit(commits, CommitMode::Sync).unwrap();
    }

    /// The end of a partition's log.
    pub(crate) fn end(&self, partition: i32) -> i64 {
        let watermarks = self
            .client
            .fetch_watermarks(&self.topic, partition, ANSWER_LIMIT);
        watermarks.unwrap().1
    }

    /// Waits until the lag of each partition with records is at most this.
    pub(crate) async fn until_lag_is_at_most(&self, lag: i64) {
        let deadline = Instant::now() + LIMIT;
        while !self.is_behind_by_at_most(lag) {
            assert!(
                Instant::now() < deadline,
                "committed: {:?}",
                self.committed()
            );
            // Not blocking, because the member may run on this thread.
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn is_behind_by_at_most(&self, lag: i64) -> bool {
        let committed = self.committed();
        (0..self.partitions).all(|partition| {
            let end = self.end(partition);
            end == 0 || end - committed.get(&partition).unwrap_or(&0) <= lag
        })
    }

    /// The members' ids. A member that leaves and comes back has another one.
    pub(crate) fn members(&self) -> Vec<String> {
        let groups = self.client.fetch_group_list(Some(&self.name), ANSWER_LIMIT);
        let groups = groups.unwrap();
        let members = groups.groups().iter().flat_map(|group| group.members());
        let mut ids: Vec<String> = members.map(|member| member.id().to_owned()).collect();
        ids.sort();
        ids
    }
}
