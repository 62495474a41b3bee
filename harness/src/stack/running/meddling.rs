//! What tests of faults do to a running stack, and ask it: kill and restart its parts, change its topics.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::super::acls::{self, Right};
use super::super::native::Node;
use super::{Broker, Stack};
use crate::process::Child;
use crate::stack::{Listeners, Store};

impl Stack {
    fn node(&mut self, broker: usize) -> Result<&mut Node> {
        match &mut self.broker {
            Broker::Native(kafka) => kafka.node(broker),
            _ => bail!("the broker of stack {} is no child", self.kind.name()),
        }
    }

    /// How many brokers this stack has.
    #[must_use]
    pub fn brokers(&self) -> usize {
        match &self.broker {
            Broker::Native(kafka) => kafka.count(),
            _ => 1,
        }
    }

    /// The process of a broker, counted from 0, to signal it and to see it end.
    ///
    /// # Errors
    ///
    /// When this stack has no such broker in a process of its own.
    pub fn broker_process(&mut self, broker: usize) -> Result<&mut Child> {
        Ok(&mut self.node(broker)?.child)
    }

    /// The process ids of the brokers that run on this machine.
    pub(crate) fn broker_ids(&mut self) -> Vec<u32> {
        match &mut self.broker {
            Broker::Native(kafka) => kafka.children().filter_map(|child| child.id()).collect(),
            _ => Vec::new(),
        }
    }

    /// Starts a broker again, whose process has ended, on its data, and waits for nothing.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or this stack has no such broker in a process of its own.
    pub fn respawn_broker(&mut self, broker: usize) -> Result<()> {
        self.node(broker)?.respawn()
    }

    /// The folder in which a broker keeps its topics.
    pub(crate) fn broker_data(&mut self, broker: usize) -> Result<PathBuf> {
        Ok(self.node(broker)?.data.clone())
    }

    /// The store's process id, while a store runs that this stack started.
    #[must_use]
    pub fn store_id(&self) -> Option<u32> {
        self.store.id()
    }

    /// The store's process, to signal it and to see it end.
    ///
    /// # Errors
    ///
    /// When this stack did not start its store.
    pub fn store_process(&mut self) -> Result<&mut Child> {
        self.store.child().context("the store is no child")
    }

    /// Starts the store again, whose process has ended, and waits for nothing. It has its orders again if
    /// [`crate::stack::StackOptions::durable_store`] asked for that. The arguments come after its own.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn respawn_store(&mut self, arguments: &[&str]) -> Result<()> {
        self.store.respawn(arguments)
    }

    /// Starts another store of the same kind, on a port of its own.
    pub(crate) fn second_store(&self) -> impl Future<Output = Result<Store>> + use<> {
        let (logs, stop) = (self.logs.join("second-store"), self.stop.clone());
        async move {
            std::fs::create_dir_all(&logs)?;
            Store::start(None, true, &logs, &stop).await
        }
    }

    /// The further listeners of each broker, where [`crate::stack::StackOptions::advertise`] asked for them.
    pub(crate) fn behind_proxies(&self) -> Vec<Listeners> {
        match &self.broker {
            Broker::Native(kafka) => kafka.behind_proxies(),
            _ => Vec::new(),
        }
    }

    /// Takes a right on a topic, or on all (`*`), from everybody, in a broker that was started with
    /// [`crate::stack::authorizer`].
    ///
    /// # Errors
    ///
    /// When the broker refuses or does not answer.
    pub async fn withdraw(&self, topic: &str, right: Right) -> Result<()> {
        acls::withdraw(self.bootstrap_servers(), topic, right, "*").await
    }

    /// Gives back what [`Stack::withdraw`] has taken on a topic.
    ///
    /// # Errors
    ///
    /// When the broker refuses or does not answer.
    pub async fn give_back(&self, topic: &str) -> Result<()> {
        acls::give_back(self.bootstrap_servers(), topic).await
    }
}
