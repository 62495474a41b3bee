//! The flags of `harness experiment` and `harness bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use flags_and_variables::Quietly;
use load_client::compare::FailOn;

use super::arguments::TargetArguments;
use super::values;
use crate::experiment::{Calibration, Length};
use crate::run::{Settings, check_load_flags};
use crate::stack::StackKind;
use crate::system::Ready;

/// `harness bench`
#[derive(Debug, Args)]
#[command(after_help = "\
With --out results/baseline.csv, it also writes results/baseline.json (summary),
results/baseline.environment.json, and logs in results/baseline.logs/.")]
pub struct BenchArguments {
    /// Name of the variant, or baseline for the first one
    #[arg(long, value_name = "NAME", env = "HARNESS_VARIANT")]
    pub variant: String,
    /// Write all requests to this CSV file
    #[arg(long, value_name = "FILE.csv", env = "HARNESS_OUT")]
    pub out: PathBuf,
    /// What is under test.
    #[command(flatten)]
    pub subject: SubjectArguments,
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
Examples:
  harness experiment
      the orders service on the mock broker: one record at a time against one
      task per record
  harness experiment --stack native --topic requests --ready line=listening \\
    --baseline './serve --threads 1' --changed './serve --threads 8'
      any two commands
  harness experiment --stack native --baseline-rev main --changed-rev HEAD \\
    --build 'cargo build --release -p app' \\
    --run 'target/release/app --topic {topic}' --fail-on slower
      two revisions of this repository, as a check of a pull request
  harness experiment --file experiment.toml
      variants and flags from a file; each report has such a file, to repeat it

The commands find KAFKA, TOPIC, REPLY_TOPIC, GROUP, STORE and PORT in their
environment. In a command, {kafka}, {topic} and so on stand for these values.

It writes <results>/<time>-<stack>/ with report.html, comparison.json,
experiment.json, experiment.toml, and a folder for each run (requests,
environment.json, logs). <results>/latest points to the newest report.

Exit codes:
  0    done
  1    a run did not take place
  2    the command line is wrong
  4    --fail-on is broken
  130  interrupted")]
pub struct ExperimentArguments {
    /// What is under test.
    #[command(flatten)]
    pub subject: SubjectArguments,
    /// Command of the baseline, quoted as for a shell; no shell runs it
    #[arg(
        long,
        value_name = "COMMAND",
        requires = "changed",
        env = "HARNESS_BASELINE"
    )]
    pub baseline: Option<String>,
    /// Command of the change
    #[arg(
        long,
        value_name = "COMMAND",
        requires = "baseline",
        env = "HARNESS_CHANGED_COMMAND"
    )]
    pub changed: Option<String>,
    /// Folder in which the baseline runs [default: here]
    #[arg(
        long,
        value_name = "FOLDER",
        requires = "baseline",
        env = "HARNESS_WORKDIR_BASELINE"
    )]
    pub workdir_baseline: Option<PathBuf>,
    /// Folder in which the change runs [default: here]
    #[arg(
        long,
        value_name = "FOLDER",
        requires = "changed",
        env = "HARNESS_WORKDIR_CHANGED"
    )]
    pub workdir_changed: Option<PathBuf>,
    /// Git revision of the baseline; needs --changed-rev and --run
    ///
    /// It runs in a temporary work tree of this repository.
    #[arg(long, value_name = "REVISION", requires_all = ["changed_rev", "run"], conflicts_with = "baseline",
          env = "HARNESS_BASELINE_REV")]
    pub baseline_rev: Option<String>,
    /// Git revision of the change
    #[arg(long, value_name = "REVISION", requires_all = ["baseline_rev", "run"], env = "HARNESS_CHANGED_REV")]
    pub changed_rev: Option<String>,
    /// Command that builds a revision in its work tree, once
    #[arg(
        long,
        value_name = "COMMAND",
        requires = "baseline_rev",
        env = "HARNESS_BUILD"
    )]
    pub build: Option<String>,
    /// Command that runs a revision in its work tree
    #[arg(
        long,
        value_name = "COMMAND",
        requires = "baseline_rev",
        env = "HARNESS_RUN"
    )]
    pub run: Option<String>,
    /// How to see that a command serves: line=TEXT, http=URL or group [default: group]
    ///
    /// line: its output has this text. http: the URL answers 2xx. group: the consumer group has assigned its
    /// partitions, which the mock broker cannot tell.
    #[arg(long, value_name = "WHEN", env = "HARNESS_READY")]
    pub ready: Option<Ready>,
    /// Environment variable of both commands, beside KAFKA and the others; repeatable
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = Quietly(values::variable), value_delimiter = '\n',
          env = "HARNESS_ENV", hide_env_values = true)]
    pub environment: Vec<(String, String)>,
    /// Fixed number of blocks; a verdict needs 5 [default: as --until-decided]
    ///
    /// A block is one run of each variant. The verdict comes once, after the last block.
    #[arg(long, value_name = "N", env = "HARNESS_TRIALS",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub trials: Option<u32>,
    /// Run blocks until the change is faster, slower or equivalent: the default without --trials
    ///
    /// The verdict may come after each block. This flag wins over --trials.
    #[arg(long, env = "HARNESS_UNTIL_DECIDED")]
    pub until_decided: bool,
    /// With --until-decided: least number of blocks
    #[arg(long, default_value_t = 4, value_name = "N", env = "HARNESS_MIN_TRIALS",
          value_parser = clap::value_parser!(u32).range(3..=1000))]
    pub min_trials: u32,
    /// With --until-decided: most blocks, with those repeated after an invalid run
    #[arg(long, default_value_t = 40, value_name = "N", env = "HARNESS_MAX_TRIALS",
          value_parser = clap::value_parser!(u32).range(3..=1000))]
    pub max_trials: u32,
    /// Seed of the order of the variants [default: from the clock; recorded]
    #[arg(long, value_name = "NUMBER", env = "HARNESS_SEED")]
    pub seed: Option<u64>,
    /// Compare the baseline with itself too, which shows the noise; =only runs nothing else
    ///
    /// It runs six blocks, or --trials.
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "first",
          env = "HARNESS_CALIBRATE")]
    pub calibrate: Option<Calibration>,
    /// Smallest relative change that counts as a difference
    #[arg(long, default_value = "2%", value_parser = values::share, env = "HARNESS_THRESHOLD")]
    pub threshold: f64,
    /// Exit with code 4 on this verdict of any variant, or without a verdict
    #[arg(long, value_enum, value_name = "VERDICT", env = "HARNESS_FAIL_ON")]
    pub fail_on: Option<FailOn>,
    /// Write verdict and changes to this Markdown file, for a pull request
    #[arg(long, value_name = "FILE", env = "HARNESS_MARKDOWN")]
    pub markdown: Option<PathBuf>,
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

