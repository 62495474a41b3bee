//! The sub-commands, and the flags that several of them share. Most flags have an environment variable too.

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

/// Measures whether a change makes a service faster, by how much, and how certain that is.
#[derive(Debug, Parser)]
#[command(
    name = "harness",
    version,
    about,
    after_help = "\
Examples:
  harness experiment
      compares the two variants of the orders service, on the mock broker
  harness experiment --stack native --run-time 30s
      the same on Apache Kafka
  harness experiment --stack native --ready line=listening \\
    --baseline './serve --threads 1' --changed './serve --threads 8'
      compares any two services
  harness bench --variant baseline --out results/baseline.csv --run-time 5m
      measures one run of one variant
  harness demo --stack native
      shows one order: request, reply, stored order
  harness up --stack native
      starts a broker and a store, and keeps them running"
)]
pub struct Cli {
    /// The sub-command.
    #[command(subcommand)]
    pub command: Command,
}

/// The sub-commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Starts broker and store, prints their URLs, waits for Ctrl-C
    Up(UpArguments),
    /// Sends one order; shows the request, the reply and the stored order
    Demo(DemoArguments),
    /// Measures one run of one variant
    Bench(BenchArguments),
    /// Compares two or more variants in interleaved runs, with a report
    Experiment(Box<ExperimentArguments>),
    /// Runs many short experiments with a known change, and counts right verdicts
    Simulate(SimulateArguments),
    /// Compares the bridge with a bare client loop, under several loads
    Limits(LimitsArguments),
    /// Makes parts of the system fail under load; checks that nothing is lost
    Faults(FaultsArguments),
    /// Sends one load from several clients; can kill a worker or the coordinator
    Distributed(DistributedArguments),
    /// Runs half of the possible load for an hour; checks memory and latency
    Soak(SoakArguments),
    /// Prints the script that completes commands and flags in a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Writes the man pages into a folder
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
    /// Topic to create, with one partition unless given; repeatable, or comma separated
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
    /// Executable of the service [default: in the folder of this program]
    #[arg(long, value_name = "FILE", env = "HARNESS_ORDER_SERVICE")]
    pub order_service: Option<PathBuf>,
}

/// A stack that the harness starts.
#[derive(Debug, Args)]
pub struct StartArguments {
    /// Broker and store to use [default: embedded; external with --kafka and --store]
    #[arg(long, env = "HARNESS_STACK")]
    pub stack: Option<StackKind>,
    /// Stack native: number of brokers
    ///
    /// With 3, each topic is on all brokers, and a record is accepted once two brokers have it.
    #[arg(long, default_value_t = 1, value_name = "N", env = "HARNESS_BROKERS",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=5))]
    pub brokers: usize,
    /// Stacks embedded and native: port of the first broker [default: a free one; `up` prefers 9092]
    #[arg(long, value_name = "PORT", env = "HARNESS_KAFKA_PORT",
          value_parser = clap::value_parser!(u16).range(1..))]
    pub kafka_port: Option<u16>,
    /// Stacks embedded and native: port of the store [default: a free one; `up` prefers 6666]
    #[arg(long, value_name = "PORT", env = "HARNESS_STORE_PORT",
          value_parser = clap::value_parser!(u16).range(1..))]
    pub store_port: Option<u16>,
    /// Stack docker: the compose file
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
    /// Your own broker, such as `kafka://host:9092`; needs --store
    ///
    /// Several brokers: `kafka://host:port,host:port`. Give a URL with a password in the variable.
    #[arg(
        long,
        value_name = "URL",
        requires = "store",
        env = "HARNESS_KAFKA",
        hide_env_values = true,
        value_parser = Quietly(values::kafka_url)
    )]
    pub kafka: Option<String>,
    /// Your own store, such as `redis://host:6666`; needs --kafka
    ///
    /// With a password: `redis://user:password@host:port`, in the variable.
    #[arg(
        long,
        value_name = "URL",
        requires = "kafka",
        env = "HARNESS_STORE",
        hide_env_values = true
    )]
    pub store: Option<String>,
    /// librdkafka property for every client; repeatable
    ///
    /// It wins over all other settings. The variable has one property a line. Give secrets there.
    #[arg(short = 'X', value_name = "KEY=VALUE", value_parser = Quietly(values::property),
          env = "HARNESS_CLIENT_PROPERTIES", hide_env_values = true, value_delimiter = '\n')]
    pub properties: Vec<(String, String)>,
}

/// The programs under test.
#[derive(Debug, Clone, Args)]
pub struct ProgramArguments {
    /// Executable of the service [default: in the folder of this program]
    #[arg(long, value_name = "FILE", env = "HARNESS_ORDER_SERVICE")]
    pub order_service: Option<PathBuf>,
    /// Executable of the load client [default: in the folder of this program]
    #[arg(long, value_name = "FILE", env = "HARNESS_LOAD_CLIENT")]
    pub load_client: Option<PathBuf>,
}
