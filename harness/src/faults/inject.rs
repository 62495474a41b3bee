//! Starts and ends each fault. Faults of processes and connections are here, the others in the modules below.

mod cluster;
mod store;
mod topics;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::answers::{Log, Reader};
use super::client::Client;
use super::clock;
use super::evidence::Span;
use super::fleet::Fleet;
use super::kind::Fault;
use super::plan::{INSTANCES, Planned};
use super::proxy::Quality;
use super::store::{ALONE, FULL};
use super::topics::Names;
use super::world::World;
use crate::process::Child;
use crate::stack::{Right, Stack};

const PAUSE: Duration = Duration::from_millis(50);
/// How long a process may take to end.
const LIMIT: Duration = Duration::from_secs(90);
/// Last lines of a log to search for the cause of an error exit.
const LAST_WORDS: usize = 20;
const STORE_LATE: Duration = Duration::from_millis(300);
const BROKER_LATE: Duration = Duration::from_millis(200);
/// Bytes per second, below the need of the load.
const NARROW: u32 = 16 << 10;

/// The parts that a fault may strike.
pub(super) struct Scene<'a> {
    pub(super) world: &'a World,
    pub(super) names: &'a Names,
    pub(super) fleet: &'a Fleet<'a>,
    pub(super) client: &'a Client,
    /// The reader of the replies. A new topic gets a new reader.
    pub(super) replies: &'a RefCell<Option<Reader>>,
    pub(super) log: &'a Log,
    /// The time without the reply topic, or the request topic.
    pub(super) replies_gone: &'a RefCell<Option<Span>>,
    pub(super) requests_gone: &'a RefCell<Option<Span>>,
    /// The time in which a leader was alone in sync, before another leader without its last records.
    pub(super) alone: &'a RefCell<Option<Span>>,
    /// Whether requests are sent in compressed batches.
    pub(super) zstd: &'a Cell<bool>,
}

impl Scene<'_> {
    /// Makes one fault, and waits until the part works again. The span ends when the repair begins, so that the time of
    /// a new start counts as recovery.
    pub(super) async fn inject(&self, planned: &Planned) -> Result<Span> {
        sleep(planned.begin()).await;
        let begin = clock::now();
        let (length, victim) = (planned.duration(), planned.victim);
        let end = match planned.fault {
            Fault::KillService => self.kill_service(victim, length).await?,
            Fault::StopService => self.stop_service(victim, length).await?,
            Fault::RollingRestart => self.restart_all(length).await?,
            Fault::PauseShort | Fault::PauseLong => self.pause(victim, length).await?,
            Fault::KillBroker => {
                self.kill_broker(victim % self.world.brokers(), length)
                    .await?
            }
            Fault::KillStore => self.kill_store(length).await?,
            Fault::KillClient => self.kill_client(length).await?,
            Fault::StoreSlow => self.store(Quality::Late(STORE_LATE), length).await,
            Fault::StoreFull => self.configure(FULL, length).await?,
            Fault::StoreErrors => self.configure(ALONE, length).await?,
            Fault::StoreFrozen => self.store(Quality::Frozen, length).await,
            Fault::StoreLoading => self.load_store(length).await?,
            Fault::StoreFailover => self.fail_over().await?,
            Fault::BrokerCut => self.broker(Quality::Cut, length).await,
            Fault::BrokerDelay => self.broker(Quality::Late(BROKER_LATE), length).await,
            Fault::BrokerThrottle => self.broker(Quality::Narrow(NARROW), length).await,
            Fault::ReplyTopicRemade => self.remake_replies(length).await?,
            Fault::RequestTopicRemade => self.remake_requests(length).await?,
            Fault::PartitionsAdded => self.add_partitions().await?,
            Fault::ReadDenied => self.deny(Right::Read, length).await?,
            Fault::WriteDenied => self.deny(Right::Write, length).await?,
            Fault::OversizedBatches => self.refuse_batches(length).await?,
            Fault::ZstdProducers => self.compress(length).await,
            Fault::ClientDiskFull => {
                let wrong = self.client.on_full_disk().await?;
                wrong.into_iter().for_each(|what| self.fleet.blame(what));
                clock::now()
            }
            of_cluster => self.strike_cluster(of_cluster, victim, length).await?,
        };
        Ok(Span { begin, end })
    }

    async fn kill_service(&self, index: usize, length: Duration) -> Result<i64> {
        let mut service = self.fleet.take(index).context("no such instance")?;
        service.child().signal(Signal::KILL);
        service.child().wait().await?;
        sleep(length).await;
        self.bring_up(index).await
    }

    async fn bring_up(&self, index: usize) -> Result<i64> {
        let end = clock::now();
        self.fleet.spawn(index)?;
        self.fleet.until_ready(index).await?;
        Ok(end)
    }

    async fn stop_service(&self, index: usize, length: Duration) -> Result<i64> {
        let mut service = self.fleet.take(index).context("no such instance")?;
        let log = service.child().log().to_owned();
        if let Err(error) = service.stop().await {
            let told = std::fs::read_to_string(log).unwrap_or_default();
            if !may_end_unwell(&told) {
                self.fleet.note_end(&told, format!("{error:#}"));
            }
        }
        sleep(length).await;
        self.bring_up(index).await
    }

    async fn restart_all(&self, length: Duration) -> Result<i64> {
        let mut end = clock::now();
        for index in 0..INSTANCES {
            end = self.stop_service(index, length).await?;
        }
        Ok(end)
    }

    async fn pause(&self, index: usize, length: Duration) -> Result<i64> {
        let mut service = self.fleet.take(index).context("no such instance")?;
        service.child().signal(Signal::STOP);
        sleep(length).await;
        service.child().signal(Signal::CONT);
        self.fleet.give_back(index, service);
        Ok(clock::now())
    }

    async fn kill_broker(&self, broker: usize, length: Duration) -> Result<i64> {
        self.kill(|stack| stack.broker_process(broker)).await?;
        sleep(length).await;
        self.bring_back(&[broker]).await
    }

    /// Starts brokers again, and waits until they are up.
    async fn bring_back(&self, brokers: &[usize]) -> Result<i64> {
        let end = clock::now();
        for broker in brokers {
            self.world.stack.borrow_mut().respawn_broker(*broker)?;
        }
        self.world.until_all_brokers().await?;
        Ok(end)
    }

    /// Kills a part of the stack, and waits until it has ended, so that its port is free.
    async fn kill(&self, part: impl Fn(&mut Stack) -> Result<&mut Child>) -> Result<()> {
        part(&mut self.world.stack.borrow_mut())?.signal(Signal::KILL);
        self.until_gone(part).await
    }

    async fn until_gone(&self, part: impl Fn(&mut Stack) -> Result<&mut Child>) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let ended = part(&mut self.world.stack.borrow_mut())?.try_wait()?;
            if ended.is_some() {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("a process did not end within {LIMIT:?}");
            }
            sleep(PAUSE).await;
        }
    }

    async fn kill_client(&self, length: Duration) -> Result<i64> {
        let mut client = self.client.take().context("no load client runs")?;
        client.signal(Signal::KILL);
        client.wait().await?;
        sleep(length).await;
        self.client.start()?;
        Ok(clock::now())
    }

    /// Gives the service's connections to all brokers this quality for a while.
    async fn broker(&self, quality: Quality, length: Duration) -> i64 {
        for_a_while(|quality| self.world.set_clients(quality), quality, length).await
    }
}

