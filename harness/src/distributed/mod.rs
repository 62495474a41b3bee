//! Runs of several load clients on this machine, over Kafka's log. Some runs lose a client, the coordinator or both.

mod round;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use tokio_util::sync::CancellationToken;

use self::round::Round;
use crate::cli::{DistributedArguments, Killed};
use crate::service::{Service, ServiceOptions};
use crate::stack::{Stack, StackOptions};

/// Runs all rounds. Returns the text to show, and whether all promises were kept.
///
/// # Errors
///
/// Fails if the stack, the service or a client does not start, or the user stops it.
pub(crate) async fn distributed(
    arguments: DistributedArguments,
    stop: &CancellationToken,
) -> Result<(String, bool)> {
    let kept = arguments.results.clone();
    let folder = tempfile::tempdir()?;
    let folder = kept.unwrap_or_else(|| folder.path().to_owned());
    let options = StackOptions {
        stop: stop.clone(),
        ..StackOptions::default()
    };
    let stack = Stack::start(arguments.stack, options).await?;
    let done = with_service(&stack, &arguments, &folder, stop).await;
    let stopped = stack.stop().await;
    let done = done?;
    stopped?;
    Ok(done)
}

async fn with_service(
    stack: &Stack,
    arguments: &DistributedArguments,
    folder: &Path,
    stop: &CancellationToken,
) -> Result<(String, bool)> {
    for topic in ["createOrder", "createOrder.reply"] {
        stack.create_topic(topic, 3).await?;
    }
    let options = ServiceOptions {
        program: arguments.programs.order_service.clone(),
        dispatch: Some("tasks".to_owned()),
        stop: stop.clone(),
        ..ServiceOptions::default()
    };
    let service = Service::start(stack, options).await?;
    let shown = rounds(stack, arguments, folder, stop).await;
    let stopped = service.stop().await;
    let shown = shown?;
    stopped?;
    Ok(shown)
}

/// One round without a kill, or one for each value of --kill.
async fn rounds(
    stack: &Stack,
    arguments: &DistributedArguments,
    folder: &Path,
    stop: &CancellationToken,
) -> Result<(String, bool)> {
    let mut killed: Vec<Option<Killed>> = arguments.kill.iter().copied().map(Some).collect();
    if killed.is_empty() {
        killed.push(None);
    }
    let (mut shown, mut outcomes) = (String::new(), Vec::new());
    for killed in killed {
        let round = Round::new(stack, arguments, folder, killed)?;
        let outcome = round.play(stop).await?;
        shown += &outcome.shown;
        outcomes.push(outcome);
    }
    shown += "\n| killed | verdict | requests | promise | kept |\n|---|---|--:|---|---|\n";
    for own in &outcomes {
        shown += &format!(
            "| {} | {} | {} | {} | {} |\n",
            own.killed,
            own.verdict,
            own.requests,
            own.promise,
            if own.is_kept { "yes" } else { "**no**" }
        );
    }
    Ok((shown, outcomes.iter().all(|own| own.is_kept)))
}

/// The path of a client's file.
fn file(folder: &Path, run: &str, name: &str) -> PathBuf {
    folder.join(format!("{run}-{name}"))
}

/// The number of requests of a schedule with constant spacing.
fn scheduled(rate: u32, run_time: Duration) -> u64 {
    (f64::from(rate) * run_time.as_secs_f64()).ceil() as u64
}
