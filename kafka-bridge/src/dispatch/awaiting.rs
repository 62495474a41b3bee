//! Counts the jobs that wait for the application to become ready: the next record of a lane or pool, and retries.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The count, which clones share. While it is above zero, no record is taken: it would only wait behind these jobs.
#[derive(Clone, Debug, Default)]
pub(super) struct Awaiting(Arc<Waits>);

#[derive(Debug, Default)]
struct Waits {
    jobs: AtomicUsize,
    /// Wakes the loop when the count reaches zero.
    over: Notify,
}

/// Counts one job until it is dropped.
#[derive(Debug)]
pub(super) struct Awaits<'a>(&'a Awaiting);

impl Awaiting {
    pub(super) fn any(&self) -> bool {
        self.0.jobs.load(Ordering::Acquire) > 0
    }

    pub(super) fn enter(&self) -> Awaits<'_> {
        self.0.jobs.fetch_add(1, Ordering::AcqRel);
        Awaits(self)
    }

    /// Waits until the count may have reached zero.
    pub(super) async fn over(&self) {
        self.0.over.notified().await;
    }
}

impl Drop for Awaits<'_> {
    fn drop(&mut self) {
        let Waits { jobs, over } = &*self.0.0;
        if jobs.fetch_sub(1, Ordering::AcqRel) == 1 {
            over.notify_one();
        }
    }
}
