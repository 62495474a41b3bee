//! What `-h` and `--help` show.

use std::ffi::OsStr;

use clap::{Arg, CommandFactory};

use crate::args::Cli;
use crate::args::config::name_of;
use crate::measure::threshold::GRAMMAR;

const RUN_HELP: &str = include_str!("run_help.txt");
const COMPARE_HELP: &str = include_str!("compare_help.txt");

const RUN_SHORT_HELP: &str = "\
Examples:
  load-client --host kafka://localhost:9092 -u 10 -r 10 -t 5m --html run.html
  load-client --host kafka://localhost:9092 --rate 500/s -t 5m --fail-on 'p95<20ms'

--help has all flags, presets, thresholds, files, variables and exit codes.";

/// What `run -h` shows: what most runs need.
const COMMON: [&str; 17] = [
    "host",
    "users",
    "spawn_rate",
    "run_time",
    "warm_up",
    "topic",
    "reply_topic",
    "body",
    "timeout",
    "rate",
    "preset",
    "scenario",
    "profile",
    "fail_on",
    "html",
    "requests_record_file",
    "web",
];

/// The definition, with a variable for each flag, told in one place instead of beside each flag.
pub(super) fn command() -> clap::Command {
    Cli::command().mut_subcommands(|command| {
        let (text, short) = match command.get_name() {
            "run" => (RUN_HELP.replace("{GRAMMAR}", GRAMMAR), Some(RUN_SHORT_HELP)),
            _ => (COMPARE_HELP.to_owned(), None),
        };
        let command = command.mut_args(with_variable);
        let names = command.get_arguments().filter_map(Arg::get_env);
        let names: Vec<_> = names.filter_map(OsStr::to_str).collect();
        let help = format!("{text}\n{VARIABLES}: {}", names.join(", "));
        match short {
            Some(short) => command
                .after_help(short)
                .after_long_help(help)
                .mut_args(|own| {
                    let is_rare = !COMMON.contains(&own.get_id().as_str());
                    own.hide_short_help(is_rare)
                }),
            None => command.after_help(help),
        }
    })
}

/// Gives a flag the variable of its name, such as `LOAD_CLIENT_RUN_TIME`, unless it has another one. That is
/// shown nowhere beside the flag, where its value would be too, which may be secret.
fn with_variable(flag: Arg) -> Arg {
    let variable = name_of(&flag).map(|name| {
        let name = name.replace('-', "_").to_uppercase();
        // clap takes names that live as long as the program.
        &*format!("LOAD_CLIENT_{name}").leak()
    });
    match variable {
        Some(variable) if flag.get_env().is_none() => flag.env(variable),
        _ => flag,
    }
    .hide_env(true)
}

const VARIABLES: &str = "Variables, each for its flag: the command line wins over them, and they win over --config; of a \
flag that may be repeated, one value a line";
