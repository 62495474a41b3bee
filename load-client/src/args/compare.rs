//! The flags of `compare`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::args::{Misuse, values};
use crate::compare::{FailOn, Names, Side, side_name};

#[derive(Debug, Args)]
pub(crate) struct CompareArguments {
    /// CSV file of each baseline run; may be compressed with gzip
    #[arg(required = true, value_name = "BASELINE")]
    pub(crate) baseline: Vec<PathBuf>,
    /// CSV file of each changed run; may be compressed with gzip
    #[arg(long = "with", required = true, num_args = 1.., value_delimiter = '\n', value_name = "CHANGED")]
    pub(crate) changed: Vec<PathBuf>,
    /// Read flags from this TOML file
    ///
    /// Each key is the long name of a flag, as in threshold="5%". The command line and the variables win.
    #[arg(long, env = "LOAD_CLIENT_COMPARE_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Write the comparison as one HTML page that opens offline
    #[arg(long, env = "LOAD_CLIENT_COMPARE_HTML", value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write the comparison as JSON, described by docs/comparison.schema.json
    #[arg(long, env = "LOAD_CLIENT_COMPARE_JSON", value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the verdict and the changes as Markdown, for a pull request
    #[arg(long, env = "LOAD_CLIENT_COMPARE_MARKDOWN", value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    /// Smallest change of the median that counts as a difference
    #[arg(long, default_value = "2%", value_parser = values::threshold, value_name = "SHARE")]
    pub(crate) threshold: f64,
    /// Use intervals that stay valid if you look at the result after each block
    ///
    /// They are for experiments that end as soon as they are decided.
    #[arg(long)]
    pub(crate) sequential: bool,
    /// Name of the baseline side in sentences, tables and charts
    #[arg(long, default_value = "baseline", value_parser = side_name, value_name = "NAME")]
    baseline_name: String,
    /// Name of the changed side in sentences, tables and charts
    #[arg(long, default_value = "changed", value_parser = side_name, value_name = "NAME")]
    changed_name: String,
    /// Exit with 4 on this verdict, and if there is no verdict
    #[arg(
        long,
        env = "LOAD_CLIENT_COMPARE_FAIL_ON",
        value_enum,
        value_name = "VERDICT"
    )]
    pub(crate) fail_on: Option<FailOn>,
    /// Append a line for each run to this CSV file, for Apache Otava
    #[arg(long, value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,
    /// Runs that --history appends
    #[arg(long, value_enum, default_value = "changed", value_name = "SIDE")]
    pub(crate) history_side: HistorySide,
    /// Commit in the lines of --history [default: $GITHUB_SHA, or none]
    #[arg(long, value_parser = commit, value_name = "ID")]
    pub(crate) commit: Option<String>,
}

impl CompareArguments {
    /// Returns the names of the sides. Fails when the two names are equal or not allowed.
    pub(crate) fn names(&self) -> Result<Names, Misuse> {
        let names = Names::try_new(&self.baseline_name, &self.changed_name);
        names.map_err(|error| Misuse(format!("--baseline-name and --changed-name: {error}")))
    }

    /// Returns the commit of the flag, or of the build's variable `GITHUB_SHA`; empty without either.
    pub(crate) fn commit(&self) -> Result<String, String> {
        let of_build = || std::env::var("GITHUB_SHA").unwrap_or_default();
        match self.commit.clone().unwrap_or_else(of_build) {
            none if none.is_empty() => Ok(none),
            own => commit(&own).map_err(|reason| format!("--commit from GITHUB_SHA {reason}")),
        }
    }
}

/// Which runs enter the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HistorySide {
    /// The baseline runs
    Baseline,
    /// The changed runs
    Changed,
    /// All runs
    Both,
}

impl HistorySide {
    pub(crate) fn includes(self, side: Side) -> bool {
        match self {
            Self::Baseline => side == Side::Baseline,
            Self::Changed => side == Side::Changed,
            Self::Both => true,
        }
    }
}

fn commit(text: &str) -> Result<String, String> {
    let is_plain =
        !text.is_empty() && text.len() <= 100 && text.chars().all(|own| own.is_ascii_graphic());
    let commit = is_plain.then(|| text.to_owned());
    commit.ok_or_else(|| "takes 1 to 100 letters, digits or signs, without blanks".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_one_word() {
        assert_eq!(commit("v1.2-3-gf00d"), Ok("v1.2-3-gf00d".to_owned()));
        for text in ["", "a b", "a\nb", &"x".repeat(101)] {
            assert!(commit(text).is_err(), "{text}");
        }
    }

    #[test]
    fn each_side_includes_its_own() {
        let included =
            |side: HistorySide| [Side::Baseline, Side::Changed].map(|own| side.includes(own));
        assert_eq!(included(HistorySide::Baseline), [true, false]);
        assert_eq!(included(HistorySide::Changed), [false, true]);
        assert_eq!(included(HistorySide::Both), [true, true]);
    }
}
