//! The command line: what was typed, and the validated plan that it stands for.

mod compare;
mod config;
mod help;
mod load;
mod loads;
mod output;
pub(crate) mod parse;
mod service;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, FromArgMatches, Parser, Subcommand};
use flags_and_variables::{Origins, Quietly, SettingsFile};
use kafka_cluster_url::{ClusterUrl, is_secret};

use self::load::Basics;
use self::output::WebArguments;
use self::parse::Body;
use self::service::ServiceArguments;
use crate::load::plan::{Plan, PlanError};
use crate::report::{Collision, refuse_collisions};
use crate::scenario::{Mix, Scenario};
use crate::transport::kafka::{KafkaSettings, ServiceSettings};

pub(crate) use compare::{CompareArguments, FailOn, Misuse};
pub(crate) use load::LoadArguments;
pub(crate) use output::{Files, NotAllowed, OutputArguments, OutputError};
pub(crate) use service::ServiceError;

/// Measures round-trip times of request-reply services over Kafka, and compares sets of runs.
///
/// Without a command, `run` is meant.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sends requests, by users or by a schedule, and measures the time to each reply
    #[command(allow_negative_numbers = true)]
    Run(Box<RunArguments>),
    /// Compares two sets of runs: faster or slower, by how much, how sure
    Compare(Box<CompareArguments>),
}

/// Flags of which the command line's value replaces the variable's: joined, these would pair runs wrongly, or
/// choose what nobody asked for.
const LISTS: [&str; 3] = ["changed", "tags", "exclude_tags"];

const EXIT_CODES: &str = "\
Exit codes:
  0  done, and all well
  1  the run or comparison could not be done (no broker, missing topic, bad file)
  2  the command line is wrong
  3, 4, 5, 6, 130  verdicts of a run: see `load-client run --help`

Diagnostics of the Kafka clients go to standard error with LOAD_CLIENT_LOG=debug.";

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Brokers: kafka://HOST[:PORT], or several of them, comma separated
    ///
    /// kafka+ssl://... over TLS, and kafka+sasl://USER:PASSWORD@HOST[:PORT] with a password, which belongs into the
    /// variable.
    #[arg(long, env = "LOAD_CLIENT_HOST", hide_env_values = true, value_parser = Quietly(parse::cluster_url), value_name = "URL")]
    host: ClusterUrl,
    /// Number of users that send at the same time [default: 1]
    #[arg(short, long, env = "LOAD_CLIENT_USERS", value_parser = parse::users)]
    users: Option<u32>,
    /// Users started per second, may be a fraction [default: 1]
    #[arg(short = 'r', long, env = "LOAD_CLIENT_SPAWN_RATE", value_parser = parse::spawn_rate)]
    spawn_rate: Option<f64>,
    /// Stop sending after this time, ramp and warm-up included [default: on Ctrl-C]
    #[arg(short = 't', long, env = "LOAD_CLIENT_RUN_TIME", value_parser = parse::duration, value_name = "TIME")]
    pub(crate) run_time: Option<Duration>,
    /// Run without the live page, which is the default
    #[arg(long, env = "LOAD_CLIENT_HEADLESS")]
    headless: bool,
    /// Write every request to this CSV
    ///
    /// The time column is empty for failed requests.
    #[arg(long, env = "LOAD_CLIENT_REQUESTS_RECORD_FILE", value_name = "FILE")]
    pub(crate) requests_record_file: Option<PathBuf>,
    /// Write the summary and the settings in effect to this file
    #[arg(long, env = "LOAD_CLIENT_JSON", value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Topic that the requests go to
    #[arg(long, env = "LOAD_CLIENT_TOPIC", default_value = "createOrder", value_parser = parse::topic)]
    topic: String,
    /// Topic that the replies come from
    #[arg(long, env = "LOAD_CLIENT_REPLY_TOPIC", default_value = "createOrder.reply", value_parser = parse::topic, value_name = "TOPIC")]
    reply_topic: String,
    /// Body of each request: JSON, or a file with any content
    #[arg(long, env = "LOAD_CLIENT_BODY", default_value = r#"{"items":[{"sku":"id-1234","count":1}]}"#, value_parser = parse::body, value_name = "FILE|JSON")]
    body: Body,
    /// Add a header to each request; repeatable
    #[arg(long, env = "LOAD_CLIENT_HEADER", hide_env_values = true, value_parser = Quietly(parse::header), value_delimiter = '\n', value_name = "KEY=VALUE")]
    header: Vec<(String, String)>,
    /// How long a reply is waited for
    #[arg(long, env = "LOAD_CLIENT_TIMEOUT", default_value = "30s", value_parser = parse::duration, value_name = "TIME")]
    timeout: Duration,
    /// Measure publishing only, up to the broker's acknowledgement; no reply is asked for
    #[arg(long, env = "LOAD_CLIENT_PUBLISH_ONLY")]
    publish_only: bool,
    /// Leave this first part of the run out of the figures
    ///
    /// The CSV keeps and flags its requests.
    #[arg(long, env = "LOAD_CLIENT_WARM_UP", default_value = "0s", value_parser = parse::duration_or_zero, value_name = "TIME")]
    warm_up: Duration,
    /// librdkafka property, applied last to both clients; repeatable
    #[arg(short = 'X', env = "LOAD_CLIENT_X", hide_env_values = true, value_parser = Quietly(parse::pair), value_delimiter = '\n', value_name = "KEY=VALUE")]
    properties: Vec<(String, String)>,
    /// Take flags from this TOML file, each by its long name, such as users = 10; the command line and the
    /// variables win
    #[arg(long, env = "LOAD_CLIENT_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) load: LoadArguments,
    #[command(flatten)]
    pub(crate) service: ServiceArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    #[command(flatten)]
    pub(crate) web: WebArguments,
}

