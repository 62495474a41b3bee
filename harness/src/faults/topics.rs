//! The topics of a round, and requests to the broker about them and the group.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::TopicPartitionList;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode as Code;
use tokio::time::{Instant, sleep};

use super::answers::{config, ends};

const LIMIT: Duration = Duration::from_secs(5);
/// How long to repeat a request, because a restarted broker needs a while.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);

/// Partitions of the request topic, and their number after some were added.
pub(super) const PARTITIONS: i32 = 8;
pub(super) const MORE_PARTITIONS: i32 = 12;
pub(super) const REPLY_PARTITIONS: i32 = 4;

/// The names of one round.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) prefix: String,
    pub(super) group: String,
    pub(super) requests: String,
    pub(super) replies: String,
    /// The reply topic of the load client.
    pub(super) client_replies: String,
    pub(super) dead_letters: String,
}

impl Names {
    pub(super) fn of(round: &str) -> Self {
        let requests = format!("{round}-createOrder");
        Self {
            prefix: format!("{round}-"),
            group: format!("{round}-group"),
            replies: format!("{requests}.reply"),
            client_replies: format!("{requests}.reply.client"),
            dead_letters: format!("{requests}.dead"),
            requests,
        }
    }

    /// Each topic with its partitions.
    pub(super) fn topics(&self) -> [(&str, i32); 4] {
        [
            (&self.requests, PARTITIONS),
            (&self.replies, REPLY_PARTITIONS),
            (&self.client_replies, 1),
            (&self.dead_letters, 1),
        ]
    }
}

fn admin(servers: &str) -> Result<AdminClient<DefaultClientContext>> {
    let admin = config(servers, "admin").create();
    admin.context("cannot make an admin client")
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(LIMIT))
        .operation_timeout(Some(LIMIT))
}

/// Repeats the work until it succeeds, because the broker may be down.
async fn patiently<F: Future<Output = Result<()>>>(mut work: impl FnMut() -> F) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match work().await {
            Err(_) if Instant::now() < deadline => sleep(PAUSE).await,
            done => return done,
        }
    }
}

/// Creates a topic. It may exist already, from a request whose answer was lost.
pub(crate) async fn create(servers: &str, topic: &str, partitions: i32) -> Result<()> {
    let admin = admin(servers)?;
    let wanted = NewTopic::new(topic, partitions, TopicReplication::Fixed(-1));
    patiently(|| async {
        for answer in admin.create_topics([&wanted], &options()).await? {
            match answer {
                Ok(_) | Err((_, Code::TopicAlreadyExists)) => {}
                Err((_, code)) => return Err(code).context("cannot create a topic"),
            }
        }
        Ok(())
    })
    .await
}

pub(super) async fn delete(servers: &str, topics: &[&str]) -> Result<()> {
    let admin = admin(servers)?;
    patiently(|| async {
        for answer in admin.delete_topics(topics, &options()).await? {
            match answer {
                Ok(_) | Err((_, Code::UnknownTopicOrPartition)) => {}
                Err((_, code)) => return Err(code).context("cannot delete a topic"),
            }
        }
        Ok(())
    })
    .await
}

/// Adds partitions to a topic.
pub(super) async fn grow(servers: &str, topic: &str, partitions: i32) -> Result<()> {
    let admin = admin(servers)?;
    let count = usize::try_from(partitions).context("partitions")?;
    let wanted = NewPartitions::new(topic, count);
    patiently(|| async {
        for answer in admin.create_partitions([&wanted], &options()).await? {
            match answer {
                // It may have them already, from a request whose answer was lost.
                Ok(_) | Err((_, Code::InvalidPartitions)) => {}
                Err((_, code)) => return Err(code).context("cannot add partitions"),
            }
        }
        Ok(())
    })
    .await
}

/// Sets these properties of a topic, and all others to their defaults.
pub(super) async fn set(servers: &str, topic: &str, settings: &[(&str, &str)]) -> Result<()> {
    let mut wanted = AlterConfig::new(ResourceSpecifier::Topic(topic));
    for (name, value) in settings {
        wanted = wanted.set(name, value);
    }
    configure(servers, wanted).await
}

/// Sets all properties of a topic to their defaults.
pub(super) async fn reset(servers: &str, topic: &str) -> Result<()> {
    configure(servers, AlterConfig::new(ResourceSpecifier::Topic(topic))).await
}

async fn configure(servers: &str, wanted: AlterConfig<'_>) -> Result<()> {
    let admin = admin(servers)?;
    patiently(|| async {
        for answer in admin.alter_configs([&wanted], &options()).await? {
            if let Err((_, code)) = answer {
                return Err(code).context("cannot configure a topic");
            }
        }
        Ok(())
    })
    .await
}

/// The committed offset of each partition that has one, with its metadata. It blocks.
pub(super) fn committed(
    consumer: &BaseConsumer,
    topic: &str,
    partitions: i32,
) -> Result<BTreeMap<i32, (i64, String)>> {
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition(topic, partition);
    }
    let list = consumer.committed_offsets(list, LIMIT)?;
    let found = list.elements().into_iter().filter_map(|element| {
        element.error().ok()?;
        let committed = (element.offset().to_raw()?, element.metadata().to_owned());
        Some((element.partition(), committed))
    });
    Ok(found.filter(|(_, (offset, _))| *offset >= 0).collect())
}

/// The lag of each partition: records between the committed offset and the end. It blocks.
pub(super) fn lag(servers: &str, names: &Names, partitions: i32) -> Result<BTreeMap<i32, i64>> {
    let consumer: BaseConsumer = config(servers, &names.group).create()?;
    let ends = ends(&consumer, &names.requests, partitions)?;
    let committed = committed(&consumer, &names.requests, partitions)?;
    let behind = ends.into_iter().map(|(partition, end)| {
        let (next, _) = committed.get(&partition).cloned().unwrap_or_default();
        (partition, end - next)
    });
    Ok(behind.collect())
}
