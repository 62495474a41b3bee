//! Methods of a running stack for tests of faults: kill and restart its parts, change its topics.

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
            _ => bail!(
                "the broker of stack {} is not a child process",
                self.kind.name()
            ),
        }
    }

    /// The number of brokers.
    #[must_use]
    pub fn brokers(&self) -> usize {
        match &self.broker {
            Broker::Native(kafka) => kafka.count(),
            _ => 1,
        }
    }

    /// The process of a broker, counted from 0, to send a signal and to see its end.
    ///
    /// # Errors
    ///
    /// Fails if this stack has no such broker in a child process.
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

    /// Starts a broker again whose process has ended, on its data, but does not wait.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be started, or if this stack has no such broker in a child process.
    pub fn respawn_broker(&mut self, broker: usize) -> Result<()> {
        self.node(broker)?.respawn()
    }

    /// The folder with a broker's topics.
    pub(crate) fn broker_data(&mut self, broker: usize) -> Result<PathBuf> {
        Ok(self.node(broker)?.data.clone())
    }

    /// The store's process id, while the stack's own store runs.
    #[must_use]
    pub fn store_id(&self) -> Option<u32> {
        self.store.id()
    }

    /// The store's process, to send a signal and to see its end.
    ///
    /// # Errors
    ///
    /// Fails if this stack did not start its store.
    pub fn store_process(&mut self) -> Result<&mut Child> {
        self.store
            .child()
            .context("the store is not a child process")
    }

    /// Starts the store again whose process has ended, but does not wait. It still has its orders if
    /// [`crate::stack::StackOptions::durable_store`] asked for that. The arguments come after its own.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be started.
    pub fn respawn_store(&mut self, arguments: &[&str]) -> Result<()> {
        self.store.respawn(arguments)
    }

    /// Starts another store of the same kind, on another port.
    pub(crate) fn second_store(&self) -> impl Future<Output = Result<Store>> + use<> {
        let (logs, stop) = (self.logs.join("second-store"), self.stop.clone());
        async move {
            std::fs::create_dir_all(&logs)?;
            Store::start(None, true, &logs, &stop).await
        }
    }

    /// The further listeners of each broker, if [`crate::stack::StackOptions::advertise`] asked for them.
    pub(crate) fn behind_proxies(&self) -> Vec<Listeners> {
        match &self.broker {
            Broker::Native(kafka) => kafka.behind_proxies(),
            _ => Vec::new(),
        }
    }

    /// Takes a right on a topic, or on all (`*`), from everybody. The broker needs the properties of
    /// [`crate::stack::authorizer`].
    ///
    /// # Errors
    ///
    /// Fails if the broker refuses or does not answer.
    pub async fn withdraw(&self, topic: &str, right: Right) -> Result<()> {
        acls::withdraw(self.bootstrap_servers(), topic, right, "*").await
    }

    /// Gives back the rights that [`Stack::withdraw`] has taken on a topic.
    ///
    /// # Errors
    ///
    /// Fails if the broker refuses or does not answer.
    pub async fn give_back(&self, topic: &str) -> Result<()> {
        acls::give_back(self.bootstrap_servers(), topic).await
    }
}