impl RunArguments {
    /// The plan and the settings that were typed.
    ///
    /// # Errors
    ///
    /// When values contradict each other.
    pub(crate) fn validated(&self, run_id: String) -> Result<(Plan, KafkaSettings), PlanError> {
        let plan = self.load.plan(self.basics())?;
        let settings = KafkaSettings {
            brokers: self.host.brokers.clone(),
            topic: self.topic.clone(),
            reply_topic: self.reply_topic.clone(),
            body: self.body.content.clone(),
            headers: self.header.clone(),
            timeout: self.timeout,
            publish_only: self.publish_only,
            properties: [&*self.host.properties, &*self.properties].concat(),
            run_id,
            service: ServiceSettings::default(),
        };
        Ok((plan, settings))
    }

    /// The load, the settings and the requests of a run.
    ///
    /// # Errors
    ///
    /// When values contradict each other, or a file cannot be used.
    pub(crate) fn prepared(&self, run_id: String) -> anyhow::Result<(Plan, KafkaSettings, Mix)> {
        let prepared = self.prepared_for(run_id, self.run_time)?;
        let mut loads = prepared.0.loads.iter();
        let is_of_stages = loads.len() > 0 && loads.all(|own| !own.plan.stages.is_empty());
        if is_of_stages && self.run_time.is_some() {
            return Err(loads::beside_loads("--run-time").into());
        }
        Ok(prepared)
    }

    /// The same, where several loads go on for this run time unless they have stages.
    pub(crate) fn prepared_for(
        &self,
        run_id: String,
        run_time: Option<Duration>,
    ) -> anyhow::Result<(Plan, KafkaSettings, Mix)> {
        let (plan, mut settings) = self.validated(run_id)?;
        self.refuse_collisions(&self.files(&plan), &[])?;
        let (mix, tables) = self.service.apply(&mut settings, self.load.seed())?;
        self.refuse_collisions(&self.files(&plan), &mix.files)?;
        if tables.is_empty() {
            return Ok((plan, settings, mix));
        }
        let own = [
            ("--users", self.users.is_some()),
            ("--spawn-rate", self.spawn_rate.is_some()),
        ];
        self.load.refuse_beside_loads(&own)?;
        let plan = self.load.of_tables(plan, tables, mix.kinds(), run_time)?;
        Ok((plan, settings, mix))
    }

    /// Users of a closed loop.
    pub(crate) fn users(&self) -> u32 {
        self.users.unwrap_or(1)
    }

    fn basics(&self) -> Basics {
        Basics {
            users: self.users(),
            spawn_rate: self.spawn_rate.unwrap_or(1.0),
            run_time: self.run_time,
            warm_up: self.warm_up,
            timeout: self.timeout,
        }
    }

    /// Where the files go.
    pub(crate) fn files(&self, plan: &Plan) -> Files {
        Files {
            csv: self.output.csv.clone(),
            requests: self.requests_record_file.clone(),
            json: self.json.clone(),
            html: self.output.html(plan.users, plan.spawn_rate, plan.run_time),
            junit: self.output.junit.clone(),
            hdr: self.output.hdr.clone(),
        }
    }

    /// Checks that none of the files is written over another one of this command line, or over one of the scenario's.
    ///
    /// # Errors
    ///
    /// When one would be.
    pub(crate) fn refuse_collisions(
        &self,
        files: &Files,
        scenario: &[PathBuf],
    ) -> Result<(), Collision> {
        let config = self.config.as_deref();
        let inputs = [self.body.file.as_deref(), self.load.shape(), config];
        let inputs = inputs.into_iter().chain(self.service.files());
        let inputs = inputs
            .flatten()
            .chain(scenario.iter().map(PathBuf::as_path));
        let inputs: Vec<_> = inputs.collect();
        let outputs = files.all();
        let outputs = outputs.iter().map(|(flag, path)| (*flag, path.as_path()));
        refuse_collisions(&outputs.collect::<Vec<_>>(), &inputs)
    }
}