impl ExperimentArguments {
    /// The number of blocks.
    #[must_use]
    pub fn length(&self) -> Length {
        match self.trials.filter(|_| !self.until_decided) {
            Some(trials) => Length::Fixed { trials },
            None => Length::UntilDecided {
                min_trials: self.min_trials,
                max_trials: self.max_trials,
            },
        }
    }

    /// Rules that span several flags.
    pub(super) fn check(&self) -> Result<(), String> {
        let own = self.baseline.is_some() || self.baseline_rev.is_some();
        let of_commands = [
            ("--ready", self.ready.is_some()),
            ("--env", !self.environment.is_empty()),
        ];
        if let Some((flag, _)) = of_commands.iter().find(|(_, is_given)| *is_given && !own) {
            return Err(format!(
                "{flag} needs --baseline and --changed, or --run; the variants of a file have their own"
            ));
        }
        if self.min_trials > self.max_trials {
            return Err(format!(
                "--min-trials {} is above --max-trials {}",
                self.min_trials, self.max_trials
            ));
        }
        Ok(())
    }
}

/// What is under test.
#[derive(Debug, Args)]
pub struct SubjectArguments {
    /// Read variants and flags from this TOML file [default: the orders service, serial and tasks]
    ///
    /// A flag has its long name there. The command line and variables win over the file.
    #[arg(long, value_name = "FILE", env = "HARNESS_FILE")]
    pub file: Option<PathBuf>,
    /// Title of the report
    #[arg(long, value_name = "TEXT", env = "HARNESS_TITLE")]
    pub title: Option<String>,
    /// Name of the request topic, behind a prefix that is new in each run [default: createOrder]
    ///
    /// The reply topic has the same name and the suffix .reply.
    #[arg(long, value_name = "NAME", value_parser = values::topic_name, env = "HARNESS_TOPIC")]
    pub topic: Option<String>,
}

