//! The flags, as clap derives them. Every one has an environment variable too.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand};
use flags_and_variables::Quietly;
use program_shell::manual::Shell;

use super::{
    BenchArguments, DistributedArguments, ExperimentArguments, FaultsArguments, LimitsArguments,
    SimulateArguments, SoakArguments, values,
};
use crate::stack::StackKind;

/// Runs experiments: is a change of a service faster, by how much, and how sure are we?
#[derive(Debug, Parser)]
#[command(
    name = "harness",
    version,
    about,
    after_help = "\
Examples:
  harness experiment
      both variants, interleaved, on the mock broker
  harness experiment --stack native --run-time 30s
      the same on Apache Kafka
  harness experiment --stack native --baseline COMMAND --changed COMMAND --ready line=listening
      any two services
  harness bench --variant baseline --out results/baseline.csv --run-time 5m
      one run of one variant
  harness demo --stack native
      one order: request, reply, stored order
  harness up --stack native
      broker and store for your own tries"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The sub-commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start broker and store, print their URLs, wait for Ctrl-C
    Up(UpArguments),
    /// Send one order, show request and reply as on the wire, and the order as stored
    Demo(DemoArguments),
    /// One run of one variant
    Bench(BenchArguments),
    /// Interleaved runs of two or more variants, compared, with a report
    Experiment(Box<ExperimentArguments>),
    /// Many short experiments whose truth is known: how often is each verdict said
    Simulate(SimulateArguments),
    /// How close the bridge comes to a bare client, under several loads, in one run
    Limits(LimitsArguments),
    /// Let parts of the system fail under load, and prove that nothing is lost
    Faults(FaultsArguments),
    /// One run of several load clients on this machine; who sends or leads may be killed
    Distributed(DistributedArguments),
    /// Half of the possible load for long, with an eye on memory and latency
    Soak(SoakArguments),
    /// Print the script that completes commands and flags in a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the man pages into a folder
    #[command(hide = true)]
    Man {
        /// The folder
        folder: PathBuf,
    },
}

/// `harness up`
#[derive(Debug, Args)]
pub struct UpArguments {
    /// What to start.
    #[command(flatten)]
    pub stack: StartArguments,
    /// Create this topic; repeatable, or comma separated
    #[arg(long = "topic", value_name = "NAME[:PARTITIONS]", value_parser = values::topic, value_delimiter = ',',
          default_value = "createOrder,readOrder,updateOrder,cancelOrder,createOrder.reply", env = "HARNESS_TOPICS")]
    pub topics: Vec<(String, i32)>,
}

/// `harness demo`
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// Where to run.
    #[command(flatten)]
    pub target: TargetArguments,
    /// The service's executable [default: beside this one]
    #[arg(long, value_name = "FILE", env = "HARNESS_ORDER_SERVICE")]
    pub order_service: Option<PathBuf>,
}

/// A stack that the harness starts.
#[derive(Debug, Args)]
pub struct StartArguments {
    /// Broker and store to run against [default: embedded, or external with --kafka and --store]
    #[arg(long, env = "HARNESS_STACK")]
    pub stack: Option<StackKind>,
    /// Brokers, stack native: with 3, topics are on all of them, and a record is accepted once two have it
    #[arg(long, default_value_t = 1, value_name = "N", env = "HARNESS_BROKERS",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=5))]
    pub brokers: usize,
    /// Port of the (first) broker on 127.0.0.1, stacks embedded and native [default: a free one; of `up` 9092, if it
    /// is free]
    #[arg(long, value_name = "PORT", env = "HARNESS_KAFKA_PORT",
          value_parser = clap::value_parser!(u16).range(1..))]
    pub kafka_port: Option<u16>,
    /// Port of the store on 127.0.0.1, stacks embedded and native [default: a free one; of `up` 6666, if it is free]
    #[arg(long, value_name = "PORT", env = "HARNESS_STORE_PORT",
          value_parser = clap::value_parser!(u16).range(1..))]
    pub store_port: Option<u16>,
    /// The compose file, stack docker
    #[arg(
        long,
        value_name = "FILE",
        default_value = "docker/compose.yaml",
        env = "HARNESS_COMPOSE_FILE"
    )]
    pub compose_file: PathBuf,
}

/// A stack that the harness starts, or one that runs already.
#[derive(Debug, Args)]
pub struct TargetArguments {
    /// What to start.
    #[command(flatten)]
    pub start: StartArguments,
    /// Your own broker, kafka://host[:port][,host[:port]]; together with --store
    #[arg(
        long,
        value_name = "URL",
        requires = "store",
        env = "HARNESS_KAFKA",
        hide_env_values = true,
        value_parser = Quietly(values::kafka_url)
    )]
    pub kafka: Option<String>,
    /// Your own store, redis://[user:password@]host:port; together with --kafka
    #[arg(
        long,
        value_name = "URL",
        requires = "kafka",
        env = "HARNESS_STORE",
        hide_env_values = true
    )]
    pub store: Option<String>,
    /// A librdkafka property for every client, applied last; may be given many times (in the variable: one per line)
    #[arg(short = 'X', value_name = "KEY=VALUE", value_parser = Quietly(values::property),
          env = "HARNESS_CLIENT_PROPERTIES", hide_env_values = true, value_delimiter = '\n')]
    pub properties: Vec<(String, String)>,
}

/// The programs under test, where they are not the ones that were built together with this one.
#[derive(Debug, Clone, Args)]
pub struct ProgramArguments {
    /// The service's executable [default: beside this one]
    #[arg(long, value_name = "FILE", env = "HARNESS_ORDER_SERVICE")]
    pub order_service: Option<PathBuf>,
    /// The load client's executable [default: beside this one]
    #[arg(long, value_name = "FILE", env = "HARNESS_LOAD_CLIENT")]
    pub load_client: Option<PathBuf>,
}
