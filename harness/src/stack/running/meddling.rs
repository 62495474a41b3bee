//! What tests of faults do to a running stack, and ask it: kill and restart its parts, change its topics.

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use tokio_util::sync::CancellationToken;

use super::{Broker, Stack};
use crate::stack::{store, topics};

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

    /// Starts the broker again that [`Stack::kill_broker`] killed, on its data, and waits until it answers.
    ///
    /// # Errors
    ///
    /// When it does not start, or this stack has no broker in a process of its own.
    pub async fn restart_broker(&mut self, stop: &CancellationToken) -> Result<()> {
        match &mut self.broker {
            Broker::Native(kafka) => kafka.restart(stop).await,
            _ => bail!("the broker of stack {} is no child", self.kind.name()),
        }
    }

    /// The port of the broker's second listener, where [`StackOptions::advertise`] asked for one.
    #[must_use]
    pub fn proxied_port(&self) -> Option<u16> {
        match &self.broker {
            Broker::Native(kafka) => kafka.proxied_port,
            _ => None,
        }
    }

    /// Kills the store, for tests of what its clients then do.
    ///
    /// # Errors
    ///
    /// When this stack did not start its store.
    pub async fn kill_store(&mut self) -> Result<()> {
        let store = self.store.child().context("the store is no child")?;
        store.signal(Signal::KILL);
        store.wait().await.map(drop)
    }

    /// Starts the store again that [`Stack::kill_store`] killed, and waits until it answers. It has its
    /// orders again if [`StackOptions::durable_store`] asked for that.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub async fn restart_store(&mut self, stop: &CancellationToken) -> Result<()> {
        self.store.restart(stop).await
    }

    /// A connection to the store, or an error after a few seconds.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub async fn store_connection(&self) -> Result<redis::aio::MultiplexedConnection> {
        store::open(&self.store.url).await
    }

    /// Removes all that the store holds.
    ///
    /// # Errors
    ///
    /// When the store refuses, or is shared with others, whose orders would go too.
    pub async fn clear_store(&self) -> Result<()> {
        if self.is_shared() {
            bail!("the store was there before and keeps what it holds");
        }
        self.store.clear().await
    }

    /// The process ids of broker and store, where they are children.
    pub fn processes(&mut self) -> (Option<u32>, Option<u32>) {
        let broker = match &mut self.broker {
            Broker::Native(kafka) => kafka.child().id(),
            _ => None,
        };
        (broker, self.store.child().and_then(|child| child.id()))
    }

    /// Deletes topics of a real broker; those that are gone already are no error.
    ///
    /// # Errors
    ///
    /// When the broker refuses it or does not answer.
    pub async fn delete_topics(&self, names: &[String]) -> Result<()> {
        topics::delete(self.bootstrap_servers(), &self.properties, names).await
    }

    /// Gives a topic of a real broker more partitions, so many in all.
    ///
    /// # Errors
    ///
    /// When the broker refuses it or does not answer.
    pub async fn grow_topic(&self, name: &str, partitions: usize) -> Result<()> {
        topics::grow(self.bootstrap_servers(), &self.properties, name, partitions).await
    }
}
