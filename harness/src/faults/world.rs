//! What outlasts the rounds: broker and store, and the proxies that stand before them.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use tokio_util::sync::CancellationToken;

use super::patience::until;
use super::proxy::{CLIENTS, Proxy, Quality, Waiting};
use super::store;
use crate::service::{Service, ServiceOptions};
use crate::stack::{
    Description, Stack, StackKind, StackOptions, Store, broker_answers, open_store, port_of,
};

/// A stack whose parts can be struck. The service reaches both through proxies; this program's own clients,
/// which send the load and gather the evidence, do not.
#[derive(Debug)]
pub(crate) struct World {
    pub(super) stack: RefCell<Stack>,
    pub(super) servers: String,
    pub(super) store_url: String,
    pub(super) broker_proxy: Proxy,
    pub(super) store_proxy: Proxy,
    /// The store that took over, until it hands back.
    second_store: RefCell<Option<Store>>,
    /// What the service is told.
    pub(super) proxied_kafka: String,
    pub(super) proxied_store: String,
}

impl World {
    /// Starts Apache Kafka and the store, whose data outlast a kill.
    pub(crate) async fn start(
        logs: Option<PathBuf>,
        broker_properties: &[(&str, &str)],
        stop: &CancellationToken,
    ) -> Result<Self> {
        let broker = Waiting::at(0).await?;
        let store = Waiting::at(0).await?;
        let advertised = broker.port()?;
        let store_port = store.port()?;
        // The broker's clock stamps what it writes: replies can then be put in order with commits.
        let stamps = ("log.message.timestamp.type", "LogAppendTime");
        let properties = broker_properties.iter().chain([&stamps]);
        let properties = properties.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let options = StackOptions {
            advertise: Some(advertised),
            durable_store: true,
            broker_properties: properties.collect(),
            logs,
            stop: stop.clone(),
            ..StackOptions::default()
        };
        let stack = Stack::start(StackKind::Native, options).await?;
        let behind = stack
            .proxied_port()
            .context("the broker has one listener")?;
        let store_url = stack.store_url().to_owned();
        Ok(Self {
            servers: stack.bootstrap_servers().to_owned(),
            broker_proxy: broker.serve(behind, CLIENTS),
            store_proxy: store.serve(port_of(&store_url)?, Ipv4Addr::LOCALHOST),
            second_store: RefCell::default(),
            proxied_kafka: format!("kafka://127.0.0.1:{advertised}"),
            proxied_store: format!("redis://127.0.0.1:{store_port}"),
            store_url,
            stack: RefCell::new(stack),
        })
    }

    /// Starts a replica of the store and has it take over behind the store's address.
    pub(super) async fn fail_over(&self) -> Result<()> {
        let starting = self.stack.borrow().second_store();
        let second = starting.await.context("cannot start a replica")?;
        let (first, port) = (port_of(&self.store_url)?, port_of(second.url())?);
        store::follow(second.url(), first).await?;
        self.second_store.replace(Some(second));
        self.store_proxy.lead_to(port);
        store::hand_over(&self.store_url, port).await
    }

    /// Undoes a fail-over, if there was one, without losing what was written since.
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

    /// Starts an instance that reaches broker and store without a proxy, and waits for nothing.
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

    /// The processes of broker and store; one that has ended has none.
    pub(crate) fn processes(&self) -> Result<Vec<(String, u32)>> {
        let mut stack = self.stack.borrow_mut();
        let broker = stack.broker_process()?.id();
        let store = stack.store_id();
        let named = [("broker", broker), ("store", store)];
        let there = named
            .into_iter()
            .filter_map(|(name, id)| Some((name.to_owned(), id?)));
        Ok(there.collect())
    }

    /// Makes both whole again after a round that broke off in the middle of a fault: good connections, a broker
    /// and a store that run and answer, and nothing in the store.
    pub(super) async fn repair(&self) -> Result<()> {
        self.broker_proxy.set(Quality::Good);
        self.store_proxy.set(Quality::Good);
        {
            let mut stack = self.stack.borrow_mut();
            if stack.broker_process()?.try_wait()?.is_some() {
                stack.respawn_broker()?;
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
        let servers = &self.servers;
        until(|| async { broker_answers(servers, &[]).await }).await?;
        until(|| async { open_store(&self.store_url).await.map(drop) }).await?;
        for (name, _bad, good) in [store::FULL, store::ALONE] {
            // A store that does not know the setting has not been given a bad value either.
            let _ = store::configure(&self.store_url, name, good).await;
        }
        store::clear(&self.store_url).await
    }

    /// Stops broker and store.
    pub(crate) async fn stop(self) -> Result<()> {
        self.stack.into_inner().stop().await
    }
}
