//! The command line of `merge`.

use std::path::PathBuf;

use clap::Args;

use crate::args::{Misuse, unknown_kinds};
use crate::measure::threshold::Threshold;
use crate::report::{StatsFiles, is_standard_output};

#[derive(Debug, Args)]
pub(crate) struct MergeArguments {
    /// What each client has written to --hdr, one file for each part of the run
    #[arg(required = true, value_name = "FILE")]
    pub(crate) parts: Vec<PathBuf>,
    /// Write statistics to PREFIX_stats.csv, _stats_history.csv, _failures.csv and _exceptions.csv, with
    /// Locust's columns
    #[arg(long, env = "LOAD_CLIENT_MERGE_CSV", value_name = "PREFIX")]
    pub(crate) csv: Option<PathBuf>,
    /// Write a report as one page that opens offline
    #[arg(long, env = "LOAD_CLIENT_MERGE_HTML", value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write the summary and the settings in effect to this file
    #[arg(long, env = "LOAD_CLIENT_MERGE_JSON", value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// What must hold, or the run fails, such as 'p95<20ms'; repeatable
    #[arg(
        long,
        env = "LOAD_CLIENT_MERGE_FAIL_ON",
        value_delimiter = '\n',
        value_name = "THRESHOLD"
    )]
    pub(crate) fail_on: Vec<Threshold>,
    /// Exit code when a request failed and no threshold speaks of failures
    #[arg(long, default_value = "3", value_name = "CODE")]
    pub(crate) exit_code_on_error: u8,
    /// Exit code when a load client was the bottleneck, or has not sent all of its part
    #[arg(long, default_value = "5", value_name = "CODE")]
    pub(crate) exit_code_on_invalid: u8,
}

impl MergeArguments {
    /// Checks what the flags say of a run with these kinds of request.
    pub(crate) fn validated(&self, kinds: &[String]) -> Result<(), Misuse> {
        unknown_kinds(&[("--fail-on", &self.fail_on)], kinds)
    }

    /// Every output with its flag.
    pub(crate) fn outputs(&self) -> Result<Vec<(&'static str, PathBuf)>, Misuse> {
        if self.csv.as_deref().is_some_and(is_standard_output) {
            let wrong = "--csv takes the beginning of four files' names, and - is none; name one";
            return Err(Misuse(wrong.to_owned()));
        }
        let statistics = self.csv.as_deref().map(StatsFiles::paths);
        let statistics = statistics.into_iter().flatten();
        let single = [("--html", &self.html), ("--json", &self.json)];
        let single = single.map(|(flag, path)| Some((flag, path.clone()?)));
        let all = statistics.map(|path| ("--csv", path));
        Ok(all.chain(single.into_iter().flatten()).collect())
    }
}
