//! The topics of a run: what is checked before the first request, and a reply topic that a run creates for
//! itself, and deletes again however it ends.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::{Metadata, MetadataPartition};

use crate::transport::kafka::{Diagnostics, KafkaSettings, KafkaTransportError};

const ADMIN_PATIENCE: Duration = Duration::from_secs(10);
/// As many replicas as the broker gives by default, see KIP-464.
const DEFAULT_REPLICATION: TopicReplication<'static> = TopicReplication::Fixed(-1);

/// Creates and deletes topics.
pub(super) trait TopicAdmin: Send + Sync + 'static {
    fn create(&self, name: &str, partitions: i32) -> Result<(), String>;
    fn delete(&self, name: &str) -> Result<(), String>;
}

/// A topic that exists as long as this value. Dropping it blocks until the broker has answered.
pub(super) struct OwnTopic {
    admin: Box<dyn TopicAdmin>,
    name: String,
}

impl OwnTopic {
    /// Creates the topic, if the settings ask for it.
    pub(super) fn create(settings: &KafkaSettings) -> Result<Option<Self>, KafkaTransportError> {
        let Some(partitions) = settings.service.own_reply_topic else {
            return Ok(None);
        };
        let admin = settings
            .admin_config()
            .create_with_context(Diagnostics::default())
            .map_err(|error| KafkaTransportError::client("admin client", error))?;
        let admin = Box::new(KafkaAdmin(Arc::new(admin)));
        Self::create_by(admin, &settings.reply_topic, partitions).map(Some)
    }

    fn create_by(
        admin: Box<dyn TopicAdmin>,
        name: &str,
        partitions: i32,
    ) -> Result<Self, KafkaTransportError> {
        let refused = |reason| {
            KafkaTransportError::Unusable(format!(
                "--own-reply-topic: {name} could not be created: {reason}; create a topic by hand and name it by --reply-topic"
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
                "the run's own reply topic was not deleted; delete it by hand"
            );
        }
    }
}

struct KafkaAdmin(Arc<AdminClient<Diagnostics>>);

impl TopicAdmin for KafkaAdmin {
    fn create(&self, name: &str, partitions: i32) -> Result<(), String> {
        let (admin, name) = (Arc::clone(&self.0), name.to_owned());
        blocking(async move {
            let topic = NewTopic::new(&name, partitions, DEFAULT_REPLICATION);
            let created = admin.create_topics([&topic], &options()).await;
            outcome(created)
        })
    }

    fn delete(&self, name: &str) -> Result<(), String> {
        let (admin, name) = (Arc::clone(&self.0), name.to_owned());
        blocking(async move { outcome(admin.delete_topics(&[&*name], &options()).await) })
    }
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(ADMIN_PATIENCE))
        .operation_timeout(Some(ADMIN_PATIENCE))
}

fn outcome(
    told: Result<Vec<rdkafka::admin::TopicResult>, rdkafka::error::KafkaError>,
) -> Result<(), String> {
    let results = told.map_err(|error| {
        let code = error.rdkafka_error_code();
        code.map_or_else(|| error.to_string(), |code| code.to_string())
    })?;
    let failed = results.into_iter().find_map(Result::err);
    failed.map_or(Ok(()), |(_, code)| Err(code.to_string()))
}

/// Waits on a thread of its own, for the caller may be inside of a runtime, where it must not.
fn blocking(work: impl Future<Output = Result<(), String>> + Send + 'static) -> Result<(), String> {
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.map_err(|error| error.to_string())?.block_on(work)
    });
    let ended = thread.join();
    ended.unwrap_or_else(|_| Err("the admin client failed".to_owned()))
}

/// Lets the one who gives a connection up wait until what it created is gone.
#[derive(Clone, Default)]
pub(super) struct SetupGuard(Arc<(Mutex<Progress>, Condvar)>);

#[derive(Default)]
struct Progress {
    creating: bool,
    abandoned: bool,
    ended: bool,
}

impl SetupGuard {
    /// Announces that something will be created; false if it is not wanted any more.
    pub(super) fn begin(&self) -> bool {
        let mut progress = self.lock();
        progress.creating = !progress.abandoned;
        progress.creating
    }

