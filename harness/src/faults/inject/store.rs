//! Faults of the store, and of the connections to it.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use super::super::patience::until;
use super::super::proxy::Quality;
use super::super::{clock, store};
use super::{Scene, for_a_while};
use crate::stack::{Stack, open_store};

impl Scene<'_> {
    pub(super) async fn kill_store(&self, length: Duration) -> Result<i64> {
        self.kill(Stack::store_process).await?;
        sleep(length).await;
        let end = clock::now();
        self.world.stack.borrow_mut().respawn_store(&[])?;
        let url = &self.world.store_url;
        until(|| async { open_store(url).await.map(drop) }).await?;
        Ok(end)
    }

    pub(super) async fn store(&self, quality: Quality, length: Duration) -> i64 {
        for_a_while(
            |quality| self.world.store_proxy.set(quality),
            quality,
            length,
        )
        .await
    }

    /// Gives a setting of the store a value with which it refuses writes, then its old value.
    pub(super) async fn configure(&self, setting: store::Setting, length: Duration) -> Result<i64> {
        let (name, bad, good) = setting;
        store::configure(&self.world.store_url, name, bad).await?;
        sleep(length).await;
        store::configure(&self.world.store_url, name, good).await?;
        Ok(clock::now())
    }

    /// Kills the store, and makes it load so slowly that it answers LOADING for about this time.
    pub(super) async fn load_store(&self, length: Duration) -> Result<i64> {
        let url = &self.world.store_url;
        let orders = store::compact(url).await?;
        self.kill(Stack::store_process).await?;
        let each = length.as_micros() / u128::from(orders.max(1));
        let each = each.to_string();
        let slowly = [
            "--key-load-delay",
            &each,
            // It serves its connections each time that it has read this number of bytes.
            "--loading-process-events-interval-bytes",
            "1024",
        ];
        self.world.stack.borrow_mut().respawn_store(&slowly)?;
        until(|| async { store::size(url).await.map(drop) }).await?;
        Ok(clock::now())
    }

    /// Makes a replica the master behind the store's address. The old master refuses writes, and connections to it stay
    /// open. This stays so for the rest of the round.
    pub(super) async fn fail_over(&self) -> Result<i64> {
        self.world.fail_over().await?;
        Ok(clock::now())
    }
}
