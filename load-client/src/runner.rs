//! Drives the users of a run through a transport. Knows neither Kafka nor files nor terminals.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::plan::Plan;
use crate::sample::Sample;
use crate::scenario::Scenario;
use crate::transport::Transport;
use crate::user::{Shared, closed_loop, now};

/// How a run is ended from outside. Clones share the tokens.
#[derive(Debug, Clone, Default)]
pub struct Control {
    /// Cancelled to send nothing more; requests in flight are waited for, up to the time-out.
    pub stop: CancellationToken,
    /// Cancelled to wait for nothing; requests in flight are recorded as censored.
    pub abort: CancellationToken,
}

/// Runs a plan to its end: every user started, every request in exactly one sample.
///
/// Returns when the last user has stopped. The samples' channel is bounded: a recorder that falls
/// behind slows the users between two requests, and never inside a measured one.
pub async fn run<T: Transport>(
    plan: Plan,
    scenario: Arc<dyn Scenario>,
    transport: Arc<T>,
    samples: mpsc::Sender<Sample>,
    control: &Control,
) {
    let run_time = plan.run_time;
    let count = plan.users;
    let shared = Arc::new(Shared {
        plan,
        scenario,
        transport,
        samples,
        stop: control.stop.clone(),
        abort: control.abort.clone(),
        start: now(),
    });
    let mut users: JoinSet<()> = (0..count)
        .map(|user| closed_loop(user, Arc::clone(&shared)))
        .collect();
    let end_of_run_time = async {
        match run_time {
            Some(run_time) => tokio::time::sleep_until((shared.start + run_time).into()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = end_of_run_time => {}
        () = control.stop.cancelled() => {}
        () = control.abort.cancelled() => {}
    }
    control.stop.cancel();
    while let Some(ended) = users.join_next().await {
        if let Err(error) = ended
            && error.is_panic()
        {
            // A bug of ours: figures without that user's requests would mislead.
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

#[cfg(test)]
mod tests;
