//! How the page comes to its end: by a signal, or some time after the run that it began with.

use std::ops::ControlFlow;
use std::time::Duration;

use program_shell::signals::Signals;

use crate::commands::web::runs::LiveRuns;
use crate::session::signals::say;

/// Waits for the end of the run and then that long; for ever without a time.
pub(super) async fn after_the_run(runs: &LiveRuns, autoquit: Option<Duration>) {
    match autoquit {
        Some(pause) => loop {
            runs.idle().await;
            tokio::time::sleep(pause).await;
            // Somebody may have started another one.
            if runs.is_idle() {
                return;
            }
        },
        None => std::future::pending().await,
    }
}

/// Stops the run that goes on, and takes no further one. A further signal does not wait for requests
/// in flight, and one more does not wait for files either, which is a break.
pub(super) async fn end(runs: &LiveRuns, signals: &mut Signals) -> ControlFlow<()> {
    runs.close().await;
    if runs.is_idle() {
        return ControlFlow::Continue(());
    }
    say("stopping: waiting for the requests in flight; Ctrl-C again stops at once");
    tokio::select! {
        () = runs.idle() => return ControlFlow::Continue(()),
        _ = signals.next() => {}
    }
    say("stopping at once: requests in flight are recorded as censored");
    runs.abort().await;
    tokio::select! {
        () = runs.idle() => ControlFlow::Continue(()),
        _ = signals.next() => {
            say("ended at once: files that were not written yet are missing");
            ControlFlow::Break(())
        }
    }
}
