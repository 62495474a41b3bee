//! Checks the topics of a run before the first request. Creates a run's own reply topic, and deletes it however the run
//! ends.

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication, TopicResult};
use rdkafka::client::Client;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::{Metadata, MetadataPartition};

use crate::transport::kafka::{Context, KafkaSettings, KafkaTransportError, short};

const ADMIN_PATIENCE: Duration = Duration::from_secs(10);
/// The broker's default number of replicas, see KIP-464.
pub(super) const DEFAULT_REPLICATION: TopicReplication<'static> = TopicReplication::Fixed(-1);

/// Creates and deletes topics.
trait TopicAdmin: Send + Sync + 'static {
    fn create(&self, name: &str, partitions: i32) -> Result<(), String>;
    fn delete(&self, name: &str) -> Result<(), String>;
}

/// A topic that exists as long as this value. Dropping it blocks until the broker has answered.
pub(super) struct OwnTopic {
    admin: Box<dyn TopicAdmin>,
    name: String,
}

impl OwnTopic {
    /// Creates the run's reply topic.
    pub(super) fn create(
        settings: &KafkaSettings,
        partitions: i32,
    ) -> Result<Self, KafkaTransportError> {
        let admin: AdminClient<_> = settings
            .admin_config()
            .create_with_context(Context::default())
            .map_err(|error| KafkaTransportError::client("admin client", error))?;
        Self::create_by(Box::new(admin), &settings.reply_topic, partitions)
    }

    fn create_by(
        admin: Box<dyn TopicAdmin>,
        name: &str,
        partitions: i32,
    ) -> Result<Self, KafkaTransportError> {
        let refused = |reason| {
            KafkaTransportError::Unusable(format!(
                "--own-reply-topic: {name} could not be created: {reason}; create a topic yourself and name it by \
                 --reply-topic"
            ))
        };
        admin.create(name, partitions).map_err(refused)?;
        let name = name.to_owned();
        Ok(Self { admin, name })
    }
}

impl Drop for OwnTopic {
    fn drop(&mut self) {
        if let Err(reason) = self.admin.delete(&self.name) {
            let topic = &self.name;
            tracing::warn!(
                topic,
                reason,
                "the run's own reply topic was not deleted; delete it yourself"
            );
        }
    }
}

impl TopicAdmin for AdminClient<Context> {
    fn create(&self, name: &str, partitions: i32) -> Result<(), String> {
        let topic = NewTopic::new(name, partitions, DEFAULT_REPLICATION);
        blocking(self.create_topics([&topic], &options()))
    }

    fn delete(&self, name: &str) -> Result<(), String> {
        blocking(self.delete_topics(&[name], &options()))
    }
}

pub(super) fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(ADMIN_PATIENCE))
        .operation_timeout(Some(ADMIN_PATIENCE))
}

/// Waits on a separate thread, because the caller may be inside a runtime, where it must not block.
fn blocking(
    work: impl Future<Output = Result<Vec<TopicResult>, KafkaError>> + Send,
) -> Result<(), String> {
    let failed = on_a_thread(work)?.into_iter().find_map(Result::err);
    failed.map_or(Ok(()), |(_, code)| Err(code.to_string()))
}

/// Does the same, and returns the result for each topic.
pub(super) fn on_a_thread(
    work: impl Future<Output = Result<Vec<TopicResult>, KafkaError>> + Send,
) -> Result<Vec<TopicResult>, String> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            let runtime = runtime.map_err(|error| error.to_string())?;
            runtime.block_on(work).map_err(|error| short(&error))
        });
        let ended = thread.join();
        ended.unwrap_or_else(|_| Err("the admin client failed".to_owned()))
    })
}

/// How long a broker may take to answer at all.
const BROKER_PATIENCE: Duration = Duration::from_secs(8);
/// How long a topic may take to appear: not all brokers know a new topic at once.
const TOPIC_PATIENCE: Duration = Duration::from_secs(2);
/// How long an existing topic may be without a leader: it may be new, or its leader may be moving.
const LEADER_PATIENCE: Duration = Duration::from_secs(10);
const TOPIC_RETRY_PAUSE: Duration = Duration::from_millis(100);

/// A partition, and the address of the broker that leads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Partition {
    pub(super) id: i32,
    pub(super) leader: String,
}

/// A topic, and the flag that names it.
pub(super) type Named<'a> = (&'a str, &'static str);

