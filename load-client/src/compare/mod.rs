//! Compares two sets of runs: did it get faster, by how much, how sure?
//!
//! The unit is a run, not a request. The requests of one run share the state of the machine, so hundreds of thousands
//! of them can prove a difference between two *runs*, never between two *systems*. Runs are therefore paired in blocks.
//! Each block gives one log-ratio, and the interval over the blocks decides the verdict. The figures of the article
//! (median change, Welch's t over all requests, histograms) stand beside it.
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
mod fail_on;
mod kinds;
mod notices;
mod read;
mod rule;
mod run;
mod sides;
pub(crate) mod tables;
mod verdict;

use serde::Serialize;

use self::curves::{Curves, Shape, curves, shape};
use self::effects::{WithinRuns, pair, resample, within_runs};
use self::kinds::{refusal_of_figures, refusal_of_runs, refusal_of_total, settle};
use self::notices::{Drifts, Order};
use self::rule::{Rule, Sequence};
use self::sides::{Figures, Pooled, Sides};
use crate::stats::{Bootstrap, TTest, locust_median, welch};

pub use effects::{Blocks, Effect};
pub use fail_on::FailOn;
pub use read::{ReadError, read_run};
pub use rule::verdict_on;
pub use run::{NameError, Names, Run};
pub use verdict::{Verdict, percent};

// internal: what the reports and the command show
pub(crate) use curves::CurvePoint;
pub(crate) use kinds::Kind;
pub(crate) use read::summary_beside;
pub(crate) use rule::Look;
pub(crate) use run::{Side, TimeBin, side_name};
pub(crate) use sides::{RunFigures, SideSummary};

/// The options of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The relative change that matters in practice; 0.02 is 2 %.
    pub threshold: f64,
    /// Whether the comparison looks after each block, to end as soon as the blocks decide. The intervals are then those
    /// of a confidence sequence: they are wider, and they hold for all looks together.
    pub is_sequential: bool,
    /// How many sides are compared with the same baseline. Their intervals hold together: each side gets its share of
    /// the error (Bonferroni).
    pub comparisons: u32,
    /// How much to compute besides the verdict.
    pub detail: Detail,
    /// The names of the sides in sentences, tables and charts.
    pub names: Names,
}

impl Options {
    fn rule(&self) -> Rule {
        Rule {
            threshold: self.threshold,
            is_sequential: self.is_sequential,
            comparisons: self.comparisons.max(1),
        }
    }
}

/// How much to compute besides the verdict.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Detail {
    /// Everything, with intervals by this bootstrap.
    Full(Bootstrap),
    /// Only the effects over the blocks and their verdict: no resampling, no statistics of whole distributions, no
    /// curves. This is for callers that compare thousands of times.
    Verdict,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threshold: 0.02,
            is_sequential: false,
            comparisons: 1,
            detail: Detail::Full(Bootstrap::default()),
            names: Names::default(),
        }
    }
}

/// A figure of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Median round-trip time, the figure of the verdict.
    P50,
    /// The 90th percentile of the round-trip times.
    P90,
    /// The 95th.
    P95,
    /// The 99th.
    P99,
    /// Mean round-trip time.
    Mean,
    /// Good replies per second.
    Throughput,
}

impl Metric {
    /// All metrics, in the order of the tables.
    pub(crate) const ALL: [Self; 6] = [
        Self::P50,
        Self::P90,
        Self::P95,
        Self::P99,
        Self::Mean,
        Self::Throughput,
    ];

    /// Returns its name in tables, and its quantile if it is one.
    fn facts(self) -> (&'static str, Option<f64>) {
        match self {
            Self::P50 => ("median", Some(0.5)),
            Self::P90 => ("p90", Some(0.9)),
            Self::P95 => ("p95", Some(0.95)),
            Self::P99 => ("p99", Some(0.99)),
            Self::Mean => ("mean", None),
            Self::Throughput => ("throughput", None),
        }
    }

