//! Faults of the store and of the way to it.

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

    /// Gives a setting of the store's a value that makes it refuse to write, then its old one.
    pub(super) async fn configure(&self, setting: store::Setting, length: Duration) -> Result<i64> {
        let (name, bad, good) = setting;
        store::configure(&self.world.store_url, name, bad).await?;
        sleep(length).await;
        store::configure(&self.world.store_url, name, good).await?;
        Ok(clock::now())
    }

    /// Kills the store and has it load so slowly that it answers LOADING for about that long.
    pub(super) async fn load_store(&self, length: Duration) -> Result<i64> {
        let url = &self.world.store_url;
        let orders = store::compact(url).await?;
        self.kill(Stack::store_process).await?;
        let each = length.as_micros() / u128::from(orders.max(1));
        let each = each.to_string();
        let slowly = [
            "--key-load-delay",
            &each,
            // It looks at its connections after each so many bytes that it has read.
            "--loading-process-events-interval-bytes",
            "1024",
        ];
        self.world.stack.borrow_mut().respawn_store(&slowly)?;
        until(|| async { store::size(url).await.map(drop) }).await?;
        Ok(clock::now())
    }

    /// A replica takes over behind the store's address, and the old master refuses to write while the
    /// connections to it stay open. The rest of the round is played so.
    pub(super) async fn fail_over(&self) -> Result<i64> {
        self.world.fail_over().await?;
        Ok(clock::now())
    }
}