    /// Tells that all that was created is gone, or has an owner.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.0.1.notify_all();
    }

    /// Gives up. Waits if something was created, or is being created, until it is gone.
    pub(super) fn abandon(&self) {
        let mut progress = self.lock();
        progress.abandoned = true;
        while progress.creating && !progress.ended {
            let waited = self.0.1.wait(progress);
            progress = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a broker may take to answer at all.
const BROKER_PATIENCE: Duration = Duration::from_secs(8);
/// How long a topic may take to appear: one that was just created is not known everywhere at once.
const TOPIC_PATIENCE: Duration = Duration::from_secs(2);
const TOPIC_RETRY_PAUSE: Duration = Duration::from_millis(100);

/// A partition, and the address of the broker that leads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Partition {
    pub(super) id: i32,
    pub(super) leader: String,
}

/// A topic, and the flag that names it.
pub(super) type Named<'a> = (&'a str, &'static str);

/// Asks the cluster for a topic until all its partitions can be used; answers them.
pub(super) fn partitions<C: ClientContext>(
    client: &Client<C>,
    diagnostics: &Diagnostics,
    settings: &KafkaSettings,
    named: Named<'_>,
) -> Result<Vec<Partition>, KafkaTransportError> {
    let started = Instant::now();
    loop {
        let metadata = client.fetch_metadata(Some(named.0), BROKER_PATIENCE);
        let metadata = metadata.map_err(|error| {
            let reason = diagnostics.last_error();
            let (reason, brokers) = (reason.unwrap_or(error.to_string()), &settings.brokers);
            let seconds = BROKER_PATIENCE.as_secs();
            KafkaTransportError::Unusable(format!(
                "no broker answered at {brokers} within {seconds} s ({reason}); start one, or change --host"
            ))
        })?;
        let mut topics = metadata.topics().iter();
        let found = topics.find(|found| found.name() == named.0);
        let error = match found {
            None => Some(RDKafkaErrorCode::UnknownTopicOrPartition),
            Some(found) => {
                let mut partitions = found.partitions().iter();
                let error = found.error();
                let error = error.or_else(|| partitions.find_map(MetadataPartition::error));
                error.map(RDKafkaErrorCode::from)
            }
        };
        let Some(error) = error else {
            let partitions = found.map_or(&[][..], |found| found.partitions());
            let partition = |own: &MetadataPartition| Partition {
                id: own.id(),
                leader: address(&metadata, own.leader()),
            };
            return Ok(partitions.iter().map(partition).collect());
        };
        let is_missing = matches!(
            error,
            RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic
        );
        let may_pass = is_missing || error == RDKafkaErrorCode::LeaderNotAvailable;
        if started.elapsed() >= TOPIC_PATIENCE || !may_pass {
            let ((topic, flag), brokers) = (named, &settings.brokers);
            return Err(match is_missing {
                true => KafkaTransportError::Unusable(format!(
                    "topic {topic} does not exist at {brokers}; create it, or change {flag}"
                )),
                false => unusable(named, &error.to_string()),
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
    broker.map_or_else(
        || format!("broker {id}"),
        |broker| format!("{}:{}", broker.host(), broker.port()),
    )
}

/// The first and the end offset of a partition, for which its leader is asked.
pub(super) fn watermarks<C: ClientContext>(
    client: &Client<C>,
    diagnostics: &Diagnostics,
    settings: &KafkaSettings,
    named: Named<'_>,
    partition: &Partition,
) -> Result<(i64, i64), KafkaTransportError> {
    let found = client.fetch_watermarks(named.0, partition.id, BROKER_PATIENCE);
    found.map_err(|error| {
        if !is_out_of_reach(&error) {
            return unusable(named, &format!("its end offset is unknown ({error})"));
        }
        let reason = diagnostics.last_error();
        let (reason, brokers) = (reason.unwrap_or(error.to_string()), &settings.brokers);
        let (topic, address, seconds) = (named.0, &partition.leader, BROKER_PATIENCE.as_secs());
        KafkaTransportError::Unusable(format!(
            "{brokers} names {address} as a leader of topic {topic}, and nobody answers there within {seconds} s \
             ({reason}); mend advertised.listeners of that broker, or let this machine resolve and reach its address"
        ))
    })
}

fn is_out_of_reach(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::AllBrokersDown
        )
    )
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn what_is_given_up_before_it_begins_is_not_created() {
        let guard = SetupGuard::default();
        guard.abandon();
        assert!(!guard.begin());
    }

    #[test]
    fn giving_up_waits_until_what_was_created_is_gone() {
        let (fake, guard) = (Fake::default(), SetupGuard::default());
        assert!(guard.begin());
        let own = OwnTopic::create_by(Box::new(fake.clone()), "mine", 1).unwrap();
        let thread = {
            let guard = guard.clone();
            std::thread::spawn(move || {
                drop(own);
                guard.end();
            })
        };
        guard.abandon();
        assert_eq!(fake.calls.lock().unwrap().last().unwrap(), "delete mine");
        thread.join().unwrap();
    }
}
