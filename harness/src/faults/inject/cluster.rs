//! Faults of a cluster: of one broker that leads, coordinates or controls, of most brokers, and of their connections.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use serde_json::Value;
use tokio::time::sleep;

use super::super::clock;
use super::super::evidence::Span;
use super::super::kind::Fault;
use super::super::patience::until;
use super::super::proxy::Quality;
use super::super::topics::{self, PARTITIONS};
use super::super::world::{OFFSETS, World, place};
use super::{Scene, for_a_while};
use crate::stack::{Partition, elect_preferred, partitions, reassign};

/// The file that names the leader of the controllers, in the folder of the cluster's own log.
const QUORUM_STATE: &str = "__cluster_metadata-0/quorum-state";
/// A leader that is alone in sync accepts records only with this setting.
const ONE_IS_ENOUGH: (&str, &str) = ("min.insync.replicas", "1");
const ANYBODY_LEADS: (&str, &str) = ("unclean.leader.election.enable", "true");

impl Scene<'_> {
    pub(super) async fn strike_cluster(
        &self,
        fault: Fault,
        victim: usize,
        length: Duration,
    ) -> Result<i64> {
        let world = self.world;
        let requests = &self.names.requests;
        // The plan's victim chooses the partition.
        let partition = i32::try_from(victim).unwrap_or(0) % PARTITIONS;
        let leader = || until(|| world.leader(requests, partition));
        match fault {
            Fault::KillLeader => self.kill_broker(leader().await?, length).await,
            Fault::KillCoordinator => {
                let coordinator = until(|| world.leader(OFFSETS, 0)).await?;
                self.kill_broker(coordinator, length).await
            }
            Fault::KillController => self.kill_broker(controller(world)?, length).await,
            Fault::RollingBrokers => self.restart_brokers(length).await,
            Fault::MostBrokersDown => self.kill_most(victim, length).await,
            Fault::PauseLeader => self.pause_broker(leader().await?, length).await,
            Fault::LeaderCutFromClients => {
                let leader = leader().await?;
                let set = |quality| world.set_clients_of(leader, quality);
                Ok(for_a_while(set, Quality::Cut, length).await)
            }
            Fault::LeaderCutFromPeers => {
                let leader = leader().await?;
                let set = |quality| world.set_peers_of(leader, quality);
                Ok(for_a_while(set, Quality::Cut, length).await)
            }
            Fault::LeaderLostAlone => self.lose_alone(partition, length, &[ONE_IS_ENOUGH]).await,
            Fault::UncleanElection => {
                let settings = [ONE_IS_ENOUGH, ANYBODY_LEADS];
                self.lose_alone(partition, length, &settings).await
            }
            Fault::PartitionsReassigned => self.reassign().await,
            Fault::LeadersElected => self.elect().await,
            Fault::BrokerDiskFull => self.fill_disk(victim % world.brokers(), length).await,
            other => bail!("{other} is not a fault of a cluster"),
        }
    }

    /// Restarts one broker at a time, as in an upgrade, when the one before is in sync again.
    async fn restart_brokers(&self, length: Duration) -> Result<i64> {
        let world = self.world;
        let mut end = clock::now();
        for broker in 0..world.brokers() {
            self.signal_broker(broker, Signal::TERM)?;
            self.until_gone(|stack| stack.broker_process(broker))
                .await?;
            sleep(length).await;
            end = self.bring_back(&[broker]).await?;
            world.until_whole().await?;
        }
        Ok(end)
    }

    async fn kill_most(&self, survivor: usize, length: Duration) -> Result<i64> {
        let brokers = self.world.brokers();
        let killed: Vec<usize> = (0..brokers)
            .filter(|one| *one != survivor % brokers)
            .collect();
        for broker in &killed {
            self.kill(|stack| stack.broker_process(*broker)).await?;
        }
        sleep(length).await;
        self.bring_back(&killed).await
    }

    fn signal_broker(&self, broker: usize, signal: Signal) -> Result<()> {
        let mut stack = self.world.stack.borrow_mut();
        stack.broker_process(broker)?.signal(signal);
        Ok(())
    }

    async fn pause_broker(&self, broker: usize, length: Duration) -> Result<i64> {
        self.signal_broker(broker, Signal::STOP)?;
        sleep(length).await;
        self.signal_broker(broker, Signal::CONT)?;
        Ok(clock::now())
    }

    /// Cuts off a leader from its peers until it is alone in sync, lets it accept records for a while, and kills it. If
    /// the settings let any replica lead, waits until one does. Otherwise the partition waits for its leader.
    async fn lose_alone(
        &self,
        partition: i32,
        length: Duration,
        settings: &[(&str, &str)],
    ) -> Result<i64> {
        let (world, servers) = (self.world, &self.world.servers);
        let own = [&*self.names.requests, &*self.names.replies];
        for topic in own {
            topics::set(servers, topic, settings).await?;
        }
        let requests = own[0];
        let leader = until(|| world.leader(requests, partition)).await?;
        world.set_peers_of(leader, Quality::Cut);
        let begin = until(|| async {
            let found = world.partition(requests, partition).await?;
            match found.in_sync.len() {
                1 => Ok(clock::now()),
                others => bail!("{others} replicas are in sync"),
            }
        })
        .await?;
        sleep(length).await;
        self.kill(|stack| stack.broker_process(leader)).await?;
        let lost = Span {
            begin,
            end: clock::now(),
        };
        if settings.contains(&ANYBODY_LEADS) {
            *self.alone.borrow_mut() = Some(lost);
            until(|| async {
                match world.leader(requests, partition).await? {
                    other if other != leader => Ok(()),
                    _ => bail!("the killed broker still leads"),
                }
            })
            .await?;
        } else {
            sleep(length).await;
        }
        world.set_peers_of(leader, Quality::Good);
        let end = self.bring_back(&[leader]).await?;
        world.until_whole().await?;
        for topic in own {
            topics::reset(servers, topic).await?;
        }
        Ok(end)
    }

    /// Takes each partition from one of its brokers, and then gives it back, with that broker as the preferred leader.
    async fn reassign(&self) -> Result<i64> {
        for topic in [&*self.names.requests, &*self.names.replies] {
            let before = self.replicas_of(topic).await?;
            let fewer = before
                .iter()
                .map(|(number, all)| (*number, all[..all.len() - 1].to_vec()));
            self.move_to(topic, &fewer.collect()).await?;
            self.move_to(topic, &rotated(&before)).await?;
        }
        self.elect_and_wait().await
    }

    /// Makes another replica the preferred leader of each partition, and elects the preferred leaders.
    async fn elect(&self) -> Result<i64> {
        for topic in [&*self.names.requests, &*self.names.replies] {
            let before = self.replicas_of(topic).await?;
            self.move_to(topic, &rotated(&before)).await?;
        }
        self.elect_and_wait().await
    }

    async fn elect_and_wait(&self) -> Result<i64> {
        let servers = &self.world.servers;
        until(|| elect_preferred(servers)).await?;
        until(|| async {
            let all = partitions(servers).await?;
            let own = all.get(&self.names.requests).context("no request topic")?;
            let leads = |one: &Partition| one.leader == one.replicas.first().copied();
            match own.values().all(leads) {
                true => Ok(()),
                false => bail!("a replica other than the preferred one leads: {own:?}"),
            }
        })
        .await?;
        Ok(clock::now())
    }

    async fn replicas_of(&self, topic: &str) -> Result<BTreeMap<i32, Vec<i32>>> {
        let mut all = partitions(&self.world.servers).await?;
        let own = all.remove(topic).context("a topic is missing")?;
        Ok(own
            .into_iter()
            .map(|(number, one)| (number, one.replicas))
            .collect())
    }

    async fn move_to(&self, topic: &str, wanted: &BTreeMap<i32, Vec<i32>>) -> Result<()> {
        let servers = &self.world.servers;
        until(|| reassign(servers, topic, wanted)).await?;
        until(|| async {
            let all = partitions(servers).await?;
            let own = all.get(topic).context("a topic is missing")?;
            let is_there = |(number, replicas): (&i32, &Vec<i32>)| {
                own.get(number).is_some_and(|one| {
                    one.replicas == *replicas && one.in_sync.len() == replicas.len()
                })
            };
            match wanted.iter().all(is_there) {
                true => Ok(()),
                false => bail!("{topic} is not moved yet: {own:?}"),
            }
        })
        .await
    }

    /// Limits the file size of a broker's process. Its writes then fail because a file is too large, not because the
    /// disk is full. A broker handles both in the same way: it takes its folder offline, and ends, because it has no
    /// other.
    async fn fill_disk(&self, broker: usize, length: Duration) -> Result<i64> {
        let id = {
            let mut stack = self.world.stack.borrow_mut();
            stack.broker_process(broker)?.id()
        };
        let process = id.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let none = Rlimit {
            current: Some(0),
            maximum: Some(0),
        };
        prlimit(process, Resource::Fsize, none).context("cannot limit a broker's files")?;
        let ended = self.until_gone(|stack| stack.broker_process(broker)).await;
        if ended.is_err() {
            // A user without rights cannot lift the limit, and the next round needs a broker that can write.
            self.signal_broker(broker, Signal::KILL)?;
            ended?;
        }
        sleep(length).await;
        self.bring_back(&[broker]).await
    }
}