/// Reads the command line, and the variables and the file of settings, which stand for flags.
///
/// # Errors
///
/// clap's own error; also for a password on the command line, which every user of the machine can read.
pub(crate) fn read(
    arguments: impl Iterator<Item = OsString>,
) -> Result<(Cli, Origins), clap::Error> {
    let mut command = help::command();
    let arguments = with_default_command(arguments);
    let file = SettingsFile {
        flag: config::FLAG,
        read: &config::read,
    };
    let given = flags_and_variables::read_with_file(command.clone(), arguments, &LISTS, file)?;
    if let Some(("run", run)) = given.typed.subcommand() {
        refuse_passwords(run)
            .map_err(|message| command.error(ErrorKind::ValueValidation, message))?;
    }
    let cli = Cli::from_arg_matches(&given.matches).map_err(|error| error.format(&mut command));
    Ok((cli?, given.origins))
}

fn refuse_passwords(run: &ArgMatches) -> Result<(), String> {
    let typed = |id: &str| run.value_source(id) == Some(ValueSource::CommandLine);
    let lets_in = |(key, _): &(String, String)| is_secret(key);
    let host = run.get_one::<ClusterUrl>("host");
    let host = host.is_some_and(|host| host.properties.iter().any(lets_in));
    let own = run
        .get_many("properties")
        .into_iter()
        .flatten()
        .any(lets_in);
    let (flag, variable) = if typed("host") && host {
        ("--host", "LOAD_CLIENT_HOST")
    } else if typed("properties") && own {
        ("-X", "LOAD_CLIENT_X")
    } else {
        return Ok(());
    };
    Err(format!(
        "{flag}: every user of the machine can read a password on the command line; give it in {variable}"
    ))
}

/// Puts `run` in front of arguments that name no command.
fn with_default_command(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.collect();
    let first = arguments.get(1).and_then(|first| first.to_str());
    let is_command = matches!(
        first,
        Some("run" | "compare" | "help" | "-h" | "--help" | "-V" | "--version")
    );
    if !is_command && !arguments.is_empty() {
        arguments.insert(1, "run".into());
    }
    arguments
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use flags_and_variables::wrong_use;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Cli, String> {
        let arguments = std::iter::once("load-client").chain(arguments.iter().copied());
        let read = read(arguments.map(OsString::from));
        read.map(|(cli, _)| cli).map_err(|error| wrong_use(&error))
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn run_may_be_left_out() {
        let cli = parse(&[
            "--host",
            "kafka://localhost:9092",
            "-u",
            "10",
            "-r",
            "10",
            "--headless",
        ])
        .unwrap();
        let Command::Run(arguments) = cli.command else {
            panic!("not a run");
        };
        let (plan, settings) = arguments.validated("id".to_owned()).unwrap();
        assert_eq!(
            (plan.users, plan.spawn_rate, plan.run_time),
            (10, 10.0, None)
        );
        assert_eq!(plan.timeout, Duration::from_secs(30));
        assert_eq!(settings.brokers, "localhost:9092");
        assert_eq!(settings.topic, "createOrder");
    }

    #[test]
    fn wrong_values_give_one_line_that_names_the_flag() {
        for (arguments, flag) in [
            (&["--host", "localhost:9092"][..], "--host"),
            (&["--host", "kafka://a:1", "--users", "0"], "--users"),
            (&["--host", "kafka://a:1", "-r", "-1"], "--spawn-rate"),
            (&["--host", "kafka://a:1", "-t", "soon"], "--run-time"),
            (&["--host", "kafka://a:1", "--body", "{"], "--body"),
            (&["--host", "kafka://a:1", "--header", "x"], "--header"),
            (&["--host", "kafka://a:1", "-X", "x"], "-X"),
            (&["--users", "1"], "--host"),
            (&["compare", "a.csv"], "--with"),
            (
                &["compare", "a.csv", "--with", "b.csv", "--threshold", "x"],
                "--threshold",
            ),
        ] {
            let message = parse(arguments).unwrap_err();
            assert!(
                message.contains(flag) && !message.contains('\n'),
                "{message}"
            );
        }
    }

    #[test]
    fn a_password_on_the_command_line_is_refused_with_the_way_that_is_safe() {
        for (arguments, variable) in [
            (
                &["--host", "kafka+sasl://me:hunter2@a"][..],
                "LOAD_CLIENT_HOST",
            ),
            (
                &["--host", "kafka://a", "-X", "sasl.password=hunter2"],
                "LOAD_CLIENT_X",
            ),
            (&["--host", "kafka://me:hunter2@a"], "--host"),
            (&["--host", "kafka://a", "-X", "hunter2"], "-X"),
        ] {
            let message = parse(arguments).unwrap_err();
            assert!(message.contains(variable), "{message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
        assert!(parse(&["--host", "kafka+ssl://a", "-X", "sasl.username=me"]).is_ok());
    }

    #[test]
    fn an_unknown_flag_is_answered_with_the_nearest() {
        let message = parse(&["--host", "kafka://a:1", "--user", "1"]).unwrap_err();
        assert!(message.contains("--users"), "{message}");
    }
}
