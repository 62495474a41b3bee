//! A store in memory, for tests. Tests can make it fail.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::{Found, OrderStore, StoreError, StoreFuture, Version};
use crate::order::StoredOrder;

/// The orders, each with the count of its changes.
type Orders = HashMap<Uuid, (u64, StoredOrder)>;

/// Keeps orders until it is dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    orders: Mutex<Orders>,
    down: AtomicBool,
}

impl MemoryStore {
    /// Sets whether every call fails from now on.
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }

    /// Returns the number of orders, with the cancelled ones.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    fn up(&self) -> Result<MutexGuard<'_, Orders>, StoreError> {
        if self.down.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("taken down".to_owned()));
        }
        Ok(self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Orders> {
        // Each change is one insert, so the map is whole even after a panic elsewhere.
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn found((changes, stored): &(u64, StoredOrder)) -> Found {
    Found {
        stored: stored.clone(),
        version: Version::new(changes.to_string()),
    }
}

fn insert(mut orders: MutexGuard<'_, Orders>, stored: &StoredOrder) -> bool {
    match orders.entry(stored.order.id) {
        Entry::Occupied(_) => false,
        Entry::Vacant(free) => {
            free.insert((0, stored.clone()));
            true
        }
    }
}

fn replace(mut orders: MutexGuard<'_, Orders>, version: &Version, stored: &StoredOrder) -> bool {
    match orders.get_mut(&stored.order.id) {
        Some((changes, own)) if changes.to_string() == version.as_str() => {
            *changes += 1;
            *own = stored.clone();
            true
        }
        _ => false,
    }
}

impl OrderStore for MemoryStore {
    fn insert<'a>(&'a self, stored: &'a StoredOrder) -> StoreFuture<'a, bool> {
        let inserted = self.up().map(|orders| insert(orders, stored));
        Box::pin(std::future::ready(inserted))
    }

    fn find(&self, id: Uuid) -> StoreFuture<'_, Option<Found>> {
        let found = self.up().map(|orders| orders.get(&id).map(found));
        Box::pin(std::future::ready(found))
    }

    fn replace<'a>(
        &'a self,
        version: &'a Version,
        stored: &'a StoredOrder,
    ) -> StoreFuture<'a, bool> {
        let replaced = self.up().map(|orders| replace(orders, version, stored));
        Box::pin(std::future::ready(replaced))
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        let up = self.up().map(|_| ());
        Box::pin(std::future::ready(up))
    }
}
