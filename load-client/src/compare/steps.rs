//! The steps that lead to a comparison.

use super::comparison::{Comparison, PerRequest};
use super::curves::{Curves, curves};
use super::effects::pair;
use super::metric::Metric;
use super::options::Options;
use super::run::Run;
use super::shape::{Shape, shape};
use super::summary::{Pooled, Side, pool};
use super::within::{WithinRuns, series, within_runs};
use super::{kinds, notices, order, refusal, resolution, wording};
use crate::stats::{
    Bootstrap, Interval, RunPair, Series, hierarchical_mean_change, hierarchical_quantile_changes,
    locust_median, welch,
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
    for (side, runs) in [(Side::Baseline, baseline), (Side::Changed, changed)] {
        if runs.is_empty() {
            return Err(CompareError::NoRuns(side));
        }
    }
    if !(options.threshold > 0.0 && options.threshold < 1.0) {
        return Err(CompareError::Threshold(options.threshold));
    }
    let sides = [pool(baseline), pool(changed)];
    let [old, new] = &sides;
    let bootstrap = options.bootstrap();
    let resampled = bootstrap.map_or_else(Vec::new, |bootstrap| {
        resampled(baseline, changed, &sides, bootstrap)
    });
    let interval = |metric: Metric| {
        resampled
            .iter()
            .find(|own| own.0 == metric)
            .map(|own| own.1)
    };
    let (threshold, summaries) = (options.threshold, [&old.summary, &new.summary]);
    let mut blocks = pair(&old.summary, &new.summary, threshold, interval);
    let of_runs = refusal::of_runs(baseline, changed);
    let kinds = kinds::compare(baseline, changed, threshold, of_runs.as_deref());
    let refusal = of_runs
        .or_else(|| refusal::of_figures([baseline, changed], &sides, blocks.as_ref(), threshold))
        .or_else(|| kinds::refusal_of_total(&kinds, blocks.as_ref()));
    if let Some(blocks) = blocks.as_mut().filter(|_| refusal.is_some()) {
        blocks.withhold_verdicts();
    }
    let median = blocks
        .as_ref()
        .and_then(|blocks| blocks.effect(Metric::P50));
    let order = order::order(baseline, changed);
    let drift = order::drifts([baseline, changed], summaries, blocks.as_ref(), threshold);
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
        within_runs: single.and_then(|bootstrap| within(baseline, changed, &sides, bootstrap)),
        shape: bootstrap.and_then(|bootstrap| pooled_shape(&sides, bootstrap)),
        per_request: per_request(old, new),
        curves: bootstrap.map_or_else(Curves::default, |_| pooled_curves(&sides)),
        warnings: Vec::new(),
        blocks,
        baseline: old.summary.clone(),
        changed: new.summary.clone(),
    };
    comparison.warnings = notices::warnings(baseline, changed, &comparison);
    comparison.conclusion = wording::conclusion(&comparison);
    Ok(comparison)
}

/// The hierarchical bootstrap of the mean and of those quantiles that every run has; nothing without
/// blocks.
fn resampled(
    baseline: &[Run],
    changed: &[Run],
    sides: &[Pooled; 2],
    bootstrap: Bootstrap,
) -> Vec<(Metric, Interval)> {
    if baseline.len() < 2 || baseline.len() != changed.len() {
        return Vec::new();
    }
    let [old, new] = sides.each_ref().map(|side| &side.summary.runs);
    let runs = || old.iter().chain(new);
    let told = |metric: &Metric| {
        metric.quantile().is_some() && runs().all(|run| metric.of(&run.figures).is_some())
    };
    let metrics: Vec<Metric> = Metric::ALL.into_iter().filter(told).collect();
    let probabilities: Vec<f64> = metrics
        .iter()
        .filter_map(|metric| metric.quantile())
        .collect();
    let pairs: Option<Vec<RunPair<'_>>> = (0..baseline.len())
        .map(|index| {
            Some(RunPair {
                baseline: series(&baseline[index], &old[index].dependence)?,
                changed: series(&changed[index], &new[index].dependence)?,
            })
        })
        .collect();
    let Some(pairs) = pairs else {
        return Vec::new();
    };
    let estimates = hierarchical_quantile_changes(&pairs, &probabilities, bootstrap);
    let intervals = estimates
        .into_iter()
        .flatten()
        .map(|estimate| estimate.interval);
    let mean = hierarchical_mean_change(&pairs, bootstrap);
    let mean = mean.map(|estimate| (Metric::Mean, estimate.interval));
    metrics.into_iter().zip(intervals).chain(mean).collect()
}

fn within(
    baseline: &[Run],
    changed: &[Run],
    sides: &[Pooled; 2],
    bootstrap: Bootstrap,
) -> Option<WithinRuns> {
    let [old, new] = sides.each_ref().map(|side| &side.summary);
    let hidden = resolution::hidden(Metric::P50, old, new)?;
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
    let step = resolution::coarsest([&old.summary, &new.summary]).unwrap_or(0.0);
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

fn pooled_curves(sides: &[Pooled; 2]) -> Curves {
    let [old, new] = sides.each_ref().map(|side| {
        side.sorted
            .as_ref()
            .map_or(&[][..], |sorted| sorted.values())
    });
    curves(old, new)
}

fn per_request(old: &Pooled, new: &Pooled) -> PerRequest {
    PerRequest {
        median_change: change(old.summary.pooled.median_ms, new.summary.pooled.median_ms),
        welch: welch(&old.latencies_ms, &new.latencies_ms),
        locust_median_change: change(
            locust_median(&old.latencies_ms),
            locust_median(&new.latencies_ms),
        ),
    }
}

fn change(old: Option<f64>, new: Option<f64>) -> Option<f64> {
    let old = old.filter(|value| *value > 0.0)?;
    Some(new? / old - 1.0)
}
