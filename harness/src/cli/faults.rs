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

/// Properties of the group membership. The plan of each round sets them.
const OF_MEMBERSHIP: [&str; 2] = ["group.protocol", "group.instance.id"];
/// Properties that librdkafka refuses if the broker assigns the partitions (KIP-848).
const OF_CLASSIC_MEMBERS: [&str; 4] = [
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "partition.assignment.strategy",
    "group.protocol.type",
];

/// `harness faults`
#[derive(Debug, Args)]
#[command(after_help = "\
The first rounds have one fault each, in random order, until each fault had its
round. Then rounds with a mix and rounds with one fault alternate.

Exit code 1: a record was lost, or another promise was broken. The lines below
the table say which one. See docs/reliability.md.")]
pub struct FaultsArguments {
    /// Broker and store to use: native, because its broker can be killed
    #[arg(long, default_value = "native", env = "HARNESS_STACK")]
    pub stack: StackKind,
    /// Number of brokers in each round; the faults from kill-leader on need 3
    #[arg(long, default_value_t = 1, value_name = "N", env = "HARNESS_BROKERS",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=5))]
    pub brokers: usize,
    /// Number of rounds
    #[arg(long, default_value_t = 25, value_name = "N", env = "HARNESS_ROUNDS",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    pub rounds: usize,
    /// Seed of the plan: which faults, and when [default: from the clock; printed]
    #[arg(long, value_name = "NUMBER", env = "HARNESS_SEED")]
    pub seed: Option<u64>,
    /// Use only these faults, comma separated
    #[arg(
        long,
        value_name = "FAULTS",
        value_delimiter = ',',
        env = "HARNESS_ONLY"
    )]
    pub only: Vec<Fault>,
    /// Group membership of the service's instances [default: drawn for each round]
    #[arg(long, value_name = "MEMBERSHIP", env = "HARNESS_MEMBERS")]
    pub members: Option<Membership>,
    /// Print the plan, and run nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Requests per second
    #[arg(long, default_value_t = 250, value_name = "N", env = "HARNESS_RATE",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: u32,
    /// Least number of requests in a round
    #[arg(
        long,
        default_value_t = 4000,
        value_name = "N",
        env = "HARNESS_REQUESTS",
        value_parser = clap::value_parser!(u64).range(1..=10_000_000)
    )]
    pub requests: u64,
    /// Write plan, figures and findings of each round to this JSON file; - is standard output
    #[arg(long, value_name = "FILE", env = "HARNESS_JSON")]
    pub json: Option<PathBuf>,
    /// Folder for logs; without --keep-logs, those of clean rounds are removed
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
    /// librdkafka property of the service's clients; repeatable
    ///
    /// It wins over all other settings.
    #[arg(short = 'X', value_name = "KEY=VALUE", value_parser = values::property)]
    pub properties: Vec<(String, String)>,
    /// The programs.
    #[command(flatten)]
    pub programs: ProgramArguments,
}

impl FaultsArguments {
    /// Refuses properties that the suite sets itself, or that its members cannot have.
    pub(super) fn check(&self) -> Result<(), String> {
        let is_assigned = self.members.is_none_or(|one| one == Membership::Assigned);
        for (key, _) in &self.properties {
            // The instances get properties on their command line, which every user of the machine can read.
            if is_secret(key) {
                return Err(format!(
                    "-X {key}: the suite's own broker asks for no password"
                ));
            }
            if OF_MEMBERSHIP.contains(&&**key) {
                return Err(format!(
                    "-X {key}: the suite sets this property; see --members"
                ));
            }
            if is_assigned && OF_CLASSIC_MEMBERS.contains(&&**key) {
                return Err(format!(
                    "-X {key}: assigned members get this value from the broker; add --members classic"
                ));
            }
        }
        Ok(())
    }
}

/// `harness soak`
#[derive(Debug, Args)]
#[command(after_help = "\
Exit code 1: memory or latency grew beyond its bound, or a request got no reply.
See docs/reliability.md.")]
pub struct SoakArguments {
    /// Broker and store to use
    #[arg(long, default_value = "native", env = "HARNESS_STACK")]
    pub stack: StackKind,
    /// How long to run
    #[arg(long, default_value = "1h", value_name = "TIME", env = "HARNESS_SOAK_TIME",
          value_parser = values::positive_duration)]
    pub time: Duration,
    /// Requests per second [default: half of the rate at which the service works off a backlog]
    #[arg(long, value_name = "N", env = "HARNESS_RATE",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: Option<u32>,
    /// Time between two samples of latency and memory
    #[arg(long, default_value = "10s", value_name = "TIME", env = "HARNESS_SAMPLE_TIME",
          value_parser = values::positive_duration)]
    pub sample_time: Duration,
    /// Write all samples to this JSON file; - is standard output
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
    /// Executable of the service [default: in the folder of this program]
    #[arg(long, value_name = "FILE", env = "HARNESS_ORDER_SERVICE")]
    pub order_service: Option<PathBuf>,
}