    /// Returns its quantile, if it is one.
    pub(crate) fn quantile(self) -> Option<f64> {
        self.facts().1
    }

    /// Returns its name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.facts().0
    }

    /// Returns the metric from a run's figures, `None` where the run does not have it.
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

/// The figures of the article, over all requests of each side.
///
/// They treat every request as independent evidence, which it is not. See the module's docs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PerRequest {
    /// Relative change of the pooled median.
    pub(crate) median_change: Option<f64>,
    /// Welch's t-test of the baseline's requests against the changed side's.
    pub welch: Option<TTest>,
    /// Relative change of the median as Locust rounds it: to whole milliseconds below 100 ms.
    pub(crate) locust_median_change: Option<f64>,
}

/// A reason to doubt the figures of a comparison, with advice.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Warning {
    /// Warnings of the same kind say the same about several runs.
    #[serde(skip)]
    kind: String,
    /// The text of the warning, one sentence.
    pub text: String,
}

impl Warning {
    fn new(kind: impl Into<String>, text: String) -> Self {
        let kind = kind.into();
        Self { kind, text }
    }
}

impl From<String> for Warning {
    /// Makes a warning that is not grouped with others.
    fn from(text: String) -> Self {
        Self::new(text.clone(), text)
    }
}

/// Returns each kind of warning once: the first of its kind, with the number of the others.
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
        more => format!("{} (and {more} more like this)", first.text),
    });
    told.collect()
}

/// The result of a comparison: everything that the outputs show.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Version of this structure, as `docs/comparison.schema.json` describes it.
    pub(crate) schema: u32,
    /// The answer in one plain sentence.
    pub conclusion: String,
    /// The verdict on the median. `None` when it is refused or the runs allow none.
    pub verdict: Option<Verdict>,
    /// Why there is no verdict.
    pub(crate) refusal: Option<String>,
    /// The relative change that counts as a difference.
    pub(crate) threshold: f64,
    /// How many sides are compared with this baseline.
    pub(crate) comparisons: u32,
    /// The looks after each block. `None` when the comparison looks once.
    pub(crate) sequence: Option<Sequence>,
    pub(crate) baseline: SideSummary,
    pub(crate) changed: SideSummary,
    /// Effects over paired runs. `None` unless both sides have the same number of runs, two or more.
    pub blocks: Option<Blocks>,
    /// Each kind of request on its own. Empty when there is only one.
    pub(crate) kinds: Vec<Kind>,
    pub(crate) order: Order,
    /// The drift of the figures from block to block.
    pub(crate) drift: Drifts,
    /// The comparison by the variation of requests within the runs, for one run on each side with a known order of
    /// requests. `None` also when a run has no good reply, or a median below half of the step of its latencies.
    pub(crate) within_runs: Option<WithinRuns>,
    /// How the distributions differ beyond their medians. `None` when a side has no good reply.
    pub(crate) shape: Option<Shape>,
    /// The article's figures.
    pub per_request: PerRequest,
    /// Relative change of the pooled throughput. In a closed loop without think time the throughput is users / mean
    /// latency, so -30 % in latency *is* +43 % in throughput.
    pub(crate) throughput_change: Option<f64>,
    pub(crate) curves: Curves,
    /// The reasons to doubt the figures, with advice.
    pub warnings: Vec<Warning>,
}

impl Comparison {
    pub(crate) fn sides(&self) -> [&SideSummary; 2] {
        [&self.baseline, &self.changed]
    }

    fn rule(&self) -> Rule {
        Rule {
            threshold: self.threshold,
            is_sequential: self.sequence.is_some(),
            comparisons: self.comparisons,
        }
    }

    /// Returns the name of its intervals.
    pub(crate) fn interval_name(&self) -> String {
        let together = match self.comparisons {
            1 => "",
            _ => " of all changes together",
        };
        let looked = match self.sequence {
            Some(_) => ", looked at after each block",
            None => "",
        };
        format!("95 % interval{together}{looked}")
    }

