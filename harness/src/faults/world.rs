//! The parts that outlast the rounds: brokers and store, and the proxies in front of them.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use tokio_util::sync::CancellationToken;

use super::patience::until;
use super::proxy::{CLIENTS, Proxy, Quality, Waiting};
use super::store;
use crate::service::{Service, ServiceOptions};
use crate::stack::{
    Description, Listeners, Partition, Stack, StackKind, StackOptions, Store, assigned_members,
    broker_answers, open_store, partitions, port_of,
};

/// The topic of all groups' offsets. It has one partition here, whose leader coordinates all groups.
pub(super) const OFFSETS: &str = "__consumer_offsets";

/// The brokers' settings. Brokers stamp records with their own clock, so that replies and commits can be put in order.
/// Timeouts are shorter than by default, so that a round is short.
const PROPERTIES: [(&str, &str); 7] = [
    ("log.message.timestamp.type", "LogAppendTime"),
    // For a replica that does not follow.
    ("replica.lag.time.max.ms", "4000"),
    // For a broker without heartbeats.
    ("broker.session.timeout.ms", "6000"),
    // For a member of a group whose partitions the broker assigns.
    ("group.consumer.session.timeout.ms", "6000"),
    ("group.consumer.min.session.timeout.ms", "6000"),
    ("group.consumer.heartbeat.interval.ms", "1000"),
    ("group.consumer.min.heartbeat.interval.ms", "1000"),
];

/// A stack for faults. The service reaches broker and store through proxies. This program's own clients, which send the
/// load and collect the evidence, do not.
#[derive(Debug)]
pub(crate) struct World {
    pub(super) stack: RefCell<Stack>,
    pub(super) servers: String,
    pub(super) store_url: String,
    /// In front of each broker's listener for the service.
    client_proxies: Vec<Proxy>,
    /// In front of each broker's listener for the other brokers.
    peer_proxies: Vec<Proxy>,
    pub(super) store_proxy: Proxy,
    /// The store after a failover, until the first one is master again.
    second_store: RefCell<Option<Store>>,
    /// The URLs for the service.
    pub(super) proxied_kafka: String,
    pub(super) proxied_store: String,
}

impl World {
    /// Starts Apache Kafka and the store, whose data outlast a kill.
    pub(crate) async fn start(
        brokers: usize,
        logs: Option<PathBuf>,
        broker_properties: &[(&str, &str)],
        stop: &CancellationToken,
    ) -> Result<Self> {
        let (mut waiting, mut advertise) = (Vec::new(), Vec::new());
        for _ in 0..brokers {
            let (clients, peers) = (Waiting::at(0).await?, Waiting::at(0).await?);
            advertise.push(Listeners {
                clients: clients.port()?,
                peers: peers.port()?,
            });
            waiting.push((clients, peers));
        }
        let store = Waiting::at(0).await?;
        let store_port = store.port()?;
        let urls = advertise
            .iter()
            .map(|own| format!("127.0.0.1:{}", own.clients));
        let proxied_kafka = format!("kafka://{}", urls.collect::<Vec<_>>().join(","));
        let properties = broker_properties.iter().chain(&PROPERTIES);
        let properties = properties.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let options = StackOptions {
            brokers,
            advertise,
            durable_store: true,
            broker_properties: properties.collect(),
            logs,
            stop: stop.clone(),
            ..StackOptions::default()
        };
        let stack = Stack::start(StackKind::Native, options).await?;
        let (mut client_proxies, mut peer_proxies) = (Vec::new(), Vec::new());
        for ((clients, peers), behind) in waiting.into_iter().zip(stack.behind_proxies()) {
            client_proxies.push(clients.serve(behind.clients, CLIENTS));
            peer_proxies.push(peers.serve(behind.peers, Ipv4Addr::LOCALHOST));
        }
        let store_url = stack.store_url().to_owned();
        Ok(Self {
            servers: stack.bootstrap_servers().to_owned(),
            client_proxies,
            peer_proxies,
            store_proxy: store.serve(port_of(&store_url)?, Ipv4Addr::LOCALHOST),
            second_store: RefCell::default(),
            proxied_kafka,
            proxied_store: format!("redis://127.0.0.1:{store_port}"),
            store_url,
            stack: RefCell::new(stack),
        })
    }

    /// Starts a replica of the store, and makes it the master behind the store's address.
    pub(super) async fn fail_over(&self) -> Result<()> {
        let starting = self.stack.borrow().second_store();
        let second = starting.await.context("cannot start a replica")?;
        let (first, port) = (port_of(&self.store_url)?, port_of(second.url())?);
        store::follow(second.url(), first).await?;
        self.second_store.replace(Some(second));
        self.store_proxy.lead_to(port);
        store::hand_over(&self.store_url, port).await
    }

    /// Undoes a failover, if there was one, without losing later writes.
    pub(super) async fn fail_back(&self) -> Result<()> {
        let Some(second) = self.second_store.take() else {
            return Ok(());
        };
        let first = port_of(&self.store_url)?;
        self.store_proxy.lead_to(first);
        store::hand_over(second.url(), first).await?;
        second.stop().await
    }

    /// The brokers, without a proxy in between.
    pub(crate) fn servers(&self) -> &str {
        &self.servers
    }

