//! The store of orders: its trait and its implementations.

pub mod memory;
pub mod redis;

use std::pin::Pin;

use uuid::Uuid;

use crate::order::StoredOrder;

/// The reason why the store did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or does not answer in time. A retry may help.
    #[error("no answer: {0}")]
    Unreachable(String),
    /// It answers that it cannot serve now. A retry may help.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// It refuses a command that this service needs. Only a change of settings helps.
    #[error("refused: {0}")]
    Refused(String),
    /// Its content is not in the form that this service writes.
    #[error("order {0} is not readable: {1}")]
    Corrupt(Uuid, String),
}

/// The state of an order when it was read. Only the store that returned it can interpret it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(String);

impl Version {
    /// Wraps a text that is different for each state.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An order, and its state when it was read.
#[derive(Clone, Debug)]
pub struct Found {
    /// The order.
    pub stored: StoredOrder,
    /// Its state, for [`OrderStore::replace`].
    pub version: Version,
}

/// The future of a store's answer. Boxed, so that routes can share one trait object.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Keeps orders. Each call is atomic. Orders are never removed.
pub trait OrderStore: Send + Sync {
    /// Saves an order under its id. Returns false, and changes nothing, if the id is taken.
    fn insert<'a>(&'a self, stored: &'a StoredOrder) -> StoreFuture<'a, bool>;

    /// Finds an order by its id.
    fn find(&self, id: Uuid) -> StoreFuture<'_, Option<Found>>;

    /// Replaces an order that is still as it was found. Returns false, and changes nothing, if it has changed since.
    fn replace<'a>(
        &'a self,
        version: &'a Version,
        stored: &'a StoredOrder,
    ) -> StoreFuture<'a, bool>;

    /// Returns without error if the store can take an order now.
    fn ping(&self) -> StoreFuture<'_, ()>;
}
