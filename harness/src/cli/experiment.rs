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
Beside --out results/baseline.csv it writes results/baseline.json (the load client's
summary), results/baseline.environment.json, and logs in results/baseline.logs/.")]
pub struct BenchArguments {
    /// Which variant of the experiment: its name, or baseline for the first one
    #[arg(long, value_name = "NAME", env = "HARNESS_VARIANT")]
    pub variant: String,
    /// Where to write the requests
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
      the orders service, one record at a time against one task for each, on the mock broker
  harness experiment --stack native --baseline './serve --threads 1' --changed './serve --threads 8' \\
      --topic requests --ready line=listening
      any two commands; both find KAFKA, TOPIC, REPLY_TOPIC, GROUP, STORE and PORT in their
      environment, and {kafka}, {topic} and so on stand for them in commands
  harness experiment --stack native --baseline-rev main --changed-rev HEAD \\
      --build 'cargo build --release -p app' --run 'target/release/app --topic {topic}' --fail-on slower
      two revisions of this repository: the check of a pull request
  harness experiment --file experiment.toml
      variants, load, stack and threshold from a file; each report leaves one that repeats it

It writes <results>/<time>-<stack>/ with report.html, comparison.json, experiment.json,
experiment.toml and one folder for each run (requests, environment.json, logs), and points
<results>/latest at it.

Exit codes: 0 done, 1 a run did not take place, 2 wrong use, 4 --fail-on, 130 interrupted.")]
pub struct ExperimentArguments {
    /// What is under test.
    #[command(flatten)]
    pub subject: SubjectArguments,
    /// The command of the baseline, quoted as for a shell; no shell runs it
    #[arg(
        long,
        value_name = "COMMAND",
        requires = "changed",
        env = "HARNESS_BASELINE"
    )]
    pub baseline: Option<String>,
    /// The command of the change
    #[arg(
        long,
        value_name = "COMMAND",
        requires = "baseline",
        env = "HARNESS_CHANGED_COMMAND"
    )]
    pub changed: Option<String>,
    /// Where the baseline runs [default: here]
    #[arg(
        long,
        value_name = "FOLDER",
        requires = "baseline",
        env = "HARNESS_WORKDIR_BASELINE"
    )]
    pub workdir_baseline: Option<PathBuf>,
    /// Where the change runs [default: here]
    #[arg(
        long,
        value_name = "FOLDER",
        requires = "changed",
        env = "HARNESS_WORKDIR_CHANGED"
    )]
    pub workdir_changed: Option<PathBuf>,
    /// The revision of this git repository that is the baseline; a work tree is made of it, and removed
    #[arg(long, value_name = "REVISION", requires_all = ["changed_rev", "run"], conflicts_with = "baseline",
          env = "HARNESS_BASELINE_REV")]
    pub baseline_rev: Option<String>,
    /// The revision that is the change
    #[arg(long, value_name = "REVISION", requires_all = ["baseline_rev", "run"], env = "HARNESS_CHANGED_REV")]
    pub changed_rev: Option<String>,
    /// Builds a revision, once, in its work tree
    #[arg(
        long,
        value_name = "COMMAND",
        requires = "baseline_rev",
        env = "HARNESS_BUILD"
    )]
    pub build: Option<String>,
    /// Runs a revision, in its work tree
    #[arg(
        long,
        value_name = "COMMAND",
        requires = "baseline_rev",
        env = "HARNESS_RUN"
    )]
    pub run: Option<String>,
    /// What tells that a command serves: line=TEXT of its output, http=URL that answers 2xx, or group, which has
    /// divided its partitions (not on the mock broker) [default: group]
    #[arg(long, value_name = "WHEN", env = "HARNESS_READY")]
    pub ready: Option<Ready>,
    /// A variable of both commands, beside KAFKA and the like; may be given many times
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = Quietly(values::variable), value_delimiter = '\n',
          env = "HARNESS_ENV", hide_env_values = true)]
    pub environment: Vec<(String, String)>,
    /// So many blocks, each one run of each variant, looked at once; a verdict needs five
    #[arg(long, value_name = "N", env = "HARNESS_TRIALS",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub trials: Option<u32>,
    /// Blocks until the change is faster, slower or equivalent, looked at after each: the default without --trials,
    /// over which it wins
    #[arg(long, env = "HARNESS_UNTIL_DECIDED")]
    pub until_decided: bool,
    /// At least so many of them
    #[arg(long, default_value_t = 4, value_name = "N", env = "HARNESS_MIN_TRIALS",
          value_parser = clap::value_parser!(u32).range(3..=1000))]
    pub min_trials: u32,
    /// At most so many of them, those that are repeated because a run was invalid included
    #[arg(long, default_value_t = 40, value_name = "N", env = "HARNESS_MAX_TRIALS",
          value_parser = clap::value_parser!(u32).range(3..=1000))]
    pub max_trials: u32,
    /// Decides which blocks start with which variant [default: from the clock; recorded]
    #[arg(long, value_name = "NUMBER", env = "HARNESS_SEED")]
    pub seed: Option<u64>,
    /// Run the baseline against itself too, six blocks or --trials, and show what is noise; =only runs nothing else
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "first",
          env = "HARNESS_CALIBRATE")]
    pub calibrate: Option<Calibration>,
    /// The relative change that counts as a difference
    #[arg(long, default_value = "2%", value_parser = values::share, env = "HARNESS_THRESHOLD")]
    pub threshold: f64,
    /// Exit with 4 on this verdict of any variant, and when there is none
    #[arg(long, value_enum, value_name = "VERDICT", env = "HARNESS_FAIL_ON")]
    pub fail_on: Option<FailOn>,
    /// Write verdict and changes as Markdown, for a pull request
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
    /// How many blocks there are.
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
                "{flag} goes with --baseline and --changed, or with --run; a variant of a file has its own"
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
    /// Take variants, and flags that are not given, from this TOML file, each flag by its long name [default: the
    /// orders service, serial and tasks]
    #[arg(long, value_name = "FILE", env = "HARNESS_FILE")]
    pub file: Option<PathBuf>,
    /// What the experiment is called in its report
    #[arg(long, value_name = "TEXT", env = "HARNESS_TITLE")]
    pub title: Option<String>,
    /// What the request topic is called, behind a prefix that is different in each run; that of the replies ends in
    /// .reply [default: createOrder]
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
    /// First part of each run that is not measured
    #[arg(long, default_value = "2s", value_name = "TIME", env = "HARNESS_WARM_UP",
          value_parser = values::duration)]
    pub warm_up: Duration,
    /// A first run of each variant, this long, that is thrown away: it warms a broker that has just been started,
    /// whose JVM makes the first runs slower [default: 15s with stack native, else 0s]
    #[arg(long, value_name = "TIME", value_parser = values::duration, env = "HARNESS_REHEARSAL")]
    pub rehearsal: Option<Duration>,
    /// Partitions of each run's topics (the article's topics have one)
    #[arg(long, default_value_t = 1, value_name = "N", env = "HARNESS_PARTITIONS",
          value_parser = clap::value_parser!(i32).range(1..=1000))]
    pub partitions: i32,
    /// How long a service may take until it serves
    #[arg(long, default_value = "60s", value_name = "TIME", value_parser = values::positive_duration,
          env = "HARNESS_READY_TIMEOUT")]
    pub ready_timeout: Duration,
    /// The requests, as the load client's --scenario takes them [default: orders]
    #[arg(long, value_name = "FILE", env = "HARNESS_SCENARIO")]
    pub scenario: Option<PathBuf>,
    /// The conventions of the service's framework, as the load client's --profile takes them
    #[arg(long, value_name = "NAME", env = "HARNESS_PROFILE")]
    pub profile: Option<String>,
    /// Further flags of the load client, quoted as for a shell
    #[arg(long, value_name = "FLAGS", value_parser = values::words, allow_hyphen_values = true, env = "HARNESS_LOAD")]
    pub load: Option<values::Words>,
    /// The load client's executable [default: beside this one]
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

    /// The settings that every run of this command on a stack of that kind shares.
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
