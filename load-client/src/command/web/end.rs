//! How the page comes to its end: by a signal, or some time after the run that it began with.

use std::time::Duration;

use crate::command::web::runs::LiveRuns;
use crate::signals::{Signals, say};

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
/// in flight.
pub(super) async fn end(runs: &LiveRuns, signals: &mut Signals) {
    runs.close().await;
    if runs.is_idle() {
        return;
    }
    say("stopping: waiting for the requests in flight; Ctrl-C again stops at once");
    tokio::select! {
        () = runs.idle() => return,
        () = signals.next() => {}
    }
    say("stopping at once: requests in flight are recorded as censored");
    runs.abort().await;
    runs.idle().await;
}
