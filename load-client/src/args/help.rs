//! What `-h` and `--help` show.

use std::ffi::OsStr;

use clap::{Arg, CommandFactory};

use super::Cli;
use super::values::with_variable;
use crate::measure::threshold::GRAMMAR;

pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0  done, and all well
  1  the run or comparison could not be done (no broker, missing topic, bad file)
  2  the command line is wrong
  3, 4, 5, 6, 130  verdicts of a run: see `load-client run --help`

Diagnostics of the Kafka clients go to standard error with LOAD_CLIENT_LOG=debug.";

const RUN_HELP: &str = include_str!("run_help.txt");
const MERGE_HELP: &str = include_str!("merge_help.txt");
const WORKER_HELP: &str = include_str!("worker_help.txt");
const WATCH_HELP: &str = include_str!("watch_help.txt");
const REPORT_HELP: &str = include_str!("report_help.txt");
const COMPARE_HELP: &str = include_str!("compare_help.txt");
const RUN_SHORT_HELP: &str = include_str!("run_short_help.txt");
const VARIABLES: &str = "Variables, each for its flag: the command line wins over them, and they win over --config; of a \
flag that may be repeated, one value a line";

/// What `run -h` shows: what most runs need.
const COMMON: &str = "host users spawn_rate run_time warm_up topic reply_topic body timeout rate preset \
    scenario profile fail_on html requests_record_file web";

/// The definition, with a variable for each flag, told in one place instead of beside each flag.
pub(super) fn command() -> clap::Command {
    Cli::command().mut_subcommands(|command| {
        let command = command.mut_args(with_variable);
        let names = command.get_arguments().filter_map(Arg::get_env);
        let names: Vec<_> = names.filter_map(OsStr::to_str).collect();
        let variables = format!("\n{VARIABLES}: {}", names.join(", "));
        let help = match command.get_name() {
            "compare" => Some(COMPARE_HELP),
            "merge" => Some(MERGE_HELP),
            "worker" => Some(WORKER_HELP),
            "watch" => Some(WATCH_HELP),
            "report" => Some(REPORT_HELP),
            _ => None,
        };
        if let Some(help) = help {
            return command.after_help(help.to_owned() + &variables);
        }
        let help = RUN_HELP.replace("{GRAMMAR}", GRAMMAR) + &variables;
        let command = command.after_help(RUN_SHORT_HELP).after_long_help(help);
        command.mut_args(|own| {
            let is_rare = COMMON.split(' ').all(|common| own.get_id() != common);
            own.hide_short_help(is_rare)
        })
    })
}
