//! The steps that lead to a comparison.

use super::comparison::{Comparison, Parity};
use super::curves::{Curves, curves};
use super::effects::pair;
use super::metric::Metric;
use super::options::Options;
use super::refusal::refusal;
use super::run::Run;
use super::shape::{Shape, shape};
use super::summary::{Pooled, Side, SideSummary, pool};
use super::within::{WithinRuns, series, within_runs};
use super::{notices, wording};
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
const SCHEMA: u32 = 1;

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
    let blocks = pair(&old.summary, &new.summary, options.threshold, interval);
    let refusal = refusal(baseline, changed, &sides, blocks.as_ref());
    let verdict = match refusal {
        Some(_) => None,
        None => blocks
            .as_ref()
            .and_then(|blocks| Some(blocks.effect(Metric::P50)?.verdict)),
    };
    let single = bootstrap.filter(|_| baseline.len() == 1 && changed.len() == 1);
    let mut comparison = Comparison {
        schema: SCHEMA,
        conclusion: String::new(),
        verdict,
        refusal,
        threshold: options.threshold,
        throughput_change: change(old.summary.pooled.throughput, new.summary.pooled.throughput),
        within_runs: single.map(|bootstrap| within(baseline, changed, &sides, bootstrap)),
        shape: bootstrap.and_then(|bootstrap| pooled_shape(&sides, bootstrap)),
        parity: parity(old, new),
        curves: bootstrap.map_or_else(Curves::default, |_| pooled_curves(&sides)),
        warnings: notices::warnings(baseline, changed, blocks.as_ref()),
        blocks,
        baseline: old.summary.clone(),
        changed: new.summary.clone(),
    };
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
    let pairs: Vec<RunPair<'_>> = (0..baseline.len())
        .map(|index| RunPair {
            baseline: series(&baseline[index], &old[index].dependence),
            changed: series(&changed[index], &new[index].dependence),
        })
        .collect();
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
) -> WithinRuns {
    let [old, new] = sides
        .each_ref()
        .map(|side| &side.summary.runs[0].dependence);
    within_runs(
        series(&baseline[0], old),
        series(&changed[0], new),
        bootstrap,
    )
}

fn pooled_shape(sides: &[Pooled; 2], bootstrap: Bootstrap) -> Option<Shape> {
    let series = sides.each_ref().map(|side| Series {
        values: &side.latencies_ms,
        block_length: longest_block(&side.summary),
    });
    let [baseline, changed] = sides;
    let sorted = [baseline.sorted.as_ref()?, changed.sorted.as_ref()?];
    Some(shape(series, sorted, bootstrap))
}

fn longest_block(side: &SideSummary) -> usize {
    let lengths = side.runs.iter().map(|run| run.dependence.block_length);
    lengths.max().unwrap_or(1)
}

fn pooled_curves(sides: &[Pooled; 2]) -> Curves {
    let [old, new] = sides.each_ref().map(|side| {
        side.sorted
            .as_ref()
            .map_or(&[][..], |sorted| sorted.values())
    });
    curves(old, new)
}

fn parity(old: &Pooled, new: &Pooled) -> Parity {
    Parity {
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
