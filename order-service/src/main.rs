//! The orders service: parses the command line, starts the log, runs, picks the exit code.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use order_service::cli::{self, Cli, UsageError};
use order_service::{run, telemetry};

const FAILURE: u8 = 1;
const USAGE: u8 = 2;

/// How long a task that blocks its thread may hold up the end: everything of worth is done by then.
const END_PATIENCE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => return fail(USAGE, &cli::one_line(&error)),
        Err(help) => {
            // Help that nobody reads is no failure.
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    match start(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<UsageError>() => fail(USAGE, &format!("{error:#}")),
        Err(error) => fail(FAILURE, &format!("{error:#}")),
    }
}

fn start(cli: Cli) -> anyhow::Result<()> {
    telemetry::init_log(&cli.log)?;
    let metrics = telemetry::init_metrics()?;
    let runtime = tokio::runtime::Runtime::new().context("starting the runtime")?;
    let ended = runtime.block_on(run::run(cli, metrics));
    runtime.shutdown_timeout(END_PATIENCE);
    ended
}

fn fail(code: u8, message: &str) -> ExitCode {
    // Nothing is left to be done about a standard error that is closed.
    let _ = writeln!(std::io::stderr(), "order-service: {message}");
    ExitCode::from(code)
}