/// The same replicas with the last one first.
fn rotated(replicas: &BTreeMap<i32, Vec<i32>>) -> BTreeMap<i32, Vec<i32>> {
    let turned = replicas.iter().map(|(number, all)| {
        let mut all = all.clone();
        all.rotate_right(1);
        (*number, all)
    });
    turned.collect()
}

/// The broker that controls the cluster, from the brokers' notes of the last election.
fn controller(world: &World) -> Result<usize> {
    let mut latest = None;
    for broker in 0..world.brokers() {
        let file = world
            .stack
            .borrow_mut()
            .broker_data(broker)?
            .join(QUORUM_STATE);
        let text = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let state: Value = serde_json::from_slice(&text).context("the state of a quorum")?;
        let leader = state["leaderId"].as_i64().filter(|leader| *leader > 0);
        let noted = state["leaderEpoch"].as_i64().zip(leader);
        latest = latest.max(noted);
    }
    let (_epoch, leader) = latest.context("no broker knows a controller")?;
    place(i32::try_from(leader)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_replica_comes_first() {
        let before = BTreeMap::from([(0, vec![1, 2, 3]), (1, vec![2])]);
        let after = BTreeMap::from([(0, vec![3, 1, 2]), (1, vec![2])]);
        assert_eq!(rotated(&before), after);
    }

    #[test]
    fn brokers_are_numbered_from_1() {
        assert_eq!(place(1).unwrap(), 0);
        assert!(place(0).is_err());
    }
}
