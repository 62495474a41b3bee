//! Each record in a task of its own, finished in any order.

use tokio::task::{JoinError, JoinSet};

/// Holds the tasks under way; dropping it aborts them.
#[derive(Debug)]
pub(super) struct Tasks<T> {
    tasks: JoinSet<T>,
}

impl<T: 'static> Default for Tasks<T> {
    fn default() -> Self {
        Self {
            tasks: JoinSet::new(),
        }
    }
}

impl<T: Send + 'static> Tasks<T> {
    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    pub(super) fn start(&mut self, job: impl Future<Output = T> + Send + 'static) {
        self.tasks.spawn(job);
    }

    /// Waits for the next task to end; for ever when there is none. Safe to cancel.
    pub(super) async fn next(&mut self) -> Result<T, JoinError> {
        match self.tasks.join_next().await {
            Some(result) => result,
            None => std::future::pending().await,
        }
    }

    /// Aborts all and does not wait: a task that blocks its thread never sees the abort.
    pub(super) fn abandon(&mut self) {
        self.tasks = JoinSet::new();
    }
}
