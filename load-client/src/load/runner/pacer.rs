//! What an open loop waits with between two requests.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::now;

/// What to wait with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pacer {
    /// A thread of its own, which sleeps to within microseconds: tokio's timers are 1 ms coarse, ten
    /// requests of 10,000 a second.
    Thread,
    #[cfg(test)]
    /// tokio's timer. Follows a clock that tests pause.
    Timer,
}

/// What the open loop wants next.
pub(super) enum Step {
    /// To be called again then, or earlier.
    Wait(Instant),
    /// Not to be called again.
    Done,
}

/// Longest sleep: how soon a stop is seen.
const LONGEST_SLEEP: Duration = Duration::from_millis(20);

/// Drives the steps on a thread of its own.
pub(super) async fn by_thread(mut step: impl FnMut() -> Step + Send + 'static) {
    let (done, finished) = oneshot::channel();
    let thread = std::thread::Builder::new().name("pacer".to_owned());
    let spawned = thread.spawn(move || {
        sleep_precisely();
        while let Step::Wait(until) = step() {
            let rest = until.saturating_duration_since(now());
            std::thread::sleep(rest.min(LONGEST_SLEEP));
        }
        // Told when all that the steps hold on to is gone, as the recorder waits for that.
        drop(step);
        let _ = done.send(());
    });
    // A thread that panicked drops its end: a bug of ours, after which figures would mislead.
    let thread = spawned.expect("the system has a thread for the pacer");
    if finished.await.is_err()
        && let Err(panic) = thread.join()
    {
        std::panic::resume_unwind(panic);
    }
}

/// Drives the steps on tokio's timer.
#[cfg(test)]
pub(super) async fn by_timer(mut step: impl FnMut() -> Step) {
    while let Step::Wait(until) = step() {
        tokio::time::sleep_until(until.into()).await;
    }
}

/// Has Linux wake this thread when it is due. Otherwise sleeps are gathered to save power, up to 50 µs
/// apart, and waiting actively through them would cost a core.
fn sleep_precisely() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1)) {
        tracing::debug!(%error, "timer slack stays at its default");
    }
}
