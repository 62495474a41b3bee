//! The steps that lead to a comparison, and what the steps of recorded latencies hide of it.

use crate::compare::curves::{Curves, Shape, curves, shape};
use crate::compare::effects::{WithinRuns, pair, series, within_runs};
use crate::compare::run::{Pooled, Run, RunFigures, Side, SideSummary, pool, values};
use crate::compare::verdict;
use crate::compare::{Comparison, Detail, Metric, Options, PerRequest, kinds, notices};
use crate::stats::{
    Bootstrap, Interval, RunPair, Series, locust_median, mean, mean_change, quantile_changes, welch,
};

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

/// Version of [`Comparison`]'s JSON; raised when a field changes its meaning or goes.
const SCHEMA: u32 = 3;

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
    let both = [baseline, changed];
    check(both, options)?;
    let names = &options.names;
    let sides = [
        pool(names.of(Side::Baseline), baseline),
        pool(names.of(Side::Changed), changed),
    ];
    let [old, new] = &sides;
    let bootstrap = match options.detail {
        Detail::Full(bootstrap) => Some(bootstrap),
        Detail::Verdict => None,
    };
    let resampled = bootstrap.and_then(|bootstrap| resampled(both, &sides, bootstrap));
    let resampled = resampled.unwrap_or_default();
    let interval = |metric: Metric| {
        let mut found = resampled.iter().filter(|own| own.0 == metric);
        found.next().map(|own| own.1)
    };
    let (threshold, summaries) = (options.threshold, [&old.summary, &new.summary]);
    let mut blocks = pair(&old.summary, &new.summary, threshold, interval);
    let of_runs = kinds::refusal_of_runs(baseline, changed, names);
    let kinds = kinds::compare(both, summaries, threshold, of_runs.as_deref());
    let refusal = of_runs
        .or_else(|| kinds::refusal_of_figures(both, &sides, blocks.as_ref(), threshold))
        .or_else(|| kinds::refusal_of_total(&kinds, names, blocks.as_ref()));
    if let Some(blocks) = blocks.as_mut().filter(|_| refusal.is_some()) {
        blocks.withhold_verdicts();
    }
    let median = blocks
        .as_ref()
        .and_then(|blocks| blocks.effect(Metric::P50));
    let order = notices::order(baseline, changed);
    let drift = notices::drifts(both, summaries, blocks.as_ref(), threshold);
    let single = bootstrap.filter(|_| baseline.len() == 1 && changed.len() == 1);
    let mut comparison = Comparison {
        schema: SCHEMA,
        conclusion: String::new(),
        verdict: median.and_then(|median| median.verdict),
        refusal,
        threshold,
        throughput_change: change(old.summary.pooled.throughput, new.summary.pooled.throughput),
        kinds,
        order,
        drift,
        within_runs: single.and_then(|bootstrap| within(both, &sides, bootstrap)),
        shape: bootstrap.and_then(|bootstrap| pooled_shape(&sides, bootstrap)),
        per_request: per_request(old, new),
        curves: bootstrap.map_or_else(Curves::default, |_| {
            curves(values(old.sorted.as_ref()), values(new.sorted.as_ref()))
        }),
        warnings: Vec::new(),
        blocks,
        baseline: old.summary.clone(),
        changed: new.summary.clone(),
    };
    comparison.warnings = notices::warnings(both, &comparison);
    comparison.conclusion = verdict::conclusion(&comparison);
    Ok(comparison)
}

fn check([baseline, changed]: [&[Run]; 2], options: &Options) -> Result<(), CompareError> {
    for (side, runs) in [(Side::Baseline, baseline), (Side::Changed, changed)] {
        if runs.is_empty() {
            return Err(CompareError::NoRuns(side));
        }
    }
    if !(options.threshold > 0.0 && options.threshold < 1.0) {
        return Err(CompareError::Threshold(options.threshold));
    }
    Ok(())
}

/// The hierarchical bootstrap of the mean and of those quantiles that every run has; nothing without
/// blocks.
fn resampled(
    [baseline, changed]: [&[Run]; 2],
    sides: &[Pooled; 2],
    bootstrap: Bootstrap,
) -> Option<Vec<(Metric, Interval)>> {
    if baseline.len() != changed.len() {
        return None;
    }
    let [old, new] = sides.each_ref().map(|side| &side.summary.runs);
    let every_run_has = |metric: Metric| {
        let mut runs = old.iter().chain(new);
        runs.all(|run| metric.of(&run.figures).is_some())
    };
    let quantiles = Metric::ALL.into_iter().filter_map(|metric| {
        let quantile = metric.quantile().filter(|_| every_run_has(metric))?;
        Some((metric, quantile))
    });
    let (metrics, probabilities): (Vec<Metric>, Vec<f64>) = quantiles.unzip();
    let pairs = (0..baseline.len()).map(|index| {
        Some(RunPair {
            baseline: series(&baseline[index], &old[index].dependence)?,
            changed: series(&changed[index], &new[index].dependence)?,
        })
    });
    let pairs = pairs.collect::<Option<Vec<_>>>()?;
    let quantiles = quantile_changes(&pairs, &probabilities, bootstrap);
    let quantiles = metrics.into_iter().zip(quantiles.into_iter().flatten());
    let mean = mean_change(&pairs, bootstrap).map(|mean| (Metric::Mean, mean));
    Some(quantiles.chain(mean).collect())
}

