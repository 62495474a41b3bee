//! The flags of `harness faults` and `harness soak`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use kafka_cluster_url::is_secret;

use super::arguments::ProgramArguments;
use super::values;
use crate::faults::{Fault, Membership};
use crate::stack::StackKind;

/// What makes an instance the member that a round's plan says.
const OF_MEMBERSHIP: [&str; 2] = ["group.protocol", "group.instance.id"];
/// What librdkafka refuses where the broker assigns the partitions (KIP-848).
const OF_CLASSIC_MEMBERS: [&str; 4] = [
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "partition.assignment.strategy",
    "group.protocol.type",
];

/// `harness faults`
#[derive(Debug, Args)]
#[command(after_help = "\
Each fault comes alone first, in an order of chance, then by turns in mixes and alone. Exit
code 1 says that something was lost, or another promise was broken; what, stands below the
table. See docs/reliability.md.")]
pub struct FaultsArguments {
    /// Where to run: native, whose broker can be killed
    #[arg(long, default_value = "native", env = "HARNESS_STACK")]
    pub stack: StackKind,
    /// Brokers: the faults of a cluster need 3, and all others are played on as many
    #[arg(long, default_value_t = 1, value_name = "N", env = "HARNESS_BROKERS",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=5))]
    pub brokers: usize,
    /// How many rounds
    #[arg(long, default_value_t = 25, value_name = "N", env = "HARNESS_ROUNDS",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    pub rounds: usize,
    /// Decides what fails when [default: from the clock; printed]
    #[arg(long, value_name = "NUMBER", env = "HARNESS_SEED")]
    pub seed: Option<u64>,
    /// Only these faults
    #[arg(
        long,
        value_name = "FAULTS",
        value_delimiter = ',',
        env = "HARNESS_ONLY"
    )]
    pub only: Vec<Fault>,
    /// How the instances are members of their group, in all rounds [default: drawn for each round]
    #[arg(long, value_name = "MEMBERSHIP", env = "HARNESS_MEMBERS")]
    pub members: Option<Membership>,
    /// Print the plan and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Requests a second
    #[arg(long, default_value_t = 250, value_name = "N", env = "HARNESS_RATE",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: u32,
    /// Requests of a round, at least
    #[arg(
        long,
        default_value_t = 4000,
        value_name = "N",
        env = "HARNESS_REQUESTS",
        value_parser = clap::value_parser!(u64).range(1..=10_000_000)
    )]
    pub requests: u64,
    /// Write plan, figures and findings of each round to this file
    #[arg(long, value_name = "FILE", env = "HARNESS_JSON")]
    pub json: Option<PathBuf>,
    /// Folder for logs; those of clean rounds are removed
    #[arg(
        long,
        value_name = "FOLDER",
        default_value = "results/faults",
        env = "HARNESS_LOGS"
    )]
    pub logs: PathBuf,
    /// Keep the logs of clean rounds too
    #[arg(long)]
    pub keep_logs: bool,
    /// A librdkafka property of the service's clients, applied last; may be given many times
    #[arg(short = 'X', value_name = "KEY=VALUE", value_parser = values::property)]
    pub properties: Vec<(String, String)>,
    /// What is run.
    #[command(flatten)]
    pub programs: ProgramArguments,
}

impl FaultsArguments {
    /// Which properties the instances cannot be given.
    pub(super) fn check(&self) -> Result<(), String> {
        let is_assigned = self.members.is_none_or(|one| one == Membership::Assigned);
        for (key, _) in &self.properties {
            // They are handed on in a command line, which every user of the machine can read.
            if is_secret(key) {
                return Err(format!(
                    "-X {key}: the suite starts a broker of its own, which asks for no password"
                ));
            }
            if OF_MEMBERSHIP.contains(&&**key) {
                return Err(format!("-X {key}: the suite sets it; see --members"));
            }
            if is_assigned && OF_CLASSIC_MEMBERS.contains(&&**key) {
                return Err(format!(
                    "-X {key}: assigned members take it from their broker; add --members classic"
                ));
            }
        }
        Ok(())
    }
}

/// `harness soak`
#[derive(Debug, Args)]
#[command(after_help = "\
Exit code 1 says that memory or latency grew beyond its bound, or that a request was not
answered. See docs/reliability.md.")]
pub struct SoakArguments {
    /// Where to run
    #[arg(long, default_value = "native", env = "HARNESS_STACK")]
    pub stack: StackKind,
    /// How long
    #[arg(long, default_value = "1h", value_name = "TIME", env = "HARNESS_SOAK_TIME",
          value_parser = values::positive_duration)]
    pub time: Duration,
    /// Requests a second [default: half of what the service answers of a backlog]
    #[arg(long, value_name = "N", env = "HARNESS_RATE",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: Option<u32>,
    /// Between two looks at latency and memory
    #[arg(long, default_value = "10s", value_name = "TIME", env = "HARNESS_SAMPLE_TIME",
          value_parser = values::positive_duration)]
    pub sample_time: Duration,
    /// Write all samples to this file
    #[arg(long, value_name = "FILE", env = "HARNESS_JSON")]
    pub json: Option<PathBuf>,
    /// Folder for logs
    #[arg(
        long,
        value_name = "FOLDER",
        default_value = "results/soak",
        env = "HARNESS_LOGS"
    )]
    pub logs: PathBuf,
    /// The service's executable [default: beside this one]
    #[arg(long, value_name = "FILE", env = "HARNESS_ORDER_SERVICE")]
    pub order_service: Option<PathBuf>,
}
