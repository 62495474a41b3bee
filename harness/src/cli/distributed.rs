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
One run of several load clients on this machine, which find each other by Kafka's log; or, with
--kill, one for each of those who are killed. Exit code 1 says that a promise was broken; which,
stands below the table. See docs/distributed.md.")]
pub struct DistributedArguments {
    /// Where to run: native or docker, whose brokers keep a log as Kafka does
    #[arg(long, default_value = "native", env = "HARNESS_STACK")]
    pub stack: StackKind,
    /// Load clients that send
    #[arg(long, default_value_t = 3, value_name = "N", env = "HARNESS_WORKERS",
          value_parser = RangedU64ValueParser::<usize>::new().range(2..=16))]
    pub workers: usize,
    /// Who is killed (kill -9) in the middle of a run: worker, coordinator, both; comma separated
    #[arg(
        long,
        value_enum,
        value_name = "WHO",
        value_delimiter = ',',
        env = "HARNESS_KILL"
    )]
    pub kill: Vec<Killed>,
    /// Requests a second of all clients together
    #[arg(long, default_value_t = 60, value_name = "NUMBER", env = "HARNESS_RATE",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rate: u32,
    /// How long each run sends
    #[arg(long, default_value = "10s", value_name = "TIME", env = "HARNESS_RUN_TIME", value_parser = values::duration)]
    pub run_time: Duration,
    /// Keep reports and logs of all clients in this folder [default: they are not kept]
    #[arg(long, value_name = "FOLDER", env = "HARNESS_RESULTS")]
    pub results: Option<PathBuf>,
    /// The programs.
    #[command(flatten)]
    pub programs: ProgramArguments,
}

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Killed {
    /// One of those who send
    Worker,
    /// The one who leads: another one takes the run over
    Coordinator,
    /// One who sends and the one who leads
    Both,
}

impl DistributedArguments {
    pub(super) fn check(&self) -> Result<(), String> {
        match self.stack {
            StackKind::Native | StackKind::Docker => Ok(()),
            StackKind::Embedded | StackKind::External => Err(format!(
                "--stack {}: several load clients need the log of a Kafka that this command starts; use native or docker",
                self.stack.name()
            )),
        }
    }
}
