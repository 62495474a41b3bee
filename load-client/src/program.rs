//! The program behind `main`: parses the command line, runs the command, picks the exit code.

use std::io::Write;
use std::process::ExitCode;

use flags_and_variables::one_line;
use tracing_subscriber::EnvFilter;

use crate::args::{self, Command};
use crate::commands;
use crate::transport::kafka::quiet_unreadable_headers;

/// The command could not be done.
const FAILURE: u8 = 1;
/// The command line is wrong.
const USAGE: u8 = 2;

/// Does what the command line asks for.
#[must_use]
pub fn main() -> ExitCode {
    let (cli, origins) = match args::read(std::env::args_os()) {
        Ok(read) => read,
        Err(error) if error.use_stderr() => return fail(USAGE, &one_line(&error)),
        Err(help) => {
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_env("LOAD_CLIENT_LOG").unwrap_or_else(|_| EnvFilter::new("warn")),
        )
        // It would print them to standard error, which may be what is gone, and panic.
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .init();
    quiet_unreadable_headers();
    let done = match cli.command {
        Command::Run(arguments) => commands::run(*arguments),
        Command::Compare(arguments) => commands::compare(&arguments),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) if commands::is_usage(&error) => {
            fail(USAGE, &origins.name(&format!("{error:#}")))
        }
        Err(error) => fail(FAILURE, &origins.name(&format!("{error:#}"))),
    }
}

fn fail(code: u8, message: &str) -> ExitCode {
    // Nowhere is left to report a standard error that is closed.
    let _ = writeln!(std::io::stderr().lock(), "error: {message}");
    ExitCode::from(code)
}
