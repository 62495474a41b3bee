//! The thread that notices when this process stands still. It does nothing else, so that whatever delays it
//! delays the threads that measure as well.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::load::plan::Plan;
use crate::load::runner::Control;
use crate::measure::selfcheck::{Stalled, Stalls};

/// Fifty looks a second cost nothing that could be measured.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// The running thread.
pub(crate) struct Stillness {
    stop: Sender<()>,
    thread: JoinHandle<Stalls>,
}

impl Stillness {
    /// Starts to look, just before the run.
    pub(crate) fn watch() -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let start = Instant::now();
        let thread = std::thread::Builder::new().name("stillness".to_owned());
        let thread = thread.spawn(move || {
            let mut stalls = Stalls::default();
            while stopped.recv_timeout(LOOK_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                stalls.look(start.elapsed(), LOOK_INTERVAL);
            }
            stalls
        })?;
        Ok(Self { stop, thread })
    }

    /// Ends the thread; answers what was lost of the measured window.
    pub(crate) fn stop(self, plan: &Plan, control: &Control) -> Stalled {
        drop(self.stop);
        let stalls = match self.thread.join() {
            Ok(stalls) => stalls,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        stalls.between(plan.warm_up, control.ended().unwrap_or(Duration::MAX))
    }
}
