//! Where orders are kept.

pub mod memory;
pub mod redis;

use std::pin::Pin;

use uuid::Uuid;

use crate::order::StoredOrder;

/// Why the store did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or does not answer in time; later it may.
    #[error("no answer: {0}")]
    Unreachable(String),
    /// It answers that it cannot serve now; later it may.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// It refuses what this service needs, until somebody changes its set-up or this service's.
    #[error("refused: {0}")]
    Refused(String),
    /// What it holds is not what this service writes.
    #[error("order {0} is not readable: {1}")]
    Corrupt(Uuid, String),
}

/// The state of an order at one moment, as only the store that gave it can read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(String);

impl Version {
    /// Wraps what a store tells states apart by.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns what the store wrapped.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An order that was found, and the state that it was found in.
#[derive(Clone, Debug)]
pub struct Found {
    /// The order.
    pub stored: StoredOrder,
    /// Its state, to be given to [`OrderStore::replace`].
    pub version: Version,
}

/// A future that a store returns; boxed, so that routes can share one trait object.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Keeps orders. Each call is atomic; orders are never removed.
pub trait OrderStore: Send + Sync {
    /// Saves an order under its id. Returns false, and changes nothing, if the id is taken.
    fn insert<'a>(&'a self, stored: &'a StoredOrder) -> StoreFuture<'a, bool>;

    /// Finds an order by its id.
    fn find(&self, id: Uuid) -> StoreFuture<'_, Option<Found>>;

    /// Replaces an order that is still as it was found. Returns false, and changes nothing, if
    /// somebody else has changed it since.
    fn replace<'a>(
        &'a self,
        version: &'a Version,
        stored: &'a StoredOrder,
    ) -> StoreFuture<'a, bool>;

    /// Returns without error if the store would take an order now.
    fn ping(&self) -> StoreFuture<'_, ()>;
}