    /// Returns the names of the sides.
    pub(crate) fn names(&self) -> [&str; 2] {
        self.sides().map(|side| side.name.as_str())
    }
}

/// The reason why two sets of runs cannot be compared at all.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum CompareError {
    /// One side has no run.
    #[error("the {0} side has no run; name at least one file for each side")]
    NoRuns(Side),
    /// The threshold is not a share.
    #[error("the threshold must be above 0 % and below 100 %, not {0}")]
    Threshold(f64),
}

/// Version of [`Comparison`]'s JSON. It rises when a field changes its meaning or is removed.
const SCHEMA: u32 = 3;

/// Compares the runs of two sides. Run i of one side is paired with run i of the other.
///
/// # Errors
///
/// Returns an error when a side has no run, or the threshold is not a share between 0 and 1.
pub fn compare(
    baseline: &[Run],
    changed: &[Run],
    options: &Options,
) -> Result<Comparison, CompareError> {
    for (side, runs) in [(Side::Baseline, baseline), (Side::Changed, changed)] {
        if runs.is_empty() {
            return Err(CompareError::NoRuns(side));
        }
    }
    let threshold = options.threshold;
    if !(threshold > 0.0 && threshold < 1.0) {
        return Err(CompareError::Threshold(threshold));
    }
    let names = options.names.both();
    let sides = Sides::new(names, baseline, changed);
    let bootstrap = match options.detail {
        Detail::Full(bootstrap) => Some(bootstrap),
        Detail::Verdict => None,
    };
    let rule = options.rule();
    let mut blocks = pair(&sides, rule);
    // The bootstrap's intervals hold for one look only.
    let once = bootstrap.filter(|_| !rule.is_sequential);
    if let (Some(blocks), Some(bootstrap)) = (&mut blocks, once) {
        resample(blocks, &sides, bootstrap);
    }
    let of_runs = refusal_of_runs(&sides);
    let kinds = kinds::compare(&sides, rule, of_runs.as_deref());
    let refusal = of_runs
        .or_else(|| refusal_of_figures(&sides, blocks.as_ref(), rule))
        .or_else(|| refusal_of_total(&kinds, names, blocks.as_ref()));
    let mut comparison = Comparison {
        schema: SCHEMA,
        conclusion: String::new(),
        verdict: settle(&mut blocks, refusal.as_deref()),
        refusal,
        threshold,
        comparisons: rule.comparisons,
        sequence: Sequence::of(rule, blocks.as_ref()),
        throughput_change: change(sides.summaries().map(|side| side.pooled.throughput)),
        kinds,
        order: notices::order(&sides),
        drift: notices::drifts(&sides, blocks.as_ref(), threshold),
        within_runs: bootstrap.and_then(|bootstrap| within_runs(&sides, bootstrap)),
        shape: bootstrap.and_then(|bootstrap| shape(&sides, bootstrap)),
        per_request: per_request(&sides),
        curves: bootstrap.map_or_else(Curves::default, |_| {
            let [old, new] = sides.both().map(Pooled::ascending);
            curves(old, new)
        }),
        warnings: Vec::new(),
        blocks,
        baseline: sides.baseline.summary.clone(),
        changed: sides.changed.summary.clone(),
    };
    comparison.warnings = notices::warnings(&sides, &comparison);
    comparison.conclusion = verdict::conclusion(&comparison);
    Ok(comparison)
}

fn per_request(sides: &Sides<'_>) -> PerRequest {
    PerRequest {
        median_change: change(sides.summaries().map(|side| side.pooled.median_ms)),
        welch: welch(&sides.baseline.latencies_ms, &sides.changed.latencies_ms),
        locust_median_change: change(
            sides
                .both()
                .map(|side| locust_median(side.sorted.as_ref()?)),
        ),
    }
}

/// Returns the relative change, `None` where the old figure is not above zero.
fn change([old, new]: [Option<f64>; 2]) -> Option<f64> {
    let old = old.filter(|value| *value > 0.0)?;
    Some(new? / old - 1.0)
}

#[cfg(test)]
mod tests;
