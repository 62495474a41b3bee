//! What tests of faults do to a running stack, and ask it: kill and restart its parts, change its topics.

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use super::super::acls::{self, Right};
use super::{Broker, Stack};
use crate::process::Child;
use crate::stack::Store;

impl Stack {
    /// Kills the broker, for tests of what its clients then do.
    ///
    /// # Errors
    ///
    /// When this stack has no broker in a process of its own.
    pub async fn kill_broker(&mut self) -> Result<()> {
        let Broker::Native(kafka) = &mut self.broker else {
            bail!("the broker of stack {} is no child", self.kind.name());
        };
        kafka.child().signal(Signal::KILL);
        kafka.child().wait().await.map(drop)
    }

    /// The broker's process, to signal it and to see it end.
    ///
    /// # Errors
    ///
    /// When this stack has no broker in a process of its own.
    pub fn broker_process(&mut self) -> Result<&mut Child> {
        match &mut self.broker {
            Broker::Native(kafka) => Ok(kafka.child()),
            _ => bail!("the broker of stack {} is no child", self.kind.name()),
        }
    }

    /// Starts the broker again, whose process has ended, on its data, and waits for nothing.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or this stack has no broker in a process of its own.
    pub fn respawn_broker(&mut self) -> Result<()> {
        match &mut self.broker {
            Broker::Native(kafka) => kafka.respawn(),
            _ => bail!("the broker of stack {} is no child", self.kind.name()),
        }
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

    /// The port of the broker's second listener, where
    /// [`crate::stack::StackOptions::advertise`] asked for one.
    #[must_use]
    pub fn proxied_port(&self) -> Option<u16> {
        match &self.broker {
            Broker::Native(kafka) => kafka.proxied_port,
            _ => None,
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