/// Gives connections this quality for this time. Returns when they became good again.
async fn for_a_while(set: impl Fn(Quality), quality: Quality, length: Duration) -> i64 {
    set(quality);
    sleep(length).await;
    set(Quality::Good);
    clock::now()
}

/// Whether a service ended with an error because a mix of faults had taken away the broker, or a right, before its
/// stop. It cannot commit then, and its exit code is right. Other oracles check that nothing is lost by that.
fn may_end_unwell(log: &str) -> bool {
    let mut before = log.lines().rev().take(LAST_WORDS);
    let Some(end) = before.next() else {
        return false;
    };
    let is_denied = end
        .contains("committing the last offsets: Consumer commit error: TopicAuthorizationFailed");
    let is_late = end.contains("the last offsets may not be committed");
    is_denied || is_late && before.any(|line| line.contains("AllBrokersDown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_service_that_lost_its_broker_may_end_without_its_last_commit() {
        let down = r#"WARN kafka client="consumer" error=Global error: AllBrokersDown"#;
        let end = "order-service: --kafka: closed late; the last offsets may not be committed";
        assert!(may_end_unwell(&format!("{down}\n{end}\n")));
        assert!(!may_end_unwell(end));
        assert!(!may_end_unwell(&format!("{down}\norder-service: panicked")));
        let long_ago = format!("{down}\n{}{end}\n", "INFO fine\n".repeat(LAST_WORDS));
        assert!(!may_end_unwell(&long_ago));
    }

    #[test]
    fn a_service_that_lost_the_right_to_commit_may_end_without_its_last_commit() {
        let end = "order-service: --kafka: kafka client: committing the last offsets: Consumer commit error: ";
        let denied = format!(
            "INFO draining\n{end}TopicAuthorizationFailed (Broker: Topic authorization failed)"
        );
        assert!(may_end_unwell(&denied));
        assert!(!may_end_unwell(&format!("{end}IllegalGeneration")));
    }
}
