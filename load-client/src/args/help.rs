//! What `-h` and `--help` show.

use std::ffi::OsStr;

use clap::{Arg, CommandFactory};

use super::Cli;
use super::values::with_variable;
use crate::measure::threshold::GRAMMAR;

pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0  success
  1  the run or comparison could not be done (no broker, missing topic,
     bad file)
  2  the command line is wrong
  3, 4, 5, 6, 130  results of a run: see `load-client run --help`

With LOAD_CLIENT_LOG=debug, the Kafka clients write diagnostics to standard
error.";

const RUN_HELP: &str = include_str!("run_help.txt");
const MERGE_HELP: &str = include_str!("merge_help.txt");
const WORKER_HELP: &str = include_str!("worker_help.txt");
const WATCH_HELP: &str = include_str!("watch_help.txt");
const REPORT_HELP: &str = include_str!("report_help.txt");
const COMPARE_HELP: &str = include_str!("compare_help.txt");
const RUN_SHORT_HELP: &str = include_str!("run_short_help.txt");
const VARIABLES: &str = "\
Each flag has a variable. The command line wins over variables.
The variable of a repeatable flag has one value a line:";
const VARIABLES_AND_FILE: &str = "\
Each flag has a variable. The command line wins over variables, and variables
win over --config. The variable of a repeatable flag has one value a line:";

/// The flags that `run -h` shows: those that most runs need.
const COMMON: &str = "host users spawn_rate run_time warm_up topic reply_topic body timeout rate preset \
    scenario profile fail_on html requests_record_file web";

/// The definition that a shell completes: the flags of `run` also stand alone, because `run` may be left out.
pub(crate) fn completed() -> clap::Command {
    let command = Cli::command();
    let run = command.find_subcommand("run");
    let flags: Vec<Arg> = run
        .into_iter()
        .flat_map(clap::Command::get_arguments)
        .cloned()
        .collect();
    command.args(flags)
}

/// The definition, with a variable for each flag. The help lists the variables in one place, not beside each flag.
pub(crate) fn command() -> clap::Command {
    Cli::command().mut_subcommands(|command| {
        let command = command.mut_args(with_variable);
        let names = command.get_arguments().filter_map(Arg::get_env);
        let names: Vec<_> = names.filter_map(OsStr::to_str).collect();
        let has_file = command.get_arguments().any(|own| own.get_id() == "config");
        let intro = if has_file {
            VARIABLES_AND_FILE
        } else {
            VARIABLES
        };
        let variables = format!("\n{intro}\n{}", listed(&names));
        let help = match command.get_name() {
            "compare" => Some(COMPARE_HELP),
            "merge" => Some(MERGE_HELP),
            "worker" => Some(WORKER_HELP),
            "watch" => Some(WATCH_HELP),
            "report" => Some(REPORT_HELP),
            "run" => None,
            _ => return command,
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

/// Names with commas between them, on indented lines of at most 80 columns.
fn listed(names: &[&str]) -> String {
    let mut lines = vec![" ".to_owned()];
    for (index, name) in names.iter().enumerate() {
        let comma = if index + 1 < names.len() { "," } else { "" };
        let word = format!(" {name}{comma}");
        match lines.last_mut() {
            Some(line) if line.len() + word.len() <= 80 => line.push_str(&word),
            _ => lines.push(format!(" {word}")),
        }
    }
    lines.join("\n")
}
