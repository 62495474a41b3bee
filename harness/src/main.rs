//! The binary `harness`: reads the command line, runs the command, reports, and chooses the exit code.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::error::ErrorKind;
use flags_and_variables::wrong_use;
use harness::cli::Cli;
use harness::experiment::Failed;
use harness::{CutShort, Interrupted, cli, commands};
use program_shell::terminal::shows_colours;
use tokio::runtime::Builder;
use tracing_subscriber::EnvFilter;

const EXIT_USAGE: u8 = 2;
/// `--fail-on` is broken.
const EXIT_FAILED: u8 = 4;
/// 128 + SIGINT, as a shell reports it.
const EXIT_INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let (cli, origins) = match cli::parse(std::env::args_os()) {
        Ok(read) => read,
        Err(error) => return refuse(&error),
    };
    log_to_stderr();
    match execute(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Interrupted>() => {
            complain("interrupted; everything that the harness started is stopped");
            ExitCode::from(EXIT_INTERRUPTED)
        }
        Err(error) if error.is::<CutShort>() => {
            complain(
                "interrupted twice; the child processes are killed, a broker that ran before may keep topics run-...",
            );
            ExitCode::from(EXIT_INTERRUPTED)
        }
        Err(error) if error.is::<Failed>() => {
            complain(&format!("error: {error}"));
            ExitCode::from(EXIT_FAILED)
        }
        Err(error) => {
            complain(&format!("error: {}", origins.name(&format!("{error:#}"))));
            ExitCode::FAILURE
        }
    }
}

/// The runtime stays on this thread, because child processes die with the thread that started them.
fn execute(cli: Cli) -> anyhow::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let done = runtime.block_on(commands::execute(cli));
    // After a second signal, the program does not wait for a report that is still in work.
    runtime.shutdown_background();
    done
}

/// Prints one line for a wrong use, and the whole text for help, the version, or a missing sub-command.
fn refuse(error: &clap::Error) -> ExitCode {
    let asked = !error.use_stderr();
    if asked || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // A closed standard output is no failure.
        let _ = error.print();
    } else {
        complain(&format!("error: {}", wrong_use(error)));
    }
    ExitCode::from(if asked { 0 } else { EXIT_USAGE })
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Standard error may be closed: printing such an error there would panic.
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .with_ansi(shows_colours(&std::io::stderr()))
        .with_target(false)
        .without_time()
        .init();
}

fn complain(message: &str) {
    // If standard error is closed, nobody reads the message.
    let _ = writeln!(std::io::stderr().lock(), "{message}");
}
