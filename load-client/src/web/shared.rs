//! What the handlers of the page share.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// What the handlers share.
pub(super) struct Shared<C> {
    pub(super) controller: Arc<C>,
    /// One for each browser that may listen.
    pub(super) places: Arc<Semaphore>,
    /// Cancelled when the server ends: streams of events end with it.
    pub(super) closed: CancellationToken,
}

impl<C> Clone for Shared<C> {
    fn clone(&self) -> Self {
        Self {
            controller: Arc::clone(&self.controller),
            places: Arc::clone(&self.places),
            closed: self.closed.clone(),
        }
    }
}
