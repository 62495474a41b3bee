//! The course of one run, and how it ends when something goes wrong.

use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::load::{self, LoadCommand};
use super::{Identity, RunFiles, ServiceCommand, Settings};
use crate::environment::Environment;
use crate::process::Child;
use crate::service::{Service, ServiceOptions};
use crate::stack::Stack;
use crate::wait::Interrupted;

/// The load client drains for up to its reply time-out; beyond that and this it hangs.
const LOAD_SLACK: Duration = Duration::from_secs(60);
const LOAD_STOP_GRACE: Duration = Duration::from_secs(10);
const WATCH_INTERVAL: Duration = Duration::from_millis(50);

/// How a run that took place ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// Every request was answered well.
    Clean,
    /// Some requests failed; they are in the files, and the comparison takes them into account.
    WithFailures,
    /// The load client was the bottleneck: the figures are in the files, and speak of it rather than of the
    /// service.
    Invalid,
}

/// Runs `service` once: creates topics, starts service and load client, waits, stops both, tidies up (on a
/// shared broker also when it fails).
///
/// # Errors
///
/// When a program is missing, ends by itself or hangs, with its log's end; [`Interrupted`] when `stop` is
/// cancelled. In every case service and load client are gone.
pub async fn run(
    stack: &mut Stack,
    settings: &Settings,
    service: &ServiceCommand,
    identity: &Identity,
    files: &RunFiles,
    stop: &CancellationToken,
) -> Result<RunEnd> {
    files.prepare()?;
    let topics = [identity.topic(), identity.reply_topic()];
    // Before the service starts, so that a missing load client costs no wait.
    let load_command = load::command(stack, settings, identity, files)?;
    let outcome = take_place(
        stack,
        settings,
        service,
        identity,
        files,
        &load_command,
        stop,
    )
    .await;
    stack.tidy_after(outcome, &topics).await
}

/// The run itself, from its topics to the end of its service.
async fn take_place(
    stack: &mut Stack,
    settings: &Settings,
    command: &ServiceCommand,
    identity: &Identity,
    files: &RunFiles,
    load_command: &LoadCommand,
    stop: &CancellationToken,
) -> Result<RunEnd> {
    for topic in [identity.topic(), identity.reply_topic()] {
        stack.create_topic(&topic, settings.partitions).await?;
    }
    let mut service = start_service(stack, settings, command, identity, files, stop).await?;
    Environment::of_run(
        stack,
        settings,
        &command.name,
        identity,
        service.command(),
        &load_command.line,
    )
    .write(&files.environment)?;
    let outcome = drive(stack, &mut service, settings, load_command, files, stop).await;
    let stopped = service.stop().await;
    // The load's failure is the cause, the service's and the store's only follow from it.
    let end = outcome?;
    stopped?;
    Ok(end)
}

async fn start_service(
    stack: &Stack,
    settings: &Settings,
    command: &ServiceCommand,
    identity: &Identity,
    files: &RunFiles,
    stop: &CancellationToken,
) -> Result<Service> {
    let in_flight = [
        "--max-in-flight".to_owned(),
        settings.max_in_flight.to_string(),
    ];
    let program = command.program.as_ref().or(settings.order_service.as_ref());
    let options = ServiceOptions {
        program: program.cloned(),
        group_id: Some(identity.group_id.clone()),
        topic_prefix: identity.topic_prefix.clone(),
        arguments: [&in_flight, command.arguments.as_slice()].concat(),
        log: Some(files.logs.join("order-service.log")),
        stop: stop.clone(),
        ..ServiceOptions::default()
    };
    Service::start(stack, options).await
}

/// Starts the load client and watches everything until it ends.
async fn drive(
    stack: &mut Stack,
    service: &mut Service,
    settings: &Settings,
    load_command: &LoadCommand,
    files: &RunFiles,
    stop: &CancellationToken,
) -> Result<RunEnd> {
    let mut load = load_command.spawn(&files.logs.join("load-client.log"))?;
    let limit = settings.run_time + load::REPLY_LIMIT + LOAD_SLACK;
    match watch(&mut load, service, stack, limit, stop).await {
        Ok(status) => judge(status, &load, files),
        Err(error) => {
            load.stop(LOAD_STOP_GRACE).await?;
            Err(error)
        }
    }
}

/// Waits for the load client, and for whatever ends the run before it.
async fn watch(
    load: &mut Child,
    service: &mut Service,
    stack: &mut Stack,
    limit: Duration,
    stop: &CancellationToken,
) -> Result<ExitStatus> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = load.try_wait()? {
            return Ok(status);
        }
        if let Some(status) = service.child().try_wait()? {
            let tail = service.child().log_tail();
            bail!("order-service ended during the run ({status}); {tail}");
        }
        stack.check()?;
        if Instant::now() >= deadline {
            bail!(
                "load-client did not end within {limit:?}; {}",
                load.log_tail()
            );
        }
        if stop
            .run_until_cancelled(sleep(WATCH_INTERVAL))
            .await
            .is_none()
        {
            return Err(Interrupted.into());
        }
    }
}

/// What the load client's exit code says of a run. Without its files, no run took place.
fn judge(status: ExitStatus, load: &Child, files: &RunFiles) -> Result<RunEnd> {
    let is_recorded = files.requests.is_file() && files.summary.is_file();
    match end_of(status.code()) {
        Some(RunEnd::Clean) => Ok(RunEnd::Clean),
        Some(end) if is_recorded => Ok(end),
        _ => bail!("load-client failed ({status}); {}", load.log_tail()),
    }
}

/// Exit codes of the load client that stand for a run that took place. The others: 1 it could not be done, 2
/// wrong use, 6 it ended early, 130 it was interrupted; 4 needs a threshold, and we give none.
fn end_of(code: Option<i32>) -> Option<RunEnd> {
    match code? {
        0 => Some(RunEnd::Clean),
        3 => Some(RunEnd::WithFailures),
        5 => Some(RunEnd::Invalid),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_runs_to_the_end_count() {
        for (code, end) in [
            (Some(0), Some(RunEnd::Clean)),
            (Some(3), Some(RunEnd::WithFailures)),
            (Some(5), Some(RunEnd::Invalid)),
            (Some(1), None),
            (Some(2), None),
            (Some(6), None),
            (Some(130), None),
            (None, None),
        ] {
            assert_eq!(end_of(code), end, "{code:?}");
        }
    }
}
