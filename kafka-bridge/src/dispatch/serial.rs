//! One record at a time, run inside the event loop and not in a task: the baseline.

use std::pin::Pin;

/// Holds at most one job.
#[derive(Debug)]
pub(super) struct Serial<J> {
    current: Option<Pin<Box<J>>>,
}

impl<J> Default for Serial<J> {
    fn default() -> Self {
        Self { current: None }
    }
}

impl<J: Future> Serial<J> {
    pub(super) fn len(&self) -> usize {
        usize::from(self.current.is_some())
    }

    /// Starts a job; the caller has made sure that none is under way.
    pub(super) fn start(&mut self, job: J) {
        debug_assert!(
            self.current.is_none(),
            "serial dispatch runs one job at a time"
        );
        self.current = Some(Box::pin(job));
    }

    /// Drives the job to its end; waits for ever when there is none. Safe to cancel.
    pub(super) async fn next(&mut self) -> J::Output {
        let output = match &mut self.current {
            Some(job) => job.as_mut().await,
            None => std::future::pending().await,
        };
        self.current = None;
        output
    }

    pub(super) fn abandon(&mut self) {
        self.current = None;
    }
}
