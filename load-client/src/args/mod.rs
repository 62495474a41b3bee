//! The command line, and the validated plan that it describes.

mod compare;
mod handed_on;
mod help;
mod load;
mod merge;
mod output;
mod service;
mod several;
pub(crate) mod values;

use std::ffi::OsString;
use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use flags_and_variables::{Origins, Quietly, SettingsFile};
use kafka_cluster_url::{ClusterUrl, is_secret};
use program_shell::manual::Shell;

use self::output::WebArguments;
use self::service::ServiceArguments;
use self::values::Body;
use crate::distributed::PlanFlag;
use crate::load::plan::Plan;
use crate::report::{Collision, refuse_collisions};
use crate::scenario::{Mix, Scenario};
use crate::transport::kafka::{KafkaSettings, LogSettings, ServiceSettings};

pub(crate) use compare::CompareArguments;
pub(crate) use handed_on::{planned, unpacked};
pub(crate) use help::{command, completed};
pub(crate) use load::{Amount, LoadArguments};
pub(crate) use merge::{MergeArguments, MergedOutputs};
pub(crate) use output::{Files, OutputArguments};
pub(crate) use several::{LookArguments, ReportArguments, SeveralArguments, WorkerArguments, name};

/// Measures round-trip times of request-reply services over Kafka, and compares sets of runs.
///
/// The command `run` may be left out.
#[derive(Debug, Parser)]
#[command(version, after_help = help::EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sends requests and measures the time to each reply
    #[command(allow_negative_numbers = true)]
    Run(Box<RunArguments>),
    /// Compares two sets of runs: which is faster, and by how much
    Compare(Box<CompareArguments>),
    /// Merges the parts of one run that several clients sent (--segment)
    Merge(Box<MergeArguments>),
    /// Sends one part of the load of `run --workers`
    Worker(Box<WorkerArguments>),
    /// Shows a run of several workers while it goes on
    Watch(Box<LookArguments>),
    /// Reports a run of several workers from Kafka's log
    Report(Box<ReportArguments>),
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

/// Repeatable flags whose value on the command line replaces the variable's. Joined, the two would pair the wrong runs
/// or choose the wrong requests.
const LISTS: [&str; 3] = ["changed", "tags", "exclude_tags"];

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Kafka brokers: kafka://HOST[:PORT], or several, comma separated
    ///
    /// kafka+ssl://... connects over TLS. kafka+sasl://USER:PASSWORD@HOST[:PORT] logs in with a password: put that URL
    /// into the variable LOAD_CLIENT_HOST. PORT is 9092 by default.
    #[arg(long, value_parser = Quietly(values::cluster_url), value_name = "URL")]
    pub(crate) host: ClusterUrl,
    /// Number of concurrent users [default: 1]
    #[arg(short, long, value_parser = values::users)]
    users: Option<u32>,
    /// Users started per second; may be a fraction [default: 1]
    #[arg(short = 'r', long, value_parser = values::spawn_rate)]
    spawn_rate: Option<f64>,
    /// Stop sending after this time, such as 30s, 5m or 1h30m [default: on Ctrl-C]
    ///
    /// The time includes the ramp and the warm-up.
    #[arg(short = 't', long, value_parser = values::duration, value_name = "TIME")]
    pub(crate) run_time: Option<Duration>,
    /// Run without the live page (the default)
    #[arg(long)]
    headless: bool,
    /// Write every request to this CSV file
    ///
    /// The column response_time is empty for a failed request.
    #[arg(long, value_name = "FILE")]
    pub(crate) requests_record_file: Option<PathBuf>,
    /// Write the summary and the effective settings to this JSON file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Topic of the requests
    #[arg(long, default_value = "createOrder", value_parser = values::topic)]
    topic: String,
    /// Topic of the replies
    #[arg(long, default_value = "createOrder.reply", value_parser = values::topic, value_name = "TOPIC")]
    reply_topic: String,
    /// Body of each request: JSON text, or a file with any content
    #[arg(long, default_value = r#"{"items":[{"sku":"id-1234","count":1}]}"#, value_parser = values::body, value_name = "FILE|JSON")]
    body: Body,
    /// Add a header to each request; repeatable
    #[arg(long, value_parser = Quietly(values::pair), value_delimiter = '\n', value_name = "KEY=VALUE")]
    header: Vec<(String, String)>,
    /// How long to wait for a reply
    #[arg(long, default_value = "30s", value_parser = values::duration, value_name = "TIME")]
    timeout: Duration,
    /// Measure publishing only: the time to the broker's acknowledgement, without replies
    #[arg(long)]
    publish_only: bool,
    /// Leave this first part of the run out of the results
    ///
    /// The CSV of --requests-record-file keeps its requests and marks them.
    #[arg(long, default_value = "0s", value_parser = values::duration_or_zero, value_name = "TIME")]
    warm_up: Duration,
    /// Set a librdkafka property of producer and consumer; repeatable
    ///
    /// It overrides what load-client sets.
    #[arg(short = 'X', value_parser = Quietly(values::pair), value_delimiter = '\n', value_name = "KEY=VALUE")]
    pub(crate) properties: Vec<(String, String)>,
    /// Read flags from this TOML file
    ///
    /// Each key is the long name of a flag, as in users=10. The command line and the variables win.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) load: LoadArguments,
    #[command(flatten)]
    pub(crate) service: ServiceArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    #[command(flatten)]
    pub(crate) web: WebArguments,
    #[command(flatten)]
    pub(crate) several: SeveralArguments,
    /// The flags that the coordinator hands on to its workers.
    #[arg(skip)]
    pub(crate) handed_on: Vec<PlanFlag>,
}

