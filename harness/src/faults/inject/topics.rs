//! Faults of topics: created again, with more partitions, denied, too small for batches, compressed.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use super::super::answers::Reader;
use super::super::clock;
use super::super::evidence::Span;
use super::super::proxy::{CLIENTS, Quality};
use super::super::topics::{self, MORE_PARTITIONS, PARTITIONS, REPLY_PARTITIONS};
use super::Scene;
use crate::stack::{Right, give_back, withdraw};

/// Largest batch, in bytes: above one reply, below three.
const SINGLE_REPLY: &str = "700";
/// Delay of the broker, so that replies gather into batches while earlier ones are in flight.
const GATHERING: Duration = Duration::from_millis(100);

impl Scene<'_> {
    /// Deletes the reply topic and creates it again. The reader ends first, and starts again with the new topic.
    /// Otherwise it would go on at its position in the old one.
    pub(super) async fn remake_replies(&self, length: Duration) -> Result<i64> {
        let topic = &self.names.replies;
        drop(self.replies.borrow_mut().take());
        let gone = self.remake(topic, REPLY_PARTITIONS, length).await?;
        *self.replies_gone.borrow_mut() = Some(gone);
        let servers = &self.world.servers;
        let reader = Reader::start(servers, topic, REPLY_PARTITIONS, self.log)?;
        *self.replies.borrow_mut() = Some(reader);
        Ok(gone.end)
    }

    pub(super) async fn remake_requests(&self, length: Duration) -> Result<i64> {
        let gone = self
            .remake(&self.names.requests, PARTITIONS, length)
            .await?;
        *self.requests_gone.borrow_mut() = Some(gone);
        Ok(gone.end)
    }

    async fn remake(&self, topic: &str, partitions: i32, length: Duration) -> Result<Span> {
        let servers = &self.world.servers;
        let begin = clock::now();
        topics::delete(servers, &[topic]).await?;
        sleep(length).await;
        topics::create(servers, topic, partitions).await?;
        let end = clock::now();
        Ok(Span { begin, end })
    }

    pub(super) async fn add_partitions(&self) -> Result<i64> {
        let topic = &self.names.requests;
        topics::grow(&self.world.servers, topic, MORE_PARTITIONS).await?;
        Ok(clock::now())
    }

    /// Takes the right to read requests or to write replies from the service alone.
    pub(super) async fn deny(&self, right: Right, length: Duration) -> Result<i64> {
        let topic = match right {
            Right::Write => &self.names.replies,
            Right::Read | Right::Describe => &self.names.requests,
        };
        let (servers, host) = (&self.world.servers, CLIENTS.to_string());
        withdraw(servers, topic, right, &host).await?;
        sleep(length).await;
        give_back(servers, topic).await?;
        Ok(clock::now())
    }

    pub(super) async fn refuse_batches(&self, length: Duration) -> Result<i64> {
        let (servers, topic) = (&self.world.servers, &self.names.replies);
        topics::set(servers, topic, &[("max.message.bytes", SINGLE_REPLY)]).await?;
        let end = self.broker(Quality::Late(GATHERING), length).await;
        topics::reset(servers, topic).await?;
        Ok(end)
    }

    pub(super) async fn compress(&self, length: Duration) -> i64 {
        self.zstd.set(true);
        sleep(length).await;
        self.zstd.set(false);
        clock::now()
    }
}
