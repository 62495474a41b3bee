//! A reply topic that a run creates for itself, and deletes again however it ends.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};

use super::diagnostics::Diagnostics;
use super::{KafkaSettings, KafkaTransportError};

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
        let name = name.to_owned();
        match admin.create(&name, partitions) {
            Ok(()) => Ok(Self { admin, name }),
            Err(reason) => Err(KafkaTransportError::OwnTopic {
                topic: name,
                reason,
            }),
        }
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
