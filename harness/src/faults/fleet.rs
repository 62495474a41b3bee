//! The instances of the service in a round. One that ends is started again, as a supervisor does.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

use super::conditions::Conditions;
use super::kind::Fault;
use super::plan::{INSTANCES, Membership, Policy, Round};
use super::topics::Names;
use super::world::World;
use crate::service::{Service, ServiceOptions};

/// After this time without a heartbeat, the group removes a member.
const SESSION: &str = "session.timeout.ms=6000";
/// How soon members learn about a rebalance. Below a third of the session timeout, as Kafka recommends.
const HEARTBEAT: &str = "heartbeat.interval.ms=1000";
const ASSIGNED: &str = "group.protocol=consumer";
/// After this time, the broker removes a member that does not hand over a partition. librdkafka 2.12.1 does not hand it
/// over if the heartbeat with that order timed out: it does not ask again.
const REBALANCE: &str = "max.poll.interval.ms=20000";
const PAUSE: Duration = Duration::from_millis(300);
/// How long an instance may take to start. Broker and store may be starting too.
const START_LIMIT: Duration = Duration::from_secs(120);

/// All instances. One that a fault has taken is missing.
#[derive(Debug)]
pub(super) struct Fleet<'a> {
    world: &'a World,
    options: ServiceOptions,
    /// Whether each instance has a name in its group.
    is_static: bool,
    /// Whether Kafka may lose records that it accepted.
    is_unclean: bool,
    folder: PathBuf,
    instances: Vec<RefCell<Option<Service>>>,
    starts: Cell<u32>,
    misbehaviour: RefCell<Vec<String>>,
    told_to_end: Cell<u32>,
}

/// The service's options in a round.
pub(super) fn options(
    world: &World,
    names: &Names,
    round: &Round,
    conditions: &Conditions,
) -> ServiceOptions {
    let mut arguments = match round.membership {
        Membership::Classic | Membership::Static => vec!["-X", SESSION, "-X", HEARTBEAT],
        // For these members the broker decides both.
        Membership::Assigned => vec!["-X", ASSIGNED, "-X", REBALANCE],
    };
    for property in &conditions.properties {
        arguments.extend(["-X", property]);
    }
    arguments.extend(["--dead-letter-topic", &names.dead_letters]);
    if round.policy == Policy::Retry {
        arguments.extend(["--on-failure", "retry", "--max-attempts", "8"]);
        arguments.extend(["--retry-backoff", "100ms", "--max-retry-backoff", "2s"]);
    }
    ServiceOptions {
        program: conditions.order_service.clone(),
        dispatch: Some(round.dispatch.to_owned()),
        group_id: Some(names.group.clone()),
        kafka_url: Some(world.proxied_kafka.clone()),
        store_url: Some(world.proxied_store.clone()),
        topic_prefix: names.prefix.clone(),
        arguments: arguments.into_iter().map(str::to_owned).collect(),
        log: None,
        stop: conditions.stop.clone(),
    }
}

impl<'a> Fleet<'a> {
    /// Starts all instances, and waits until they are ready. Their logs go to the folder.
    pub(super) async fn start(
        world: &'a World,
        options: ServiceOptions,
        round: &Round,
        folder: PathBuf,
    ) -> Result<Self> {
        let fleet = Self {
            world,
            options,
            is_static: round.membership == Membership::Static,
            is_unclean: round.has(|fault| fault == Fault::UncleanElection),
            folder,
            instances: (0..INSTANCES).map(|_| RefCell::new(None)).collect(),
            starts: Cell::new(0),
            misbehaviour: RefCell::default(),
            told_to_end: Cell::new(0),
        };
        for index in 0..INSTANCES {
            fleet.spawn(index)?;
        }
        for index in 0..INSTANCES {
            fleet.until_ready(index).await?;
        }
        Ok(fleet)
    }

    /// Starts an instance, but does not wait.
    pub(super) fn spawn(&self, index: usize) -> Result<()> {
        self.starts.set(self.starts.get() + 1);
        let name = format!("service-{index}-start-{}.log", self.starts.get());
        let mut options = ServiceOptions {
            log: Some(self.folder.join(name)),
            ..self.options.clone()
        };
        if self.is_static {
            let name = format!("group.instance.id=instance-{index}");
            options.arguments.extend(["-X".to_owned(), name]);
        }
        let service = Service::spawn(&self.world.stack.borrow(), &options)?;
        self.give_back(index, service);
        Ok(())
    }

