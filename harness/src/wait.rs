//! Bounded waiting that ends early if a child process ends or the user stops the harness.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::process::Child;

const PAUSE: Duration = Duration::from_millis(25);

/// The user stopped the harness (Ctrl-C, SIGTERM or SIGHUP). It stops its programs, and nothing failed.
#[derive(Debug)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// The user asked a second time. The harness kills its programs, and cleans up nothing.
#[derive(Debug)]
pub struct CutShort;

impl fmt::Display for CutShort {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("interrupted twice")
    }
}

impl std::error::Error for CutShort {}

/// Waits for `work`, unless the user stops the harness before.
pub(crate) async fn unless_stopped<T>(
    stop: &CancellationToken,
    work: impl Future<Output = T>,
) -> Result<T> {
    match stop.run_until_cancelled(work).await {
        Some(done) => Ok(done),
        None => Err(Interrupted.into()),
    }
}

/// Asks `probe` repeatedly, until it is ready, the child ends, or `limit` is over.
///
/// `probe` answers `Ok` when it is ready, and the reason if it is not.
pub(crate) async fn until_ready<P, F>(
    child: &mut Child,
    limit: Duration,
    stop: &CancellationToken,
    mut probe: P,
) -> Result<()>
where
    P: FnMut() -> F,
    F: Future<Output = Result<(), String>>,
{
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            bail!(
                "{} ended while starting ({status}); {}",
                child.name(),
                child.log_tail()
            );
        }
        let Err(reason) = unless_stopped(stop, probe()).await? else {
            return Ok(());
        };
        if Instant::now() >= deadline {
            bail!(
                "{} not ready after {limit:?}: {reason}; {}",
                child.name(),
                child.log_tail()
            );
        }
        unless_stopped(stop, sleep(PAUSE)).await?;
    }
}
