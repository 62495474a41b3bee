//! Compares two sets of runs: did it get faster, by how much, how sure?
//!
//! The unit is a run, not a request: the requests of one run share its machine state, so that
//! hundreds of thousands of them prove a difference between two *runs*, never between two
//! *systems*. Runs are therefore paired block by block, each block gives one log-ratio, and the
//! interval over the blocks carries the verdict. The figures of the seed's article (median
//! change, Welch's t over all requests, histograms) are kept beside it.
//!
//! ```no_run
//! use load_client::compare::{Options, compare, read_run};
//!
//! let baseline = [read_run("baseline-1.csv".as_ref())?, read_run("baseline-2.csv".as_ref())?];
//! let changed = [read_run("changed-1.csv".as_ref())?, read_run("changed-2.csv".as_ref())?];
//! let comparison = compare(&baseline, &changed, &Options::default())?;
//! println!("{}", comparison.conclusion);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod curves;
mod effects;
mod kinds;
mod notices;
mod read;
mod run;
mod steps;
pub(crate) mod tables;
mod verdict;

use serde::Serialize;

use self::curves::{Curves, Shape};
use self::effects::WithinRuns;
use self::notices::{Drifts, Order};
use self::run::Figures;
use crate::stats::{Bootstrap, TTest};

pub use effects::{Blocks, Effect};
pub use read::{ReadError, read_run};
pub use run::{NameError, Names, Run};
pub use steps::{CompareError, compare};
pub use verdict::{Verdict, percent};

// internal: what the reports and the command show
pub(crate) use curves::CurvePoint;
pub(crate) use kinds::Kind;
pub(crate) use read::summary_beside;
pub(crate) use run::{RunFigures, Side, SideSummary, TimeBin, side_name};

/// How to compare.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The relative change that matters in practice; 0.02 is 2 %.
    pub threshold: f64,
    /// How much to work out beside the verdict.
    pub detail: Detail,
    /// What the sides are called in sentences, tables and charts.
    pub names: Names,
}

/// How much to work out beside the verdict.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Detail {
    /// All there is, with intervals by this bootstrap.
    Full(Bootstrap),
    /// The effects over the blocks and the verdict on them: no resampling, no statistics of whole
    /// distributions, no curves. For those who compare thousands of times.
    Verdict,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threshold: 0.02,
            detail: Detail::Full(Bootstrap::default()),
            names: Names::default(),
        }
    }
}

/// A figure of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Median round-trip time: what the verdict is about.
    P50,
    /// 90th percentile.
    P90,
    /// 95th percentile.
    P95,
    /// 99th percentile.
    P99,
    /// Mean round-trip time.
    Mean,
    /// Good replies per second.
    Throughput,
}

impl Metric {
    /// All of them, in the order of the tables.
    pub(crate) const ALL: [Self; 6] = [
        Self::P50,
        Self::P90,
        Self::P95,
        Self::P99,
        Self::Mean,
        Self::Throughput,
    ];

    /// The quantile that it is, if it is one.
    pub(crate) fn quantile(self) -> Option<f64> {
        match self {
            Self::P50 => Some(0.5),
            Self::P90 => Some(0.9),
            Self::P95 => Some(0.95),
            Self::P99 => Some(0.99),
            Self::Mean | Self::Throughput => None,
        }
    }

    /// Its name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::P50 => "median",
            Self::P90 => "p90",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::Mean => "mean",
            Self::Throughput => "throughput",
        }
    }

    /// Its unit.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Throughput => "replies/s",
            _ => "ms",
        }
    }

    /// The metric among a run's figures; `None` where the run cannot tell it.
    pub(crate) fn of(self, figures: &Figures) -> Option<f64> {
        match self {
            Self::P50 => figures.median_ms,
            Self::P90 => figures.p90_ms,
            Self::P95 => figures.p95_ms,
            Self::P99 => figures.p99_ms,
            Self::Mean => figures.mean_ms,
            Self::Throughput => figures.throughput,
        }
    }
}

/// The figures of the seed's article, over all requests of each side.
///
/// They take every request as independent evidence, which it is not; see the module's docs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PerRequest {
    /// Relative change of the pooled median.
    pub(crate) median_change: Option<f64>,
    /// Welch's t-test of the baseline's requests against the changed side's.
    pub welch: Option<TTest>,
    /// Relative change of the median as Locust rounds it, to whole milliseconds below 100.
    pub(crate) locust_median_change: Option<f64>,
}

/// What makes the figures of a comparison doubtful, with advice.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Warning {
    /// Warnings that share it say the same of several runs.
    #[serde(skip)]
    kind: String,
    /// The sentence.
    pub text: String,
}

impl Warning {
    fn new(kind: impl Into<String>, text: String) -> Self {
        let kind = kind.into();
        Self { kind, text }
    }
}

/// One that says what no other does.
impl From<String> for Warning {
    fn from(text: String) -> Self {
        Self::new(text.clone(), text)
    }
}

/// Each warning once: of several of one kind only the first is told, with how many more there are.
pub(crate) fn once(warnings: &[Warning]) -> Vec<String> {
    let mut groups: Vec<(&Warning, usize)> = Vec::new();
    for warning in warnings {
        match groups.iter_mut().find(|(own, _)| own.kind == warning.kind) {
            Some((_, more)) => *more += 1,
            None => groups.push((warning, 0)),
        }
    }
    let told = groups.into_iter().map(|(first, more)| match more {
        0 => first.text.clone(),
        more => format!("{} (the same of {more} more)", first.text),
    });
    told.collect()
}

/// Everything that the outputs show.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Version of this structure, as `docs/comparison.schema.json` describes it.
    pub(crate) schema: u32,
    /// The answer in one plain sentence.
    pub conclusion: String,
    /// The verdict on the median; `None` when it is refused or the runs cannot carry one.
    pub verdict: Option<Verdict>,
    /// Why there is no verdict.
    pub(crate) refusal: Option<String>,
    /// The relative change that counts as a difference.
    pub(crate) threshold: f64,
    /// The side compared against.
    pub(crate) baseline: SideSummary,
    /// The side that was changed.
    pub(crate) changed: SideSummary,
    /// Effects over paired runs; `None` unless both sides have the same number, two or more.
    pub blocks: Option<Blocks>,
    /// Each kind of request on its own; empty when there is only one.
    pub(crate) kinds: Vec<Kind>,
    /// In which order the runs were made.
    pub(crate) order: Order,
    /// What time did to the figures, from block to block.
    pub(crate) drift: Drifts,
    /// With one run a side whose order of requests is known: what the variation of requests within the runs tells.
    pub(crate) within_runs: Option<WithinRuns>,
    /// How the distributions differ beyond their medians; `None` when a side has no good reply.
    pub(crate) shape: Option<Shape>,
    /// The article's figures.
    pub per_request: PerRequest,
    /// Relative change of the pooled throughput (in a closed loop without think time the
    /// throughput is users / mean latency, so -30 % in latency *is* +43 % in throughput).
    pub(crate) throughput_change: Option<f64>,
    /// Both distributions as curves.
    pub(crate) curves: Curves,
    /// What makes the figures doubtful, with advice.
    pub warnings: Vec<Warning>,
}

impl Comparison {
    /// What a side is called.
    pub(crate) fn name(&self, side: Side) -> &str {
        match side {
            Side::Baseline => &self.baseline.name,
            Side::Changed => &self.changed.name,
        }
    }
}

#[cfg(test)]
mod tests;
