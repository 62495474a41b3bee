//! The orders service: parses the command line, starts the log, runs, reports.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use order_service::cli::Cli;
use order_service::{run, telemetry};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match start(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to be done about a standard error that is closed.
            let _ = writeln!(std::io::stderr(), "order-service: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn start(cli: Cli) -> anyhow::Result<()> {
    telemetry::init_log(&cli.log)?;
    let metrics = telemetry::init_metrics()?;
    run::run(cli, metrics).await
}
