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
      everything; about half an hour
  harness limits --stack native --only bridge-tasks --users 1,100 --rounds 3
      one subject, and its floor
  harness limits --stack native --only bridge-tasks --users 100 --partitions 1,8,64 --skip-open-loop
      how the cost grows with the partitions
  harness limits --stack native --only bridge-tasks,franz-go --users 100 --busy-loops 2 --rounds 7
      on a machine of two cores that is busy with other work

It writes <results>/<time>-limits-<stack>/ with limits.md, limits.json, throughput.svg,
p50.svg, p99.svg and logs. The bare loop and the bridge without work are built by
`cargo build --release -p harness --examples`, which `make limits` does; where Go is
installed, it builds the loop over franz-go too.")]
pub struct LimitsArguments {
    /// Rounds; in each, all subjects take their turns under all loads
    #[arg(long, default_value_t = 5, value_name = "N", env = "HARNESS_ROUNDS",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// Users of the closed loops
    #[arg(short, long, default_value = "1,10,100,1000", value_name = "LIST", value_delimiter = ',',
          env = "HARNESS_USERS", value_parser = RangedU64ValueParser::<u32>::new().range(1..=100_000))]
    pub users: Vec<u32>,
    /// Length of one run, warm-up included
    #[arg(short = 't', long, default_value = "5s", value_name = "TIME", env = "HARNESS_RUN_TIME",
          value_parser = values::positive_duration)]
    pub run_time: Duration,
    /// First part of each run that is not measured
    #[arg(long, default_value = "1500ms", value_name = "TIME", env = "HARNESS_WARM_UP",
          value_parser = values::duration)]
    pub warm_up: Duration,
    /// Only these subjects, and their floors
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
    /// Leave out memory and processor time when idle, and with 10,000 requests under way
    #[arg(long)]
    pub skip_footprint: bool,
    /// Partitions of each request topic; of several numbers, each is measured
    #[arg(long, default_value = "1", value_name = "LIST", value_delimiter = ',', env = "HARNESS_PARTITIONS",
          value_parser = clap::value_parser!(i32).range(1..=1000))]
    pub partitions: Vec<i32>,
    /// Instances of each subject, in one consumer group; each number with each of partitions that suffices
    #[arg(long, default_value = "1", value_name = "LIST", value_delimiter = ',', env = "HARNESS_INSTANCES",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=100))]
    pub instances: Vec<usize>,
    /// Processes that do nothing but take processor time while everything is measured
    #[arg(long, default_value_t = 0, value_name = "N", env = "HARNESS_BUSY_LOOPS",
          value_parser = clap::value_parser!(u32).range(0..=64))]
    pub busy_loops: u32,
    /// Decides the order within the rounds [default: from the clock; recorded]
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
    /// What is run.
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
                "--instances {instances}: an instance without a partition never gets ready; raise --partitions"
            ))
        })
    }

    /// Each number of partitions with each of instances that all get one.
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
