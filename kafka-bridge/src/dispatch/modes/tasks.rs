//! Runs each record in its own task. Tasks finish in any order.
//!
//! A task's future and its result share memory, and tokio moves that memory several times. A job has a kilobyte and
//! more, so it stays in a slot instead, which the next job reuses.

use std::pin::Pin;

use tokio::task::{JoinError, JoinSet};

/// How many empty slots are kept for later jobs. Memory of a larger burst is freed.
const KEPT: usize = 1024;

type Slot<J> = Pin<Box<Option<J>>>;

/// The running tasks, each with a label. Dropping this aborts them.
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
            // Dropped here and not in the loop: the task pays for the end of its job.
            slot.set(None);
            (slot, label, done)
        });
    }

    /// Waits for the next task to end, forever when there is none. Cancel safe.
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

    /// Aborts all tasks and does not wait: a task that blocks its thread never sees the abort.
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
