//! A store in memory, for tests. It can be taken down.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::{OrderStore, StoreError, StoreFuture};
use crate::order::Order;

/// Keeps orders until it is dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    orders: Mutex<HashMap<Uuid, Order>>,
    down: AtomicBool,
}

impl MemoryStore {
    /// Makes every call fail from now on, or not.
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }

    fn up(&self) -> Result<MutexGuard<'_, HashMap<Uuid, Order>>, StoreError> {
        if self.down.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("taken down".to_owned()));
        }
        // Each change is one insert, so the map is whole even after a panic elsewhere.
        Ok(self.orders.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl OrderStore for MemoryStore {
    fn save<'a>(&'a self, order: &'a Order) -> StoreFuture<'a, ()> {
        let saved = self
            .up()
            .map(|mut orders| orders.insert(order.id, order.clone()))
            .map(|_| ());
        Box::pin(std::future::ready(saved))
    }

    fn find(&self, id: Uuid) -> StoreFuture<'_, Option<Order>> {
        let found = self.up().map(|orders| orders.get(&id).cloned());
        Box::pin(std::future::ready(found))
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        let up = self.up().map(|_| ());
        Box::pin(std::future::ready(up))
    }
}