fn within(
    [baseline, changed]: [&[Run]; 2],
    sides: &[Pooled; 2],
    bootstrap: Bootstrap,
) -> Option<WithinRuns> {
    let [old, new] = sides.each_ref().map(|side| &side.summary);
    let hidden = hidden(Metric::P50, old, new)?;
    Some(within_runs(
        series(&baseline[0], &old.runs[0].dependence)?,
        series(&changed[0], &new.runs[0].dependence)?,
        hidden,
        bootstrap,
    ))
}

fn pooled_shape(sides: &[Pooled; 2], bootstrap: Bootstrap) -> Option<Shape> {
    let [old, new] = sides.each_ref();
    let sorted = [old.sorted.as_ref()?, new.sorted.as_ref()?];
    let step = coarsest([&old.summary, &new.summary]).unwrap_or(0.0);
    Some(shape(
        [pooled_series(old), pooled_series(new)],
        sorted,
        step,
        bootstrap,
    ))
}

/// All runs one after the other, with the longest of their blocks; `None` when the order of the requests of a
/// run is not known.
fn pooled_series(side: &Pooled) -> Option<Series<'_>> {
    let runs = side.summary.runs.iter();
    let lengths: Option<Vec<usize>> = runs.map(|run| run.dependence.block_length).collect();
    Some(Series {
        values: &side.latencies_ms,
        block_length: lengths?.into_iter().max()?,
    })
}

fn per_request(old: &Pooled, new: &Pooled) -> PerRequest {
    PerRequest {
        median_change: change(old.summary.pooled.median_ms, new.summary.pooled.median_ms),
        welch: welch(&old.latencies_ms, &new.latencies_ms),
        locust_median_change: change(
            old.sorted.as_ref().and_then(locust_median),
            new.sorted.as_ref().and_then(locust_median),
        ),
    }
}

fn change(old: Option<f64>, new: Option<f64>) -> Option<f64> {
    let old = old.filter(|value| *value > 0.0)?;
    Some(new? / old - 1.0)
}

// What the steps of recorded latencies hide: a median of whole milliseconds stands for any within a step.
//
// The bounds are those of the worst case (Manski, *Partial Identification of Probability Distributions*,
// 2003, section 1.4): they do not shrink with more requests or blocks, because every block may err to the
// same side.

/// How far the mean log-ratio over the blocks may lie from the truth because of the steps; 0 where there
/// are none. `None` when a figure lies below half a step, so that its ratio may be anything.
pub(super) fn hidden(metric: Metric, baseline: &SideSummary, changed: &SideSummary) -> Option<f64> {
    let pairs = baseline.runs.iter().zip(&changed.runs);
    let blocks: Option<Vec<f64>> = pairs
        .map(|(old, new)| Some(hidden_in(metric, old)?.max(hidden_in(metric, new)?)))
        .collect();
    mean(&blocks?)
}

/// The same for one run.
///
/// With the larger of both sides it bounds the ratio whether values are rounded (up to half a step either
/// way) or cut off (up to a step one way).
fn hidden_in(metric: Metric, run: &RunFigures) -> Option<f64> {
    let Some(step) = run.resolution_ms.filter(|_| metric != Metric::Throughput) else {
        return Some(0.0);
    };
    let (value, half) = (metric.of(&run.figures)?, step / 2.0);
    (value > half).then(|| ((value + half) / (value - half)).ln())
}

/// The coarsest step of the runs' latencies, in milliseconds.
pub(super) fn coarsest(sides: [&SideSummary; 2]) -> Option<f64> {
    let runs = sides.into_iter().flat_map(|side| &side.runs);
    runs.filter_map(|run| run.resolution_ms).reduce(f64::max)
}

/// A step in words: `steps of 1 ms`.
pub(super) fn in_words(step: f64) -> String {
    // Six digits are nanoseconds; more is the rounding of the search for the step.
    format!("steps of {} ms", (step * 1e6).round() / 1e6)
}
