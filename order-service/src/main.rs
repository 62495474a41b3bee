//! The orders service: reads the command line, starts the log, runs, and chooses the exit code.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::CommandFactory;
use flags_and_variables::wrong_use;
use order_service::cli::{Cli, Command, UsageError};
use order_service::{app, asyncapi, run, telemetry};
use program_shell::manual;
use serde_json::Value;

const FAILURE: u8 = 1;
const USAGE: u8 = 2;

/// How long a task that blocks its thread may delay the end. All records are finished by then.
const END_PATIENCE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let (cli, origins) = match Cli::read(std::env::args_os()) {
        Ok(read) => read,
        Err(error) if error.use_stderr() => return fail(USAGE, &wrong_use(&error)),
        Err(help) => {
            // A closed standard output is no failure.
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    let done = match cli.command.clone() {
        Some(command) => print(command, &cli),
        None => start(cli),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<UsageError>() => fail(USAGE, &origins.name(&format!("{error:#}"))),
        Err(error) => fail(FAILURE, &origins.name(&format!("{error:#}"))),
    }
}

/// Prints a description of the service, or files of an installation.
fn print(command: Command, cli: &Cli) -> anyhow::Result<()> {
    let text = match command {
        Command::Asyncapi => described(&asyncapi::document(&app::document(), &cli.deployment()?)),
        Command::Openapi => described(&app::document()),
        Command::Completions { shell } => manual::completions(Cli::command(), shell),
        Command::Man { folder } => {
            let written = manual::write_man_pages(Cli::command(), &folder);
            return written.with_context(|| folder.display().to_string());
        }
    };
    // The reader may close the pipe early, which is no failure.
    match std::io::stdout().write_all(&text) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("writing to standard output")
        }
        _ => Ok(()),
    }
}

fn described(document: &Value) -> Vec<u8> {
    format!("{document:#}\n").into_bytes()
}

fn start(cli: Cli) -> anyhow::Result<()> {
    telemetry::init_log(&cli.log, cli.log_format)?;
    kafka_bridge::kafka::quiet_unreadable_headers();
    let metrics = telemetry::init_metrics()?;
    let runtime = tokio::runtime::Runtime::new().context("starting the runtime")?;
    let ended = runtime.block_on(run::run(cli, metrics));
    runtime.shutdown_timeout(END_PATIENCE);
    ended
}

fn fail(code: u8, message: &str) -> ExitCode {
    // If standard error is closed, nobody reads the message.
    let _ = writeln!(std::io::stderr(), "order-service: {message}");
    ExitCode::from(code)
}
