//! Reads the command line, and checks rules that span several flags. Each error is one line.

use std::ffi::OsString;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use flags_and_variables::{Origins, SettingsFile, TomlFile};
use kafka_cluster_url::{has_credentials, is_secret};
use tokio_util::sync::CancellationToken;

use super::arguments::{Cli, Command, StartArguments, TargetArguments};
use crate::stack::{StackKind, StackOptions};

/// Length of the rehearsal of each variant. Measured with 10 users: after 15 s of `tasks` alone, the first run that
/// counted still had a fifth less throughput than the later ones. So the broker's JVM may still get faster after the
/// rehearsal. The balanced order of the blocks spreads that over all variants.
const NATIVE_REHEARSAL: Duration = Duration::from_secs(15);

/// The file of an experiment. It has flags and variants.
const FILE: TomlFile<'_> = TomlFile {
    flag: "file",
    program: "harness",
    beside: &["variants"],
};

/// The same file for one run, which ignores the settings that only an experiment has.
const OF_BENCH: TomlFile<'_> = TomlFile {
    beside: &[
        "variants",
        "trials",
        "until-decided",
        "min-trials",
        "max-trials",
        "seed",
        "threshold",
        "calibrate",
        "fail-on",
    ],
    ..FILE
};

/// Flags whose value on the command line replaces the variable's, because one value is a whole list.
const LISTS: [&str; 4] = ["only", "users", "partitions", "instances"];

/// Reads the command line, and the variables of its flags.
///
/// # Errors
///
/// Fails with clap's own error, also for `--help` and `--version`.
pub fn parse<I>(arguments: I) -> Result<(Cli, Origins), clap::Error>
where
    I: IntoIterator<Item: Into<OsString>>,
{
    let mut command = Cli::command();
    let arguments = arguments.into_iter().map(Into::into).collect();
    let file = SettingsFile {
        flag: FILE.flag,
        read: &|command, path| match command.get_name() {
            "bench" => OF_BENCH.read(command, path),
            _ => FILE.read(command, path),
        },
    };
    let given = flags_and_variables::read_with_file(command.clone(), arguments, &LISTS, file)?;
    let cli = Cli::from_arg_matches(&given.matches).map_err(|error| error.format(&mut command))?;
    let wrong = match &cli.command {
        Command::Up(up) if up.stack.stack == Some(StackKind::External) => {
            Err("--stack external has nothing to start: use embedded, native or docker".to_owned())
        }
        Command::Up(_) | Command::Soak(_) | Command::Completions { .. } | Command::Man { .. } => {
            Ok(())
        }
        Command::Faults(faults) => faults.check(),
        Command::Distributed(distributed) => distributed.check(),
        Command::Demo(demo) => demo.target.check(),
        Command::Limits(limits) => limits.target.check().and(limits.check()),
        Command::Bench(bench) if bench.out.extension().is_none_or(|end| end != "csv") => {
            Err(format!(
                "--out {}: takes a file whose name ends in .csv",
                bench.out.display()
            ))
        }
        Command::Bench(bench) => bench.target.check().and(bench.load.check()),
        Command::Simulate(simulate) => simulate.target.check().and(simulate.check()),
        Command::Experiment(run) => {
            let own = run.target.check().and(run.load.check());
            own.and_then(|()| run.check())
        }
    };
    wrong
        .and_then(|()| refuse_passwords(&given.typed))
        .map_err(|message| {
            command.error(ErrorKind::ValueValidation, given.origins.name(&message))
        })?;
    Ok((cli, given.origins))
}

/// Refuses passwords on the command line, which every user of the machine can read.
fn refuse_passwords(matches: &ArgMatches) -> Result<(), String> {
    let Some((_, own)) = matches.subcommand() else {
        return Ok(());
    };
    // Only some sub-commands have these flags.
    let typed = |id: &str| {
        let has = own.try_contains_id(id).is_ok();
        has && own.value_source(id) == Some(ValueSource::CommandLine)
    };
    let kafka = || {
        own.get_one::<String>("kafka")
            .is_some_and(|url| has_credentials(url))
    };
    let secret = || {
        let mut properties = own
            .get_many::<(String, String)>("properties")
            .into_iter()
            .flatten();
        properties.any(|(key, _)| is_secret(key))
    };
    let (flag, variable) = if typed("kafka") && kafka() {
        ("--kafka", "HARNESS_KAFKA")
    } else if typed("properties") && secret() {
        ("-X", "HARNESS_CLIENT_PROPERTIES")
    } else {
        return Ok(());
    };
    Err(format!(
        "{flag}: every user of the machine can read a password on the command line; give it in {variable}"
    ))
}

impl StartArguments {
    /// What to hand to [`crate::stack::Stack::start`].
    #[must_use]
    pub fn options(&self, stop: &CancellationToken) -> StackOptions {
        StackOptions {
            brokers: self.brokers,
            kafka_port: self.kafka_port,
            store_port: self.store_port,
            compose_file: self.compose_file.clone(),
            stop: stop.clone(),
            ..StackOptions::default()
        }
    }
}

impl TargetArguments {
    /// The stack to use. URLs without `--stack` mean the external one.
    #[must_use]
    pub fn kind(&self) -> StackKind {
        match self.start.stack {
            Some(kind) => kind,
            None if self.kafka.is_some() => StackKind::External,
            None => StackKind::Embedded,
        }
    }