/// Asks the cluster for a topic until all its partitions can be used, and returns them. Each name comes with its flag.
pub(super) fn partitions(
    client: &Client<Context>,
    (brokers, of_brokers): Named<'_>,
    (topic, flag): Named<'_>,
) -> Result<Vec<Partition>, KafkaTransportError> {
    let started = Instant::now();
    loop {
        let metadata = client.fetch_metadata(Some(topic), BROKER_PATIENCE);
        let metadata = metadata.map_err(|error| {
            let (reason, seconds) = (client.context().reason(&error), BROKER_PATIENCE.as_secs());
            KafkaTransportError::Unusable(format!(
                "no broker answered at {brokers} within {seconds} s ({reason}); start one, or change {of_brokers}"
            ))
        })?;
        let mut topics = metadata.topics().iter();
        let found = topics.find(|found| found.name() == topic);
        let there = found.map_or(&[][..], |found| found.partitions());
        let error = match found {
            None => Some(RDKafkaErrorCode::UnknownTopicOrPartition),
            Some(found) => {
                let error = found.error();
                let error = error.or_else(|| there.iter().find_map(MetadataPartition::error));
                error.map(RDKafkaErrorCode::from)
            }
        };
        let Some(error) = error else {
            let partition = |own: &MetadataPartition| Partition {
                id: own.id(),
                leader: address(&metadata, own.leader()),
            };
            return Ok(there.iter().map(partition).collect());
        };
        let is_missing = matches!(
            error,
            RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic
        );
        let patience = match error {
            _ if is_missing => TOPIC_PATIENCE,
            RDKafkaErrorCode::LeaderNotAvailable => LEADER_PATIENCE,
            _ => Duration::ZERO,
        };
        if started.elapsed() >= patience {
            return Err(match is_missing {
                true => KafkaTransportError::NoTopic(format!(
                    "topic {topic} does not exist at {brokers}; create it, or change {flag}"
                )),
                false => unusable((topic, flag), &error.to_string()),
            });
        }
        std::thread::sleep(TOPIC_RETRY_PAUSE);
    }
}

fn unusable((topic, flag): Named<'_>, reason: &str) -> KafkaTransportError {
    KafkaTransportError::Unusable(format!(
        "topic {topic} cannot be used: {reason}; change {flag}, or the rights of this client"
    ))
}

fn address(metadata: &Metadata, id: i32) -> String {
    let mut brokers = metadata.brokers().iter();
    let broker = brokers.find(|broker| broker.id() == id);
    let address = broker.map(|broker| format!("{}:{}", broker.host(), broker.port()));
    address.unwrap_or_else(|| format!("broker {id}"))
}

/// Asks the leader of a partition for the partition's end offset.
pub(super) fn end_offset(
    client: &Client<Context>,
    settings: &KafkaSettings,
    named: Named<'_>,
    partition: &Partition,
) -> Result<i64, KafkaTransportError> {
    let found = client.fetch_watermarks(named.0, partition.id, BROKER_PATIENCE);
    let (_, end) = found.map_err(|error| match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::Resolve
            | RDKafkaErrorCode::AllBrokersDown,
        ) => {
            let (reason, seconds) = (client.context().reason(&error), BROKER_PATIENCE.as_secs());
            let (brokers, address, topic) = (&settings.brokers, &partition.leader, named.0);
            KafkaTransportError::Unusable(format!(
                "{brokers} names {address} as a leader of topic {topic}, but nobody answers there within {seconds} s \
                 ({reason}); correct advertised.listeners of that broker, or let this machine resolve and reach its \
                 address"
            ))
        }
        _ => unusable(named, &format!("its end offset is unknown ({error})")),
    })?;
    Ok(end)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Fake {
        calls: Arc<Mutex<Vec<String>>>,
        refuses: bool,
    }

    impl TopicAdmin for Fake {
        fn create(&self, name: &str, partitions: i32) -> Result<(), String> {
            let call = format!("create {name} {partitions}");
            self.calls.lock().unwrap().push(call);
            if self.refuses {
                return Err("Broker: Topic authorization failed".to_owned());
            }
            Ok(())
        }

        fn delete(&self, name: &str) -> Result<(), String> {
            self.calls.lock().unwrap().push(format!("delete {name}"));
            Ok(())
        }
    }

    #[test]
    fn a_topic_lives_as_long_as_its_owner() {
        let fake = Fake::default();
        let own = OwnTopic::create_by(Box::new(fake.clone()), "mine", 3).unwrap();
        assert_eq!(*fake.calls.lock().unwrap(), ["create mine 3"]);
        drop(own);
        assert_eq!(
            *fake.calls.lock().unwrap(),
            ["create mine 3", "delete mine"]
        );
    }

    #[test]
    fn a_refusal_names_the_flag_and_deletes_nothing() {
        let fake = Fake {
            refuses: true,
            ..Fake::default()
        };
        let refused = OwnTopic::create_by(Box::new(fake.clone()), "mine", 3).err();
        let told = refused.unwrap().to_string();
        assert!(
            told.starts_with("--own-reply-topic: mine could not be created: "),
            "{told}"
        );
        assert!(told.contains("authorization"), "{told}");
        assert_eq!(*fake.calls.lock().unwrap(), ["create mine 3"]);
    }
}
