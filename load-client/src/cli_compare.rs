//! The command line of `compare`.

use std::path::PathBuf;

use clap::Args;

use crate::parse;

pub(crate) const HELP: &str = "\
Examples:
  load-client compare baseline.csv --with task_handler.csv --html report.html
  load-client compare base-*.csv --with new-*.csv --threshold 5%

Reads the CSV of `run`, and the three columns request_type,name,response_time. Give both sides the
same number of runs, six or more, made in turns: run i of one side is paired with run i of the other.

Exit codes: 0 compared; 1 a file cannot be used or written; 2 wrong command line.";

#[derive(Debug, Args)]
pub(crate) struct CompareArguments {
    /// CSV of each baseline run
    #[arg(required = true, value_name = "BASELINE")]
    pub(crate) baseline: Vec<PathBuf>,
    /// CSV of each changed run
    #[arg(long = "with", required = true, num_args = 1.., env = "LOAD_CLIENT_WITH", value_delimiter = '\n', value_name = "CHANGED")]
    pub(crate) changed: Vec<PathBuf>,
    /// Write the comparison as one HTML page that opens offline
    #[arg(long, env = "LOAD_CLIENT_COMPARE_HTML", value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write the comparison as JSON
    #[arg(long, env = "LOAD_CLIENT_COMPARE_JSON", value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Change of the median that counts as a difference
    #[arg(long, env = "LOAD_CLIENT_THRESHOLD", default_value = "2%", value_parser = parse::threshold, value_name = "SHARE")]
    pub(crate) threshold: f64,
}
