//! The steps that lead to a comparison.

use crate::compare::curves::{Curves, Shape, curves, shape};
use crate::compare::effects::{WithinRuns, pair, series, within_runs};
use crate::compare::run::{Pooled, Run, RunFigures, Side, SideSummary, pool};
use crate::compare::verdict::{self, Verdict};
use crate::compare::{Comparison, Metric, Options, PerRequest, kinds, notices};
use crate::stats::{
    Bootstrap, Interval, RunPair, Series, hierarchical_mean_change, hierarchical_quantile_changes,
    locust_median, mean, welch,
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
    let quantiles = metrics.into_iter().zip(estimates.into_iter().flatten());
    let mean = hierarchical_mean_change(&pairs, bootstrap);
    quantiles
        .chain(mean.map(|mean| (Metric::Mean, mean)))
        .collect()
}

fn within(
    baseline: &[Run],
    changed: &[Run],
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

/// What fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailOn {
    /// The changed side is slower. A verdict that cannot be given, because there are too few blocks, passes.
    Slower,
    /// The changed side is anything but faster.
    NotFaster,
}

impl FailOn {
    /// Why a comparison fails; `None` when it passes.
    ///
    /// A refused comparison fails under either rule: a build must not turn green because nothing was
    /// measured that could have turned it red.
    pub(crate) fn broken_by(self, comparison: &Comparison) -> Option<String> {
        let Some(verdict) = comparison.verdict else {
            let reason = comparison
                .refusal
                .as_deref()
                .unwrap_or("no reason is known");
            return Some(format!("there is no verdict: {reason}"));
        };
        let is_broken = match self {
            Self::Slower => verdict == Verdict::Slower,
            Self::NotFaster => verdict != Verdict::Faster,
        };
        is_broken.then(|| format!("the verdict is {}", verdict.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Detail, Options, Run, compare};

    fn comparison(factors: &[f64]) -> Comparison {
        let run = |median: f64| {
            let latencies = (0..101).map(|index| median * (0.9 + 0.002 * f64::from(index)));
            Run::new("run".to_owned(), latencies.collect())
        };
        let baseline: Vec<Run> = factors.iter().map(|_| run(6.0)).collect();
        let changed: Vec<Run> = factors.iter().map(|factor| run(6.0 * factor)).collect();
        let options = Options {
            detail: Detail::Verdict,
            ..Options::default()
        };
        compare(&baseline, &changed, &options).unwrap()
    }

    #[test]
    fn each_verdict_under_each_rule() {
        for (factors, name, slower, not_faster) in [
            (
                &[0.7, 0.71, 0.69, 0.7, 0.7, 0.72][..],
                "faster",
                false,
                false,
            ),
            (&[1.3, 1.31, 1.29, 1.3, 1.3, 1.32], "slower", true, true),
            (
                &[1.0, 1.001, 0.999, 1.0, 1.0, 1.0],
                "equivalent",
                false,
                true,
            ),
            (&[0.8, 1.3, 0.9, 1.2, 0.7, 1.1], "inconclusive", false, true),
        ] {
            let comparison = comparison(factors);
            assert_eq!(comparison.verdict.map(Verdict::name), Some(name));
            assert_eq!(FailOn::Slower.broken_by(&comparison).is_some(), slower);
            let reason = FailOn::NotFaster.broken_by(&comparison);
            assert_eq!(reason.is_some(), not_faster);
            assert!(reason.is_none_or(|reason| reason.contains(name)));
        }
    }

    #[test]
    fn nothing_measured_is_no_pass() {
        let refused = comparison(&[0.5]);
        for rule in [FailOn::Slower, FailOn::NotFaster] {
            let reason = rule.broken_by(&refused).unwrap();
            assert!(
                reason.contains("run-to-run variation was not measured"),
                "{reason}"
            );
        }
    }
}
