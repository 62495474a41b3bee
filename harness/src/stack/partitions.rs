//! The replicas and leaders of partitions: reads, elects and reassigns them.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::task::spawn_blocking;

use super::protocol::{Body, Request, ask};
use super::topics::client_config;

const LIMIT: Duration = Duration::from_secs(5);
const LIMIT_MS: i32 = 10_000;

const ELECT_LEADERS: Request = Request {
    api: 43,
    version: 1,
    is_flexible: false,
};
const PREFERRED: u8 = 0;
const ALL_PARTITIONS: i32 = -1;

const ALTER_PARTITION_REASSIGNMENTS: Request = Request {
    api: 45,
    version: 0,
    is_flexible: true,
};

/// The brokers of a partition, by their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Partition {
    /// The leader, if there is one.
    pub(crate) leader: Option<i32>,
    /// All replicas. The first is the preferred leader.
    pub(crate) replicas: Vec<i32>,
    pub(crate) in_sync: Vec<i32>,
}

/// The partitions of each topic, also of Kafka's own topics.
pub(crate) async fn partitions(
    servers: &str,
) -> Result<BTreeMap<String, BTreeMap<i32, Partition>>> {
    let asker: BaseConsumer = client_config(servers, &[]).set("log_level", "0").create()?;
    // librdkafka blocks here.
    spawn_blocking(move || {
        let metadata = asker.fetch_metadata(None, LIMIT);
        let metadata = metadata.context("no answer to a metadata request")?;
        let topics = metadata.topics().iter().map(|topic| {
            let partitions = topic.partitions().iter().map(|one| {
                let partition = Partition {
                    leader: Some(one.leader()).filter(|leader| *leader >= 0),
                    replicas: one.replicas().to_vec(),
                    in_sync: one.isr().to_vec(),
                };
                (one.id(), partition)
            });
            (topic.name().to_owned(), partitions.collect())
        });
        Ok(topics.collect())
    })
    .await
    .context("metadata request")?
}

/// Makes the first replica of each partition its leader, if that is in sync.
pub(crate) async fn elect_preferred(servers: &str) -> Result<()> {
    let mut body = Body::default();
    body.byte(PREFERRED).number(ALL_PARTITIONS).number(LIMIT_MS);
    let mut answer = ask(servers, ELECT_LEADERS, &body).await?;
    // The throttle time.
    answer.take(4)?;
    refused("elect leaders", answer.code()?)
}

/// Gives each partition of a topic these replicas. The copying goes on after the answer.
pub(crate) async fn reassign(
    servers: &str,
    topic: &str,
    wanted: &BTreeMap<i32, Vec<i32>>,
) -> Result<()> {
    let mut body = Body::default();
    body.number(LIMIT_MS).compact_count(1).compact_string(topic);
    body.compact_count(wanted.len());
    for (partition, replicas) in wanted {
        body.number(*partition).compact_count(replicas.len());
        for replica in replicas {
            body.number(*replica);
        }
        body.end();
    }
    body.end().end();
    let mut answer = ask(servers, ALTER_PARTITION_REASSIGNMENTS, &body).await?;
    answer.take(4)?;
    refused("reassign partitions", answer.code()?)?;
    let _message = answer.compact_string()?;
    for _topic in 0..answer.compact_count()? {
        let _name = answer.compact_string()?;
        for _partition in 0..answer.compact_count()? {
            answer.take(4)?;
            refused("reassign a partition", answer.code()?)?;
            let _message = answer.compact_string()?;
            answer.end()?;
        }
        answer.end()?;
    }
    Ok(())
}

pub(super) fn refused(what: &str, code: i16) -> Result<()> {
    match code {
        0 => Ok(()),
        code => bail!("the broker refuses to {what} (code {code})"),
    }
}
