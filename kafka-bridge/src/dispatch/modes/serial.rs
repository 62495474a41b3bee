//! Runs one record at a time, inside the event loop and not in a task: the baseline.

use std::pin::Pin;

/// Holds at most one job. The next job reuses its memory.
#[derive(Debug)]
pub(in crate::dispatch) struct Serial<J> {
    current: Pin<Box<Option<J>>>,
}

impl<J> Default for Serial<J> {
    fn default() -> Self {
        Self {
            current: Box::pin(None),
        }
    }
}

impl<J: Future> Serial<J> {
    pub(super) fn len(&self) -> usize {
        usize::from(self.current.is_some())
    }

    /// Starts a job. The caller makes sure that no other job runs.
    pub(super) fn start(&mut self, job: J) {
        debug_assert!(
            self.current.is_none(),
            "serial dispatch runs one job at a time"
        );
        self.current.set(Some(job));
    }

    /// Drives the job to its end, and waits forever when there is none. Cancel safe.
    pub(super) async fn next(&mut self) -> J::Output {
        let output = match self.current.as_mut().as_pin_mut() {
            Some(job) => job.await,
            None => std::future::pending().await,
        };
        self.current.set(None);
        output
    }

    pub(super) fn abandon(&mut self) {
        self.current.set(None);
    }
}
