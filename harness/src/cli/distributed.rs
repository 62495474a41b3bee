//! The flags of `harness distributed`.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};

use super::arguments::ProgramArguments;
use super::values;
use crate::stack::StackKind;

/// `harness distributed`
#[derive(Debug, Args)]
#[command(after_help = "\
Several load clients on this machine send one load together. They find each
other through Kafka's log. With --kill, there is one run for each of its values.

Exit code 1: a promise was broken. The lines below the table say which one.
See docs/distributed.md.")]
pub struct DistributedArguments {
    /// Broker and store to use: native or docker
    #[arg(long, default_value = "native", env = "HARNESS_STACK")]
    pub stack: StackKind,
    /// Number of load clients that send
    #[arg(long, default_value_t = 3, value_name = "N", env = "HARNESS_WORKERS",
          value_parser = RangedU64ValueParser::<usize>::new().range(2..=16))]
    pub workers: usize,
    /// Clients to kill with kill -9 during a run, comma separated [default: none]
    #[arg(
        long,
        value_enum,
        value_name = "WHO",
        value_delimiter = ',',
        env = "HARNESS_KILL"
    )]
    pub kill: Vec<Killed>,
    /// Requests per second of all clients together
    #[arg(long, default_value_t = 60, value_name = "NUMBER", env = "HARNESS_RATE",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rate: u32,
    /// How long each run sends
    #[arg(long, default_value = "10s", value_name = "TIME", env = "HARNESS_RUN_TIME", value_parser = values::duration)]
    pub run_time: Duration,
    /// Keep reports and logs of all clients in this folder [default: keep none]
    #[arg(long, value_name = "FOLDER", env = "HARNESS_RESULTS")]
    pub results: Option<PathBuf>,
    /// The programs.
    #[command(flatten)]
    pub programs: ProgramArguments,
}

/// The clients that are killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Killed {
    /// One client that sends
    Worker,
    /// The client that leads the run; another one takes the run over
    Coordinator,
    /// A worker and the coordinator
    Both,
}

impl DistributedArguments {
    pub(super) fn check(&self) -> Result<(), String> {
        match self.stack {
            StackKind::Native | StackKind::Docker => Ok(()),
            StackKind::Embedded | StackKind::External => Err(format!(
                "--stack {}: several load clients need a Kafka that this command starts: use native or docker",
                self.stack.name()
            )),
        }
    }
}
