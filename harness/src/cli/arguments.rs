//! The flags, as clap derives them. Every one has an environment variable too.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand};
use flags_and_variables::Quietly;

use super::{FaultsArguments, LimitsArguments, SimulateArguments, SoakArguments, values};
use crate::experiment::Calibration;
use crate::run::Variant;
use crate::stack::StackKind;

/// Runs the experiment: is one task per record faster than one record at a time, and by how much?
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
    /// Interleaved runs of both variants, compared, with a report
    Experiment(ExperimentArguments),
    /// Many short experiments whose truth is known: how often is each verdict said
    Simulate(SimulateArguments),
    /// How close the bridge comes to a bare client, under several loads, in one run
    Limits(LimitsArguments),
    /// Let parts of the system fail under load, and prove that nothing is lost
    Faults(FaultsArguments),
    /// Half of the possible load for long, with an eye on memory and latency
    Soak(SoakArguments),
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

/// `harness bench`
#[derive(Debug, Args)]
#[command(after_help = "\
Beside --out results/baseline.csv it writes results/baseline.json (the load client's
summary), results/baseline.environment.json, and logs in results/baseline.logs/.")]
pub struct BenchArguments {
    /// Which variant of the service
    #[arg(long, env = "HARNESS_VARIANT")]
    pub variant: Variant,
    /// Where to write the requests
    #[arg(long, value_name = "FILE.csv", env = "HARNESS_OUT")]
    pub out: PathBuf,
    /// Where to run.
    #[command(flatten)]
    pub target: TargetArguments,
    /// What to run.
    #[command(flatten)]
    pub load: LoadArguments,
}

/// `harness experiment`
#[derive(Debug, Args)]
#[command(after_help = "\
It writes <results>/<time>-<stack>/ with report.html, comparison.json, experiment.json
and one folder for each run (requests, environment.json, logs), and points
<results>/latest at it.")]
pub struct ExperimentArguments {
    /// Blocks, each one run of either variant, half of them with tasks first; a verdict needs five
    #[arg(long, default_value_t = 6, value_name = "N", env = "HARNESS_TRIALS",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub trials: u32,
    /// Decides which blocks start with which variant [default: from the clock; recorded]
    #[arg(long, value_name = "NUMBER", env = "HARNESS_SEED")]
    pub seed: Option<u64>,
    /// Run the baseline against itself too, as many blocks, and show what is noise; =only runs nothing else
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "first",
          env = "HARNESS_CALIBRATE")]
    pub calibrate: Option<Calibration>,
    /// The relative change that counts as a difference
    #[arg(long, default_value = "2%", value_parser = values::share, env = "HARNESS_THRESHOLD")]
    pub threshold: f64,
    /// Folder for reports and runs
    #[arg(
        long,
        default_value = "results",
        value_name = "FOLDER",
        env = "HARNESS_RESULTS"
    )]
    pub results: PathBuf,
    /// Where to run.
    #[command(flatten)]
    pub target: TargetArguments,
    /// What to run.
    #[command(flatten)]
    pub load: LoadArguments,
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
    /// The (first) broker's port on 127.0.0.1, stack native [default: a free one]
    #[arg(long, value_name = "PORT", env = "HARNESS_KAFKA_PORT",
          value_parser = clap::value_parser!(u16).range(1..))]
    pub kafka_port: Option<u16>,
    /// The store's port on 127.0.0.1, stacks embedded and native [default: a free one]
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

/// The load, and the programs under it.
#[derive(Debug, Args)]
pub struct LoadArguments {
    /// Simulated users, each with one request at a time
    #[arg(short, long, default_value_t = 10, value_name = "N", env = "HARNESS_USERS",
          value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000))]
    pub users: u32,
    /// Users started each second
    #[arg(short = 'r', long, default_value_t = 10.0, value_name = "N", env = "HARNESS_SPAWN_RATE",
          value_parser = values::positive_rate)]
    pub spawn_rate: f64,
    /// Length of one run, warm-up included
    #[arg(short = 't', long, default_value = "10s", value_name = "TIME", env = "HARNESS_RUN_TIME",
          value_parser = values::positive_duration)]
    pub run_time: Duration,
    /// First part of each run that is not measured
    #[arg(long, default_value = "2s", value_name = "TIME", env = "HARNESS_WARM_UP",
          value_parser = values::duration)]
    pub warm_up: Duration,
    /// A first run of either variant, this long each, that is thrown away: it warms a broker that has just
    /// been started, whose JVM makes the first runs slower [default: 15s with stack native, else 0s]
    #[arg(long, value_name = "TIME", value_parser = values::duration, env = "HARNESS_REHEARSAL")]
    pub rehearsal: Option<Duration>,
    /// Records that the service handles at once, at most
    #[arg(long, default_value_t = 1024, value_name = "N", env = "HARNESS_MAX_IN_FLIGHT",
          value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000))]
    pub max_in_flight: u32,
    /// Partitions of each run's topics (the article's topics have one)
    #[arg(long, default_value_t = 1, value_name = "N", env = "HARNESS_PARTITIONS",
          value_parser = clap::value_parser!(i32).range(1..=1000))]
    pub partitions: i32,
    /// What is run.
    #[command(flatten)]
    pub programs: ProgramArguments,
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
