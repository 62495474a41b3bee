//! The flags of `harness limits`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::arguments::{ProgramArguments, TargetArguments};
use super::values;
use crate::limits::Subject;

/// `harness limits`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  harness limits --stack native
      everything, in about half an hour
  harness limits --stack native --only bridge-tasks --users 1,100 --rounds 3
      one subject, and its floor: the bare loop that does the same work
  harness limits --stack native --only bridge-tasks --users 100 \\
    --partitions 1,8,64 --skip-open-loop
      how the cost grows with the number of partitions
  harness limits --stack native --only bridge-tasks,franz-go --users 100 \\
    --busy-loops 2 --rounds 7
      on a machine of two cores that is busy with other work

It writes <results>/<time>-limits-<stack>/ with limits.md, limits.json,
throughput.svg, p50.svg, p99.svg and logs.

`make limits` builds the bare loops, and the bridge without work. Without make:
  cargo build --release -p harness --examples
The loop over franz-go needs Go; only `make limits` builds it.")]
pub struct LimitsArguments {
    /// Number of rounds; each round has all subjects under all loads
    #[arg(long, default_value_t = 5, value_name = "N", env = "HARNESS_ROUNDS",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// Numbers of users of the closed loops, comma separated
    #[arg(short, long, default_value = "1,10,100,1000", value_name = "LIST", value_delimiter = ',',
          env = "HARNESS_USERS", value_parser = RangedU64ValueParser::<u32>::new().range(1..=100_000))]
    pub users: Vec<u32>,
    /// Length of one run, warm-up included
    #[arg(short = 't', long, default_value = "5s", value_name = "TIME", env = "HARNESS_RUN_TIME",
          value_parser = values::positive_duration)]
    pub run_time: Duration,
    /// First part of each run, which is not measured
    #[arg(long, default_value = "1500ms", value_name = "TIME", env = "HARNESS_WARM_UP",
          value_parser = values::duration)]
    pub warm_up: Duration,
    /// Measure only these subjects and their floors, comma separated
    #[arg(
        long,
        value_name = "SUBJECTS",
        value_delimiter = ',',
        env = "HARNESS_ONLY"
    )]
    pub only: Vec<Subject>,
    /// Leave out the open loop at half of the slowest subject's rate
    #[arg(long)]
    pub skip_open_loop: bool,
    /// Leave out memory and processor time, idle and with 10,000 requests in flight
    #[arg(long)]
    pub skip_footprint: bool,
    /// Numbers of partitions of the request topic, comma separated; each is measured
    #[arg(long, default_value = "1", value_name = "LIST", value_delimiter = ',', env = "HARNESS_PARTITIONS",
          value_parser = clap::value_parser!(i32).range(1..=1000))]
    pub partitions: Vec<i32>,
    /// Numbers of instances in one consumer group, comma separated; each is measured
    ///
    /// It is measured with each number of partitions that gives every instance one.
    #[arg(long, default_value = "1", value_name = "LIST", value_delimiter = ',', env = "HARNESS_INSTANCES",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=100))]
    pub instances: Vec<usize>,
    /// Processes that only use processor time, during all measurements
    #[arg(long, default_value_t = 0, value_name = "N", env = "HARNESS_BUSY_LOOPS",
          value_parser = clap::value_parser!(u32).range(0..=64))]
    pub busy_loops: u32,
    /// Seed of the order within the rounds [default: from the clock; recorded]
    #[arg(long, value_name = "NUMBER", env = "HARNESS_SEED")]
    pub seed: Option<u64>,
    /// Folder for results
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
    /// The programs.
    #[command(flatten)]
    pub programs: ProgramArguments,
}

impl LimitsArguments {
    /// Rules that span several flags.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.warm_up >= self.run_time {
            return Err("--warm-up is part of --run-time and must be shorter".to_owned());
        }
        let unused = self.instances.iter().find(|instances| {
            let mut spreads = self.spreads().into_iter();
            !spreads.any(|(_, used)| used == **instances)
        });
        unused.map_or(Ok(()), |instances| {
            Err(format!(
                "--instances {instances}: an instance without a partition never gets ready: raise --partitions"
            ))
        })
    }

    /// The pairs of partitions and instances in which each instance gets a partition.
    pub(crate) fn spreads(&self) -> Vec<(i32, usize)> {
        let suffice = |partitions: i32, instances: usize| {
            usize::try_from(partitions).is_ok_and(|partitions| partitions >= instances)
        };
        let partitions = self.partitions.iter();
        let pairs = partitions.flat_map(|partitions| {
            let instances = self.instances.iter();
            instances.map(|instances| (*partitions, *instances))
        });
        pairs
            .filter(|(partitions, instances)| suffice(*partitions, *instances))
            .collect()
    }
}