/// Values that contradict each other, or a file that cannot be used. The text names the flag to change.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Misuse(pub(crate) String);

impl Misuse {
    /// Returns a function that puts the flag in front of an error.
    fn of<E: Display>(flag: &str) -> impl Fn(E) -> Self {
        move |error| Self(format!("{flag}: {error}"))
    }
}

impl RunArguments {
    /// Returns the load, the settings and the requests of a run. Fails with a [`Misuse`], or when a file cannot be
    /// used.
    pub(crate) fn prepared(&self, run_id: String) -> anyhow::Result<(Plan, KafkaSettings, Mix)> {
        let mut plan = self.planned(&self.amount())?;
        // Only a scenario has tables of loads, so without one this check needs no file of requests.
        if self.service.scenario.is_none() {
            self.load.check(&plan, &[])?;
            plan = plan.validated()?;
        }
        let prepared = self.with_requests(run_id, plan)?;
        let plan = &prepared.0;
        let mut loads = plan.loads.iter();
        let is_of_stages = loads.all(|own| !own.plan.stages.is_empty());
        let of_one_load = [
            ("--users", self.users.is_some()),
            ("--spawn-rate", self.spawn_rate.is_some()),
            ("--run-time", self.run_time.is_some() && is_of_stages),
        ];
        self.load.check(plan, &of_one_load)?;
        Ok(prepared)
    }

    /// Does the same for another amount. Several loads have their own amounts; a load without stages goes on for the
    /// run time of `amount`.
    pub(crate) fn prepared_for(
        &self,
        run_id: String,
        amount: &Amount,
    ) -> anyhow::Result<(Plan, KafkaSettings, Mix)> {
        self.with_requests(run_id, self.planned(amount)?)
    }

    fn planned(&self, amount: &Amount) -> Result<Plan, Misuse> {
        self.load.plan(amount, self.warm_up, self.timeout)
    }

