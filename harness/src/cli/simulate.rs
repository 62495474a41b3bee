//! The flags of `harness simulate`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::arguments::TargetArguments;
use super::values;
use crate::simulate::Change;

/// `harness simulate`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  harness simulate --stack native
      50 experiments without a change, 20 with each of three; over an hour
  harness simulate --stack native --only aa
  harness simulate --stack native --only 3%,5%
  harness simulate --stack native --only 30% --changed 10
      the same in shorter pieces
  harness simulate --join results/*-simulate-native/simulate.json
      one table of all pieces
  harness simulate --only aa,30% --experiments 2 --changed 1 \\
    --truth-trials 2 --truth-time 2s
      a first look on the mock broker, in five minutes

After each experiment it writes <results>/<time>-simulate-<stack>/ with
simulate.json (each verdict and its interval) and simulate.md (the table).
Ctrl-C keeps them. The runs of wrong and missing verdicts are kept there too.

`make simulate STACK=...` builds the slowed service. Without make:
  cargo build --release -p harness --example slowed")]
pub struct SimulateArguments {
    /// Number of experiments without a change
    #[arg(short = 'n', long, default_value_t = 50, value_name = "N", env = "HARNESS_EXPERIMENTS",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub experiments: u32,
    /// Number of experiments with each change
    #[arg(long, default_value_t = 20, value_name = "N", env = "HARNESS_CHANGED",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub changed: u32,
    /// Kinds of experiment, comma separated: aa has no change, 3% makes the median round trip 3 % longer
    #[arg(
        long,
        default_value = "aa,3%,5%,30%",
        value_name = "CHANGES",
        value_delimiter = ',',
        env = "HARNESS_ONLY"
    )]
    pub only: Vec<Change>,
    /// Blocks of each experiment; a verdict needs 5
    ///
    /// A block is one run of each side.
    #[arg(long, default_value_t = 6, value_name = "N", env = "HARNESS_TRIALS",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub trials: u32,
    /// Length of one run, warm-up included
    #[arg(short = 't', long, default_value = "4s", value_name = "TIME", env = "HARNESS_RUN_TIME",
          value_parser = values::positive_duration)]
    pub run_time: Duration,
    /// First part of each run, which is not measured
    #[arg(long, default_value = "1s", value_name = "TIME", env = "HARNESS_WARM_UP",
          value_parser = values::duration)]
    pub warm_up: Duration,
    /// Blocks that measure the true effect of each change
    #[arg(long, default_value_t = 12, value_name = "N", env = "HARNESS_TRUTH_TRIALS",
          value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub truth_trials: u32,
    /// Length of one run of these blocks, and of those that measure the baseline's median
    #[arg(long, default_value = "5s", value_name = "TIME", env = "HARNESS_TRUTH_TIME",
          value_parser = values::positive_duration)]
    pub truth_time: Duration,
    /// Length of a first run that is thrown away [default: 15s on stack native, else 0s]
    ///
    /// It warms up a broker that has just started.
    #[arg(long, value_name = "TIME", value_parser = values::duration, env = "HARNESS_REHEARSAL")]
    pub rehearsal: Option<Duration>,
    /// Simulated users, each with one request at a time; all start at once
    #[arg(short, long, default_value_t = 10, value_name = "N", env = "HARNESS_USERS",
          value_parser = RangedU64ValueParser::<u32>::new().range(1..=100_000))]
    pub users: u32,
    /// Smallest relative change that counts as a difference
    #[arg(long, default_value = "2%", value_parser = values::share, env = "HARNESS_THRESHOLD")]
    pub threshold: f64,
    /// Seed of the order inside the blocks [default: from the clock; recorded]
    #[arg(long, value_name = "NUMBER", env = "HARNESS_SEED")]
    pub seed: Option<u64>,
    /// Keep the runs of right verdicts too
    #[arg(long)]
    pub keep_runs: bool,
    /// Folder for results
    #[arg(
        long,
        default_value = "results",
        value_name = "FOLDER",
        env = "HARNESS_RESULTS"
    )]
    pub results: PathBuf,
    /// Print one table of these simulate.json files, and run nothing
    #[arg(long, value_name = "FILES", num_args = 1.., conflicts_with_all = ["only", "experiments", "changed"])]
    pub join: Vec<PathBuf>,
    /// Where to run.
    #[command(flatten)]
    pub target: TargetArguments,
    /// Executable of the load client [default: in the folder of this program]
    #[arg(long, value_name = "FILE", env = "HARNESS_LOAD_CLIENT")]
    pub load_client: Option<PathBuf>,
}

impl SimulateArguments {
    /// Rules that span several flags.
    pub(super) fn check(&self) -> Result<(), String> {
        let too_short =
            |flag: &str| Err(format!("--warm-up is part of {flag} and must be shorter"));
        if self.warm_up >= self.run_time {
            return too_short("--run-time");
        }
        if self.warm_up >= self.truth_time {
            return too_short("--truth-time");
        }
        Ok(())
    }
}