    /// Waits until an instance is ready. If it ends because it finds no broker or store, as it should, this starts it
    /// again.
    pub(super) async fn until_ready(&self, index: usize) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let Some(mut service) = self.take(index) else {
                return Ok(());
            };
            let Err(error) = service.until_ready(&self.options.stop).await else {
                self.give_back(index, service);
                return Ok(());
            };
            let has_ended = service.child().try_wait()?.is_some();
            if error.is::<crate::Interrupted>() || !has_ended || Instant::now() > deadline {
                return Err(error);
            }
            sleep(PAUSE).await;
            self.spawn(index)?;
        }
    }

    /// Takes an instance for a fault, so that its end does not count as misbehaviour.
    pub(super) fn take(&self, index: usize) -> Option<Service> {
        self.instances.get(index)?.borrow_mut().take()
    }

    pub(super) fn give_back(&self, index: usize, service: Service) {
        if let Some(place) = self.instances.get(index) {
            *place.borrow_mut() = Some(service);
        }
    }

    pub(super) fn blame(&self, what: String) {
        self.misbehaviour.borrow_mut().push(what);
    }

    /// Notes an instance that ended with an error: as one with an error that Kafka calls fatal, or as misbehaviour.
    /// `log` ends with the last line of its log.
    pub(super) fn note_end(&self, log: &str, what: String) {
        if is_told_to_end(log, self.is_static, self.is_unclean) {
            self.told_to_end.set(self.told_to_end.get() + 1);
        } else {
            self.blame(what);
        }
    }

    pub(super) fn misbehaviour(&self) -> Vec<String> {
        self.misbehaviour.borrow().clone()
    }

    /// The number of instances that ended after an error that Kafka calls fatal.
    pub(super) fn told_to_end(&self) -> u32 {
        self.told_to_end.get()
    }

    /// The processes of the running instances.
    pub(super) fn processes(&self) -> Vec<(String, u32)> {
        let ids = self
            .instances
            .iter()
            .enumerate()
            .filter_map(|(index, place)| {
                let id = place.borrow_mut().as_mut()?.child().id()?;
                Some((format!("service-{index}"), id))
            });
        ids.collect()
    }

    /// Notes each instance that has ended by itself, and starts it again.
    pub(super) fn supervise(&self) -> Result<()> {
        for index in 0..INSTANCES {
            let Some(mut service) = self.take(index) else {
                continue;
            };
            match service.child().try_wait()? {
                None => self.give_back(index, service),
                Some(status) => {
                    let tail = service.child().log_tail();
                    let what = format!("instance {index} ended by itself ({status}); {tail}");
                    self.note_end(&tail, what);
                    self.spawn(index)?;
                }
            }
        }
        Ok(())
    }

    /// Stops all instances at the same time, gracefully.
    pub(super) async fn stop(&self) -> Result<()> {
        let mut stopping = tokio::task::JoinSet::new();
        for index in 0..INSTANCES {
            match self.take(index) {
                Some(mut service) => {
                    let log = service.child().log().to_owned();
                    stopping.spawn(async { (log, service.stop().await) });
                }
                None => bail!("instance {index} does not run"),
            }
        }
        while let Some(stopped) = stopping.join_next().await {
            if let (log, Err(error)) = stopped? {
                let told = fs::read_to_string(log).unwrap_or_default();
                self.note_end(&told, format!("{error:#}"));
            }
        }
        Ok(())
    }
}

/// Whether an instance ended after an error that Kafka calls fatal. Static members: after the group's coordinator has
/// come back, their name may have another member id, as if another process had the same name. Producers: they cannot go
/// on after an unclean election has lost their records.
fn is_told_to_end(told: &str, is_static: bool, is_unclean: bool) -> bool {
    let last = told.lines().rev().find(|line| !line.trim().is_empty());
    last.is_some_and(|line| {
        let is_fenced = line.contains("(Fatal)") && line.contains("FencedInstanceId");
        let has_lost = line.contains("the producer failed for good: OutOfOrderSequenceNumber");
        is_static && is_fenced || is_unclean && has_lost
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_kafka_calls_fatal_is_an_end_as_told() {
        let fenced = "order-service: --kafka: (Fatal) Message consumption error: FencedInstanceId (Broker: ...)";
        let lost = "order-service: --kafka: the producer failed for good: OutOfOrderSequenceNumber (Broker: ...)";
        let told = |line: &str| format!("last lines of a log:\n  | draining\n  | {line}\n");
        assert!(is_told_to_end(&told(fenced), true, false));
        assert!(!is_told_to_end(&told(fenced), false, true));
        assert!(is_told_to_end(&told(lost), false, true));
        assert!(!is_told_to_end(&told(lost), true, false));
        for other in [
            &format!("{fenced}\n  | panicked"),
            "WARN OffsetCommit failed: FencedInstanceId",
            "",
        ] {
            assert!(!is_told_to_end(other, true, true), "{other}");
        }
    }
}
