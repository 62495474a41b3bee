//! The flags of `merge`, and those that it shares with `report`.

use std::path::PathBuf;

use clap::Args;

use crate::args::Misuse;
use crate::args::output::{ExitCodes, refuse_stream, unknown_kinds};
use crate::measure::threshold::Threshold;
use crate::report::StatsFiles;

#[derive(Debug, Args)]
pub(crate) struct MergeArguments {
    /// The file that each client wrote with --hdr, one for each part of the run
    #[arg(required = true, value_name = "FILE")]
    pub(crate) parts: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) outputs: MergedOutputs,
}

/// Flags for the outputs of a merged run.
#[derive(Debug, Args)]
pub(crate) struct MergedOutputs {
    /// Write Locust's CSV files; their names begin with PREFIX
    ///
    /// They are PREFIX_stats.csv, PREFIX_stats_history.csv, PREFIX_failures.csv and PREFIX_exceptions.csv.
    #[arg(long, env = "LOAD_CLIENT_MERGE_CSV", value_name = "PREFIX")]
    pub(crate) csv: Option<PathBuf>,
    /// Write a report as one HTML page that opens offline
    #[arg(long, env = "LOAD_CLIENT_MERGE_HTML", value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write the summary and the effective settings to this JSON file
    #[arg(long, env = "LOAD_CLIENT_MERGE_JSON", value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Threshold that must hold, or the run fails, such as 'p95<20ms'; repeatable
    #[arg(
        long,
        env = "LOAD_CLIENT_MERGE_FAIL_ON",
        value_delimiter = '\n',
        value_name = "THRESHOLD"
    )]
    pub(crate) fail_on: Vec<Threshold>,
    #[command(flatten)]
    pub(crate) codes: ExitCodes,
}

impl MergedOutputs {
    /// Returns outputs that are only tables.
    pub(crate) fn none() -> Self {
        Self {
            csv: None,
            html: None,
            json: None,
            fail_on: Vec::new(),
            codes: ExitCodes::none(),
        }
    }

    /// Checks that the thresholds fit a run with these kinds of request.
    pub(crate) fn validated(&self, kinds: &[String]) -> Result<(), Misuse> {
        unknown_kinds(&[("--fail-on", &self.fail_on)], kinds)
    }

    /// Returns every output with its flag.
    pub(crate) fn all(&self) -> Result<Vec<(&'static str, PathBuf)>, Misuse> {
        refuse_stream(self.csv.as_deref())?;
        let statistics = self.csv.as_deref().map(StatsFiles::paths);
        let statistics = statistics.into_iter().flatten();
        let single = [("--html", &self.html), ("--json", &self.json)];
        let single = single.map(|(flag, path)| Some((flag, path.clone()?)));
        let all = statistics.map(|path| ("--csv", path));
        Ok(all.chain(single.into_iter().flatten()).collect())
    }
}