/// The load, and what it needs.
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
    /// First part of each run, which is not measured
    #[arg(long, default_value = "2s", value_name = "TIME", env = "HARNESS_WARM_UP",
          value_parser = values::duration)]
    pub warm_up: Duration,
    /// Length of a first run of each variant that is thrown away [default: 15s on stack native, else 0s]
    ///
    /// It warms up a broker that has just started: its JVM makes the first runs slower.
    #[arg(long, value_name = "TIME", value_parser = values::duration, env = "HARNESS_REHEARSAL")]
    pub rehearsal: Option<Duration>,
    /// Partitions of each run's topics
    #[arg(long, default_value_t = 1, value_name = "N", env = "HARNESS_PARTITIONS",
          value_parser = clap::value_parser!(i32).range(1..=1000))]
    pub partitions: i32,
    /// How long a service may take to get ready
    #[arg(long, default_value = "60s", value_name = "TIME", value_parser = values::positive_duration,
          env = "HARNESS_READY_TIMEOUT")]
    pub ready_timeout: Duration,
    /// TOML file with the requests, as for `load-client --scenario` [default: orders]
    #[arg(long, value_name = "FILE", env = "HARNESS_SCENARIO")]
    pub scenario: Option<PathBuf>,
    /// Conventions of the service's framework, as for `load-client --profile`
    #[arg(long, value_name = "NAME", env = "HARNESS_PROFILE")]
    pub profile: Option<String>,
    /// Further flags for the load client, quoted as for a shell
    #[arg(long, value_name = "FLAGS", value_parser = values::words, allow_hyphen_values = true, env = "HARNESS_LOAD")]
    pub load: Option<values::Words>,
    /// Executable of the load client [default: in the folder of this program]
    #[arg(long, value_name = "FILE", env = "HARNESS_LOAD_CLIENT")]
    pub load_client: Option<PathBuf>,
}

impl LoadArguments {
    pub(super) fn check(&self) -> Result<(), String> {
        let given: Vec<String> = self.load.iter().flat_map(|words| words.0.clone()).collect();
        check_load_flags(&given).map_err(|why| format!("--load: {why}"))?;
        if self.warm_up < self.run_time {
            return Ok(());
        }
        let [warm_up, run_time] = [self.warm_up, self.run_time].map(humantime::format_duration);
        Err(format!(
            "--warm-up {warm_up} is part of --run-time {run_time} and must be shorter"
        ))
    }

    /// The settings of every run of this command on a stack of that kind.
    #[must_use]
    pub fn settings(&self, kind: StackKind, topic: &str) -> Settings {
        let scenario = self.scenario.as_ref();
        let scenario = scenario.map(|file| file.display().to_string());
        let own = [
            ("--scenario", scenario),
            ("--profile", self.profile.clone()),
        ];
        let own = own
            .into_iter()
            .filter_map(|(flag, value)| Some([flag.to_owned(), value?]));
        let further = self.load.iter().flat_map(|words| words.0.iter().cloned());
        Settings {
            rehearsal: self.rehearsal.unwrap_or_else(|| super::rehearsal(kind)),
            users: self.users,
            spawn_rate: self.spawn_rate,
            run_time: self.run_time,
            warm_up: self.warm_up,
            partitions: self.partitions,
            topic: topic.to_owned(),
            load_flags: own.flatten().chain(further).collect(),
            ready_timeout: self.ready_timeout,
            load_client: self.load_client.clone(),
        }
    }
}
