//! The comparison as plain data, and the steps that lead to it.

use serde::Serialize;

use super::blocks::{Blocks, log_interval, pair};
use super::summary::{Run, Side, SideSummary, pooled_latencies, summarise};
use super::verdict::{Verdict, judge};
use super::wording;
use crate::stats::{SharedHistogram, Welch, shared_histogram, welch};

/// Bins of the overlay histogram.
const HISTOGRAM_BINS: usize = 120;

/// Failure rates further apart than this forbid a verdict: a closed loop waits out each time-out,
/// so the faster side may only be the one that gave up on more of its slow requests.
const MATERIAL_FAILURE_DIFFERENCE: f64 = 0.001;

/// How to compare.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// The relative change that matters in practice; 0.02 is 2 %.
    pub threshold: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { threshold: 0.02 }
    }
}

/// Why two sets of runs cannot be compared at all.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum CompareError {
    /// One side has no run.
    #[error("the {0} side has no run; name at least one file for each side")]
    NoRuns(Side),
    /// The threshold is not a share.
    #[error("the threshold must lie above 0 % and below 100 %, not at {0}")]
    Threshold(f64),
}

/// The three figures of the seed's article, over all requests of each side.
///
/// They take every request as independent evidence, which it is not; see the module's docs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parity {
    /// Relative change of the pooled median.
    pub median_change: Option<f64>,
    /// Welch's t-test of the baseline's requests against the changed side's.
    pub welch: Option<Welch>,
    /// Overlay histogram of both sides on one binning, in milliseconds.
    pub histogram: Option<SharedHistogram>,
}

/// Everything that the outputs show.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The answer in one plain sentence.
    pub conclusion: String,
    /// The verdict; `None` when it is refused or the runs cannot carry one.
    pub verdict: Option<Verdict>,
    /// Why there is no verdict.
    pub refusal: Option<String>,
    /// The relative change that counts as a difference.
    pub threshold: f64,
    /// The side compared against.
    pub baseline: SideSummary,
    /// The side that was changed.
    pub changed: SideSummary,
    /// The seed's three figures.
    pub parity: Parity,
    /// Effects over paired runs; `None` unless both sides have the same number, two or more.
    pub blocks: Option<Blocks>,
    /// Relative change of the pooled throughput (in a closed loop without think time the
    /// throughput is users / mean latency, so -30 % in latency *is* +43 % in throughput).
    pub throughput_change: Option<f64>,
    /// What makes the figures doubtful, with advice.
    pub warnings: Vec<String>,
}

/// Compares the runs of two sides. Run i of one side is paired with run i of the other.
///
/// # Errors
///
/// When a side has no run, or the threshold is not a share between 0 and 1.
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
    if !(options.threshold > 0.0 && options.threshold < 1.0) {
        return Err(CompareError::Threshold(options.threshold));
    }
    let warnings = wording::warnings(baseline, changed);
    let parity = parity(baseline, changed);
    let (baseline, changed) = (summarise(baseline), summarise(changed));
    let blocks = pair(&baseline, &changed);
    let refusal = refusal(&baseline, &changed, blocks.as_ref());
    let verdict = match refusal {
        Some(_) => None,
        None => verdict(blocks.as_ref(), options.threshold),
    };
    let mut comparison = Comparison {
        conclusion: String::new(),
        verdict,
        refusal,
        threshold: options.threshold,
        throughput_change: change(baseline.pooled.throughput, changed.pooled.throughput),
        baseline,
        changed,
        parity,
        blocks,
        warnings,
    };
    comparison.conclusion = wording::conclusion(&comparison);
    Ok(comparison)
}

fn parity(baseline: &[Run], changed: &[Run]) -> Parity {
    let (old, new) = (pooled_latencies(baseline), pooled_latencies(changed));
    Parity {
        median_change: change(
            crate::stats::quantile(&old, 0.5),
            crate::stats::quantile(&new, 0.5),
        ),
        welch: welch(&old, &new),
        histogram: shared_histogram(&old, &new, HISTOGRAM_BINS),
    }
}

fn change(old: Option<f64>, new: Option<f64>) -> Option<f64> {
    let old = old.filter(|value| *value > 0.0)?;
    Some(new? / old - 1.0)
}

fn verdict(blocks: Option<&Blocks>, threshold: f64) -> Option<Verdict> {
    let effect = blocks?.median.as_ref()?;
    let (interval, deviation) = log_interval(&effect.log_ratios)?;
    Some(judge(&interval, deviation, blocks?.count, threshold))
}

/// Why no verdict may be given, the gravest reason first.
fn refusal(
    baseline: &SideSummary,
    changed: &SideSummary,
    blocks: Option<&Blocks>,
) -> Option<String> {
    for (side, summary) in [(Side::Baseline, baseline), (Side::Changed, changed)] {
        if let Some(run) = summary.runs.iter().find(|run| run.figures.count == 0) {
            return Some(format!(
                "run {} of the {side} side has no ok reply",
                run.label
            ));
        }
    }
    let rates = (baseline.pooled.failure_rate?, changed.pooled.failure_rate?);
    if (rates.0 - rates.1).abs() > MATERIAL_FAILURE_DIFFERENCE {
        return Some(wording::unequal_failures(rates.0, rates.1));
    }
    if blocks.is_none() {
        return Some(wording::no_blocks(baseline.runs.len(), changed.runs.len()));
    }
    None
}