    /// What to hand to [`crate::stack::Stack::start`].
    #[must_use]
    pub fn options(&self, stop: &CancellationToken) -> StackOptions {
        StackOptions {
            kafka: self.kafka.clone(),
            store: self.store.clone(),
            properties: self.properties.clone(),
            ..self.start.options(stop)
        }
    }

    fn check(&self) -> Result<(), String> {
        match (self.kind(), self.kafka.is_some()) {
            (StackKind::External, false) => {
                Err("--stack external needs --kafka URL and --store URL".to_owned())
            }
            (kind, true) if kind != StackKind::External => Err(format!(
                "--kafka and --store need --stack external, not --stack {}",
                kind.name()
            )),
            _ => Ok(()),
        }
    }
}

/// The default length of a rehearsal on a stack of that kind.
pub(crate) fn rehearsal(kind: StackKind) -> Duration {
    match kind {
        StackKind::Native => NATIVE_REHEARSAL,
        _ => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use flags_and_variables::wrong_use;

    use super::*;

    const WRONG: &[(&str, &str, &str)] = &[
        ("harness experiment --run-time 2s", "--warm-up", "shorter"),
        ("harness experiment --users 0", "--users", "1..=1000000"),
        ("harness experiment --users x", "--users", "invalid digit"),
        (
            "harness experiment --spawn-rate 0",
            "--spawn-rate",
            "above zero",
        ),
        (
            "harness experiment --run-time 10",
            "--run-time",
            "such as 500ms",
        ),
        (
            "harness experiment --run-time 0s",
            "--run-time",
            "above zero",
        ),
        ("harness experiment --trials 0", "--trials", "1..=1000"),
        ("harness faults --rounds 0", "--rounds", "1..=10000"),
        ("harness faults --only flood", "--only", "kill-service"),
        ("harness limits --only flood", "--only", "bridge-tasks"),
        ("harness limits --run-time 1s", "--warm-up", "shorter"),
        (
            "harness limits --instances 2",
            "--instances 2",
            "--partitions",
        ),
        ("harness simulate --run-time 1s", "--run-time", "shorter"),
        (
            "harness simulate --truth-time 1s",
            "--truth-time",
            "shorter",
        ),
        ("harness simulate --only x", "--only", "aa"),
        ("harness soak --time 0s", "--time", "above zero"),
        ("harness experiment --threshold 2", "--threshold", "2%"),
        (
            "harness experiment --stack x",
            "--stack",
            "embedded, native, docker, external",
        ),
        ("harness experiment -X linger", "-X", "key=value"),
        (
            "harness experiment --partitions 0",
            "--partitions",
            "1..=1000",
        ),
        ("harness experiment --baseline a", "--changed", "required"),
        (
            "harness experiment --baseline-rev a --changed-rev b",
            "--run",
            "required",
        ),
        ("harness experiment --load -u5", "-u5", "harness"),
        (
            "harness experiment --load --header=authorization=x",
            "--load",
            "LOAD_CLIENT_HEADER",
        ),
        (
            "harness experiment --baseline a --changed b --env A",
            "--env",
            "NAME=VALUE",
        ),
        (
            "harness experiment --min-trials 9 --max-trials 8",
            "--min-trials",
            "above",
        ),
        ("harness experiment --ready group", "--ready", "--baseline"),
        ("harness experiment --env A=b", "--env", "--baseline"),
        (
            "harness experiment --baseline a --changed b --ready x",
            "--ready",
            "line=TEXT",
        ),
        ("harness experiment --load 'a", "--load", "quote"),
        ("harness experiment --load --json=x", "--json=x", "harness"),
        ("harness experiment --topic a/b", "--topic", "249"),
        (
            "harness experiment --file missing.toml",
            "--file missing.toml",
            "No such file",
        ),
        ("harness bench --variant tasks --out a.txt", "--out", ".csv"),
        (
            "harness demo --stack external",
            "--stack external",
            "--kafka",
        ),
        ("harness demo --kafka kafka://a:1", "--store", "required"),
        (
            "harness demo --stack native --kafka kafka://a --store b",
            "--stack native",
            "external",
        ),
        (
            "harness up --stack external",
            "--stack external",
            "embedded",
        ),
        ("harness up --store-port 0", "--store-port", "1..=65535"),
        (
            "harness demo --kafka kafka+sasl://me:hunter2@a --store b",
            "--kafka",
            "HARNESS_KAFKA",
        ),
        (
            "harness demo -X sasl.password=hunter2",
            "-X",
            "HARNESS_CLIENT_PROPERTIES",
        ),
        (
            "harness faults -X sasl.password=hunter2",
            "-X sasl.password",
            "asks for no password",
        ),
        ("harness faults -X linger", "-X", "key=value"),
    ];

    fn wrong(line: &str) -> String {
        let error = parse(line.split(' ')).expect_err(line);
        assert_eq!(error.exit_code(), 2, "{line}");
        wrong_use(&error)
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn wrong_values_get_one_line_that_names_the_flag() {
        for (line, flag, takes) in WRONG {
            let message = wrong(line);
            assert!(
                message.contains(flag) && message.contains(takes),
                "{line}: {message}"
            );
            assert!(!message.contains('\n'), "{line}: {message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn urls_alone_mean_the_external_stack() {
        let line = "harness demo --kafka kafka://a:1 --store redis://b:2";
        let (cli, _) = parse(line.split(' ')).unwrap();
        let Command::Demo(demo) = cli.command else {
            panic!("not a demo")
        };
        assert_eq!(demo.target.kind(), StackKind::External);
    }
}