    fn with_requests(
        &self,
        run_id: String,
        plan: Plan,
    ) -> anyhow::Result<(Plan, KafkaSettings, Mix)> {
        let mut settings = KafkaSettings {
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
        let files = self.files(&plan);
        self.refuse_collisions(&files, &[])?;
        let (mix, tables) = self
            .service
            .apply(&mut settings, (self.load.seed(), plan.share))?;
        self.refuse_collisions(&files, &mix.files)?;
        let plan = match tables.is_empty() {
            true => plan.validated()?,
            false => self.load.of_tables(plan, tables, mix.kinds())?,
        };
        if self.several.coordinates() && plan.search.is_some() {
            let reason =
                "--preset capacity with --workers: a search uses the measurements of one client";
            return Err(Misuse(reason.to_owned()).into());
        }
        let mix = mix.for_model(&plan.model);
        Ok((plan, settings, mix))
    }

    /// Returns where the log is that coordinator and workers share.
    pub(crate) fn log_settings(&self) -> Result<LogSettings, Misuse> {
        self.several
            .log
            .settings(Some(&self.host), &self.properties)
    }

    /// Returns this command line's load, with the outputs and thresholds of `leader`.
    pub(crate) fn led_by(mut self, leader: Self) -> Self {
        self.load.until = leader.load.until;
        self.load.metrics_url = leader.load.metrics_url;
        Self {
            host: leader.host,
            properties: [self.properties, leader.properties].concat(),
            json: leader.json,
            output: leader.output,
            web: leader.web,
            several: leader.several,
            ..self
        }
    }

    /// Returns the amount of load that the command line asks for.
    pub(crate) fn amount(&self) -> Amount {
        Amount {
            users: self.users.unwrap_or(1),
            spawn_rate: self.spawn_rate.unwrap_or(1.0),
            run_time: self.run_time,
            rate: self.load.rate,
        }
    }

    /// Returns where the files go.
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

    /// Checks that no file is written over another file of this command line, or over a file of the scenario.
    pub(crate) fn refuse_collisions(
        &self,
        files: &Files,
        scenario: &[PathBuf],
    ) -> Result<(), Collision> {
        let (load, service) = (&self.load, &self.service);
        let read = [&self.config, &self.body.file, &load.shape];
        let more = [&service.scenario, &service.body_lines, &service.feeder];
        let read = read.into_iter().chain(more).flatten().chain(scenario);
        let inputs: Vec<_> = read.map(PathBuf::as_path).collect();
        let outputs = files.all();
        let outputs = outputs.iter().map(|(flag, path)| (*flag, path.as_path()));
        refuse_collisions(&outputs.collect::<Vec<_>>(), &inputs)
    }
}

/// Reads the command line, and the variables and the file of settings that stand for flags.
///
/// # Errors
///
/// Fails with clap's own error, also for a password on the command line, which every user of the machine can read.
pub(crate) fn read(
    arguments: impl Iterator<Item = OsString>,
) -> Result<(Cli, Origins), clap::Error> {
    let mut command = help::command();
    let arguments = with_default_command(arguments);
    let file = SettingsFile {
        flag: values::CONFIG.flag,
        read: &|command, path| values::CONFIG.read(command, path),
    };
    let given = flags_and_variables::read_with_file(command.clone(), arguments, &LISTS, file)?;
    if let Some((_, typed)) = given.typed.subcommand() {
        refuse_passwords(typed)
            .map_err(|message| command.error(ErrorKind::ValueValidation, message))?;
    }
    let cli = Cli::from_arg_matches(&given.matches).map_err(|error| error.format(&mut command));
    let mut cli = cli?;
    if let (Command::Run(run), Some(("run", matches))) =
        (&mut cli.command, given.matches.subcommand())
    {
        run.handed_on = handed_on::flags(run, matches);
    }
    Ok((cli, given.origins))
}

/// Checks only what was typed: a variable may hold a password.
fn refuse_passwords(typed: &ArgMatches) -> Result<(), String> {
    let lets_in = |(key, _): &(String, String)| is_secret(key);
    let url = |id| typed.try_get_one::<ClusterUrl>(id).ok().flatten();
    let has_password = |id| url(id).is_some_and(|url| url.properties.iter().any(lets_in));
    let own = typed.try_get_many("properties").ok().flatten();
    let (flag, variable) = if has_password("host") {
        ("--host", "LOAD_CLIENT_HOST")
    } else if has_password("control") {
        ("--control", "LOAD_CLIENT_CONTROL")
    } else if own.into_iter().flatten().any(lets_in) {
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
    let others = ["help", "-h", "--help", "-V", "--version"];
    let command = Cli::command();
    let is_command = |first: &str| {
        let mut commands = command.get_subcommands();
        others.contains(&first) || commands.any(|own| own.get_name() == first)
    };
    if !first.is_some_and(is_command) && !arguments.is_empty() {
        arguments.insert(1, "run".into());
    }
    arguments
}

#[cfg(test)]
mod tests;