    /// Starts an instance that reaches broker and store without a proxy, but does not wait.
    pub(crate) fn start_service(&self, options: &ServiceOptions) -> Result<Service> {
        Service::spawn(&self.stack.borrow(), options)
    }

    /// Names and versions, for reports.
    pub(crate) fn description(&self) -> Description {
        self.stack.borrow().description()
    }

    /// Fails if broker or store has ended by itself.
    pub(crate) fn check(&self) -> Result<()> {
        self.stack.borrow_mut().check()
    }

    /// The number of brokers, if all are up.
    pub(super) fn brokers(&self) -> usize {
        self.client_proxies.len()
    }

    /// Gives the service's connections to all brokers this quality.
    pub(super) fn set_clients(&self, quality: Quality) {
        self.client_proxies
            .iter()
            .for_each(|proxy| proxy.set(quality));
    }

    /// Gives the service's connections to one broker this quality.
    pub(super) fn set_clients_of(&self, broker: usize, quality: Quality) {
        self.client_proxies[broker].set(quality);
    }

    /// Gives the connections of the other brokers to one broker this quality.
    pub(super) fn set_peers_of(&self, broker: usize, quality: Quality) {
        self.peer_proxies[broker].set(quality);
    }

    /// Waits until all brokers are up.
    pub(super) async fn until_all_brokers(&self) -> Result<()> {
        let (servers, wanted) = (&self.servers, self.brokers());
        until(|| async {
            match broker_answers(servers, &[]).await? {
                known if known < wanted => bail!("{known} of {wanted} brokers are up"),
                _ => Ok(()),
            }
        })
        .await
    }

    /// Waits until all brokers are up, and all replicas of each partition are in sync.
    pub(super) async fn until_whole(&self) -> Result<()> {
        self.until_all_brokers().await?;
        let servers = &self.servers;
        until(|| async {
            let topics = partitions(servers).await?;
            for (topic, all) in topics {
                let behind = |one: &&Partition| {
                    one.leader.is_none() || one.in_sync.len() < one.replicas.len()
                };
                if let Some(behind) = all.values().find(behind) {
                    bail!("{topic} has {behind:?}");
                }
            }
            Ok(())
        })
        .await
    }

    /// The broker that leads a partition, counted from 0.
    pub(super) async fn leader(&self, topic: &str, partition: i32) -> Result<usize> {
        let leader = self.partition(topic, partition).await?.leader;
        place(leader.with_context(|| format!("{topic}/{partition} has no leader"))?)
    }

    /// The brokers of a partition.
    pub(super) async fn partition(&self, topic: &str, partition: i32) -> Result<Partition> {
        let mut all = partitions(&self.servers).await?;
        let own = all.remove(topic).and_then(|mut own| own.remove(&partition));
        own.with_context(|| format!("{topic} has no partition {partition}"))
    }

    /// The number of members of a group whose partitions the broker assigns; `None` while it is assigning them.
    pub(super) async fn assigned_members(&self, group: &str) -> Result<Option<usize>> {
        let coordinator = self.leader(OFFSETS, 0).await?;
        let server = self.servers.split(',').nth(coordinator);
        assigned_members(server.context("no such broker")?, group).await
    }

    /// The processes of brokers and store, without those that have ended.
    pub(crate) fn processes(&self) -> Vec<(String, u32)> {
        let mut stack = self.stack.borrow_mut();
        let brokers = stack.broker_ids().into_iter();
        let brokers = brokers.map(|id| ("broker".to_owned(), id));
        let store = stack.store_id().map(|id| ("store".to_owned(), id));
        brokers.chain(store).collect()
    }

    /// Repairs everything after a round that broke off during a fault: connections are good, brokers and store run and
    /// answer, and the store is empty.
    pub(super) async fn repair(&self) -> Result<()> {
        self.set_clients(Quality::Good);
        self.peer_proxies
            .iter()
            .for_each(|proxy| proxy.set(Quality::Good));
        self.store_proxy.set(Quality::Good);
        {
            let mut stack = self.stack.borrow_mut();
            for broker in 0..self.brokers() {
                stack.broker_process(broker)?.signal(Signal::CONT);
                if stack.broker_process(broker)?.try_wait()?.is_some() {
                    stack.respawn_broker(broker)?;
                }
            }
            if stack.store_process()?.try_wait()?.is_some() {
                stack.respawn_store(&[])?;
            }
        }
        if let Some(second) = self.second_store.take() {
            self.store_proxy.lead_to(port_of(&self.store_url)?);
            store::lead(&self.store_url).await?;
            second.stop().await?;
        }
        self.until_whole().await?;
        until(|| async { open_store(&self.store_url).await.map(drop) }).await?;
        for (name, _bad, good) in [store::FULL, store::ALONE] {
            // It may fail: a store that does not know the setting has no bad value.
            let _ = store::configure(&self.store_url, name, good).await;
        }
        store::clear(&self.store_url).await
    }

    /// Stops broker and store.
    pub(crate) async fn stop(self) -> Result<()> {
        self.stack.into_inner().stop().await
    }
}

/// The index of the broker with that number. Numbers begin at 1.
pub(super) fn place(number: i32) -> Result<usize> {
    let place = usize::try_from(number - 1).ok();
    place.with_context(|| format!("no broker has the number {number}"))
}
