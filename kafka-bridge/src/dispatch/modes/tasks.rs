//! Each record in a task of its own, finished in any order.
//!
//! A task's future and its result share one place, and tokio moves that place several times. So the
//! job, of a kilobyte and more, stays where it is put: in a slot, which the next job takes over.

use std::pin::Pin;

use tokio::task::{JoinError, JoinSet};

/// How many empty slots are kept for later jobs; what a burst took beyond it is given back.
const KEPT: usize = 1024;

type Slot<J> = Pin<Box<Option<J>>>;

/// Holds the tasks under way, each with a label; dropping it aborts them.
#[derive(Debug)]
pub(in crate::dispatch) struct Tasks<J, L, T> {
    tasks: JoinSet<(Slot<J>, L, T)>,
    free: Vec<Slot<J>>,
}

impl<J: 'static, L: 'static, T: 'static> Default for Tasks<J, L, T> {
    fn default() -> Self {
        Self {
            tasks: JoinSet::new(),
            free: Vec::new(),
        }
    }
}

impl<J, L, T> Tasks<J, L, T>
where
    J: Future<Output = T> + Send + 'static,
    L: Send + 'static,
    T: Send + 'static,
{
    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    pub(super) fn start(&mut self, label: L, job: J) {
        let mut slot = self.free.pop().unwrap_or_else(|| Box::pin(None));
        slot.set(Some(job));
        self.tasks.spawn(async move {
            let job = slot.as_mut().as_pin_mut();
            let done = job.expect("a job was put there").await;
            // Here and not in the loop: a job's end is its task's work.
            slot.set(None);
            (slot, label, done)
        });
    }

    /// Waits for the next task to end; for ever when there is none. Safe to cancel.
    pub(super) async fn next(&mut self) -> Result<(L, T), JoinError> {
        let (slot, label, done) = match self.tasks.join_next().await {
            Some(result) => result?,
            None => std::future::pending().await,
        };
        if self.free.len() < KEPT {
            self.free.push(slot);
        }
        Ok((label, done))
    }

    /// Aborts all and does not wait: a task that blocks its thread never sees the abort.
    pub(super) fn abandon(&mut self) {
        self.tasks = JoinSet::new();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_job_is_gone_when_its_end_is_told_and_its_slot_is_taken_over() {
        let held = Arc::new(());
        let job = |number: usize| {
            let held = Arc::clone(&held);
            async move {
                tokio::task::yield_now().await;
                drop(held);
                number
            }
        };
        let mut tasks = Tasks::default();
        for round in 1..=2 {
            for number in 0..KEPT + 3 {
                tasks.start(number, job(number));
            }
            assert_eq!(tasks.free.len(), 0);
            for left in (0..KEPT + 3).rev() {
                let (label, number) = tasks.next().await.unwrap();
                assert_eq!((label, tasks.len()), (number, left), "round {round}");
            }
            assert_eq!((tasks.free.len(), Arc::strong_count(&held)), (KEPT, 1));
            assert!(tasks.free.iter().all(|slot| slot.is_none()));
        }
    }
}
