//! The guard thread: it keeps the member in its group when the bridge's task is blocked, and does all that blocks. It
//! settles doubts, and commits the finished records of revoked partitions. It is not on the path between the broker and
//! a handler.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;

use super::doubts::Doubts;
use super::polling::Polling;

/// How long a poll in place of the task waits. Also the longest wait of the task for its turn.
const POLL_WAIT: Duration = Duration::from_millis(100);
/// How long the task gets to poll once it has its turn again.
const HANDED_BACK: Duration = Duration::from_millis(20);

pub(super) struct Guard {
    polling: Arc<Polling>,
    stop: Arc<AtomicBool>,
    /// How long the task may go without polling.
    silence: Duration,
    doubts: Doubts,
}

impl Guard {
    /// Creates the guard. `max_poll_interval` is how long the group tolerates a member that does not poll.
    pub(super) fn new(
        polling: Arc<Polling>,
        stop: Arc<AtomicBool>,
        max_poll_interval: Duration,
    ) -> Self {
        Self {
            polling,
            stop,
            silence: max_poll_interval / 3,
            doubts: Doubts::default(),
        }
    }

    /// Runs until it is told to stop. Threads that have work for it unpark its thread.
    pub(super) fn run(mut self) {
        let polling = Arc::clone(&self.polling);
        let (consumer, context) = (&polling.consumer, polling.consumer.context());
        while !self.stop.load(Ordering::Acquire) {
            let is_due = |at| at <= Instant::now();
            if context.has_doubts() || self.doubts.next().is_some_and(is_due) {
                self.doubts.settle(&polling);
            }
            let leaves = context.leave(consumer);
            let stood_in = polling.stand_in(self.silence, POLL_WAIT);
            let rest = if polling.hand_back() {
                HANDED_BACK
            } else if stood_in {
                continue;
            } else {
                let next = [leaves, self.doubts.next()].into_iter().flatten().min();
                let until = next.map(|at| at.saturating_duration_since(Instant::now()));
                until.unwrap_or(self.silence).min(self.silence / 4)
            };
            thread::park_timeout(rest);
        }
    }
}
