//! The load client as a child process.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use humantime::format_duration;

use super::{Identity, RunFiles, Settings};
use crate::process::Child;
use crate::programs;
use crate::stack::Stack;

/// A reply that takes longer is a failure; the article's value.
pub(super) const REPLY_LIMIT: Duration = Duration::from_secs(30);

/// Starts the load client with its command line, program first.
pub(super) fn spawn(command: &[String], log: &Path) -> Result<Child> {
    Child::spawn("load-client", Path::new(&command[0]), &command[1..], log)
}

/// The command line of one run, program first.
pub(super) fn command(
    stack: &Stack,
    settings: &Settings,
    identity: &Identity,
    files: &RunFiles,
) -> Result<Vec<String>> {
    let program = programs::own(
        "load-client",
        "--load-client",
        settings.load_client.as_deref(),
    )?;
    let flags = [
        ("--host", stack.kafka_url().to_owned()),
        ("--topic", identity.topic()),
        ("--reply-topic", identity.reply_topic()),
        ("--users", settings.users.to_string()),
        ("--spawn-rate", settings.spawn_rate.to_string()),
        ("--run-time", format_duration(settings.run_time).to_string()),
        ("--warm-up", format_duration(settings.warm_up).to_string()),
        ("--timeout", format_duration(REPLY_LIMIT).to_string()),
        (
            "--requests-record-file",
            files.requests.display().to_string(),
        ),
        ("--json", files.summary.display().to_string()),
    ];
    let mut command = vec![
        program.display().to_string(),
        "run".to_owned(),
        "--headless".to_owned(),
    ];
    command.extend(
        flags
            .into_iter()
            .flat_map(|(flag, value)| [flag.to_owned(), value]),
    );
    for (key, value) in stack.client_properties() {
        command.extend(["-X".to_owned(), format!("{key}={value}")]);
    }
    Ok(command)
}
