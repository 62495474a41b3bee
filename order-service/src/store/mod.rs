//! Where orders are kept.

pub mod memory;
pub mod redis;

use std::pin::Pin;

use uuid::Uuid;

use crate::order::Order;

/// Why the store did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or refuses to serve; later it may.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// What it holds is not what this service writes.
    #[error("order {0} is not readable: {1}")]
    Corrupt(Uuid, String),
}

/// A future that a store returns; boxed, so that routes can share one trait object.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Keeps orders.
pub trait OrderStore: Send + Sync {
    /// Saves an order under its id; saving it again changes nothing.
    fn save<'a>(&'a self, order: &'a Order) -> StoreFuture<'a, ()>;

    /// Finds an order by its id.
    fn find(&self, id: Uuid) -> StoreFuture<'_, Option<Order>>;

    /// Returns without error if the store would serve a request now.
    fn ping(&self) -> StoreFuture<'_, ()>;
}
