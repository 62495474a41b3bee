//! What the runs tell of the change: the effects over the blocks, in which run i of one side is paired with run i
//! of the other; how far the requests of a run are from being independent; and whether failures forbid a verdict.

use serde::Serialize;

use crate::compare::run::{Pooled, Run, SideSummary};
use crate::compare::verdict::{Verdict, judge};
use crate::compare::{Metric, steps};
use crate::stats::{
    Bootstrap, Interval, PValue, RunPair, Series, SortedSample, TTest, autocorrelation,
    automatic_block_length, effective_sample_size, effective_sample_size_of_quantile, holm,
    log_ratio, mean, paired_interval, paired_t_test, quantile_changes, sign_flip, variance,
    welch_of_batch_means,
};

/// The relative change of one figure, estimated over the blocks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Effect {
    /// The figure.
    pub metric: Metric,
    /// Natural log of changed over baseline, for each block.
    pub(crate) log_ratios: Vec<f64>,
    /// Estimated relative change: -0.3 is 30 % lower.
    pub change: f64,
    /// Lower end of the 95 % interval of the change: Student's t on the log-ratios of the blocks.
    pub low: f64,
    /// Upper end of the 95 % interval of the change.
    pub high: f64,
    /// 95 % interval of the hierarchical block bootstrap, which also resamples the requests of each
    /// run; not for the throughput.
    pub(crate) bootstrap: Option<Interval>,
    /// Exact two-sided sign-flip p-value; `None` above 24 blocks.
    pub(crate) p: Option<PValue>,
    /// The same over all quantiles together (Holm): one of four may be small by chance.
    pub(crate) p_holm: Option<PValue>,
    /// The relative change that the steps of the recorded latencies can hide; both intervals hold it.
    pub(crate) resolution: f64,
    /// What the interval says of this figure alone; `None` when the comparison is refused. Of the
    /// throughput, faster means higher.
    pub(crate) verdict: Option<Verdict>,
}

impl Effect {
    /// Whether its interval settles the matter, one way or the other.
    fn is_decided(&self) -> bool {
        !matches!(self.verdict, None | Some(Verdict::Inconclusive { .. }))
    }
}

/// The effects that the blocks carry.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Blocks {
    /// Number of blocks.
    pub(crate) count: u64,
    /// The figures that every run has.
    pub effects: Vec<Effect>,
}

impl Blocks {
    /// The effect on one figure; `None` when a run lacks it.
    #[must_use]
    pub fn effect(&self, metric: Metric) -> Option<&Effect> {
        self.effects.iter().find(|effect| effect.metric == metric)
    }

    /// Takes the verdicts back: what is refused is refused for each figure.
    pub(super) fn withhold_verdicts(&mut self) {
        for effect in &mut self.effects {
            effect.verdict = None;
        }
    }
}

/// Pairs the runs of both sides; `None` unless both have the same number, two or more.
pub(super) fn pair(
    baseline: &SideSummary,
    changed: &SideSummary,
    threshold: f64,
    bootstrap: impl Fn(Metric) -> Option<Interval>,
) -> Option<Blocks> {
    let count = baseline.runs.len();
    if count < 2 || changed.runs.len() != count {
        return None;
    }
    let effects = Metric::ALL.into_iter().filter_map(|metric| {
        let log_ratios = log_ratios(metric, baseline, changed)?;
        let hidden = steps::hidden(metric, baseline, changed)?;
        let mut effect = effect(metric, log_ratios, hidden, threshold)?;
        effect.bootstrap = bootstrap(metric).map(|found| widened(found, hidden));
        Some(effect)
    });
    let mut effects: Vec<Effect> = effects.collect();
    adjust(&mut effects);
    Some(Blocks {
        count: count as u64,
        effects,
    })
}

fn log_ratios(metric: Metric, baseline: &SideSummary, changed: &SideSummary) -> Option<Vec<f64>> {
    let pairs = baseline.runs.iter().zip(&changed.runs);
    pairs
        .map(|(old, new)| log_ratio(metric.of(&old.figures)?, metric.of(&new.figures)?))
        .collect()
}

/// Widens an interval of a relative change by what the steps of the latencies hide, in logarithms.
pub(super) fn widened(interval: Interval, hidden: f64) -> Interval {
    Interval {
        low: (interval.low.ln_1p() - hidden).exp_m1(),
        high: (interval.high.ln_1p() + hidden).exp_m1(),
        ..interval
    }
}

/// The effect on one figure, whose mean log-ratio may be `hidden` away from the truth.
pub(super) fn effect(
    metric: Metric,
    log_ratios: Vec<f64>,
    hidden: f64,
    threshold: f64,
) -> Option<Effect> {
    let interval = paired_interval(&log_ratios, 0.95)?.widened(hidden);
    let deviation = variance(&log_ratios)?.sqrt();
    let judged = match metric {
        // Judged as a latency, of which less is better.
        Metric::Throughput => Interval {
            estimate: -interval.estimate,
            low: -interval.high,
            high: -interval.low,
        },
        _ => interval,
    };
    let relative = interval.map(f64::exp_m1);
    Some(Effect {
        metric,
        change: relative.estimate,
        low: relative.low,
        high: relative.high,
        bootstrap: None,
        p: sign_flip(&log_ratios),
        p_holm: None,
        resolution: hidden.exp_m1(),
        verdict: Some(judge(
            &judged,
            deviation,
            hidden,
            log_ratios.len() as u64,
            threshold,
        )),
        log_ratios,
    })
}

/// Adjusts the quantiles' p-values for being several. Mean and throughput restate the quantiles.
fn adjust(effects: &mut [Effect]) {
    let quantiles = effects
        .iter_mut()
        .filter(|effect| effect.metric.quantile().is_some());
    let mut quantiles: Vec<&mut Effect> = quantiles.collect();
    let p_values: Option<Vec<PValue>> = quantiles.iter().map(|effect| effect.p).collect();
    let adjusted = p_values.map(|p_values| holm(&p_values)).unwrap_or_default();
    for (effect, p_holm) in quantiles.iter_mut().zip(adjusted) {
        effect.p_holm = Some(p_holm);
    }
}

/// Shortest stretch of time that is resampled as one block: pauses for garbage collection or a
/// flush last up to about as long.
const FLOOR_SECONDS: f64 = 1.0;
/// At least so many blocks must fit into a run, or resampling would draw the run itself.
const FEWEST_BLOCKS: usize = 10;

/// How far the requests of a run are from being independent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Dependence {
    /// Correlation of each latency with the next.
    pub(crate) autocorrelation: Option<f64>,
    /// Number of independent requests that would tell as much about the mean.
    pub(crate) effective_size: Option<f64>,
    /// Number of independent requests that would tell as much about the 99th percentile.
    pub(crate) effective_size_p99: Option<f64>,
    /// Length of the blocks that are resampled, in requests; `None`, like all above, when the order of the
    /// requests is not known.
    pub(crate) block_length: Option<usize>,
}

/// The comparison of two single runs: honest about the requests, blind to what differs from run to run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct WithinRuns {
    /// Welch's t-test on batch means instead of requests.
    pub(crate) batch_mean_welch: Option<TTest>,
    /// Relative change of the median, its interval by a circular block bootstrap.
    pub(crate) median_change: Option<Interval>,
}

/// Measures the dependence within a run.
pub(super) fn dependence(run: &Run) -> Dependence {
    let latencies = &run.latencies_ms;
    if !run.is_ordered {
        return Dependence::default();
    }
    Dependence {
        autocorrelation: autocorrelation(latencies, 1),
        effective_size: effective_sample_size(latencies),
        effective_size_p99: effective_sample_size_of_quantile(latencies, 0.99),
        block_length: Some(block_length(run)),
    }
}

/// The block length by Politis and White, a second of requests at least, a tenth of the run at most.
fn block_length(run: &Run) -> usize {
    let count = run.latencies_ms.len();
    let second = run
        .throughput
        .map_or(1, |rate| (rate * FLOOR_SECONDS).ceil() as usize);
    let automatic = automatic_block_length(&run.latencies_ms, second).unwrap_or(second);
    automatic.min(count / FEWEST_BLOCKS).max(1)
}

/// The requests of a run, to be resampled; `None` when their order is not known.
pub(super) fn series<'a>(run: &'a Run, dependence: &Dependence) -> Option<Series<'a>> {
    Some(Series {
        values: &run.latencies_ms,
        block_length: dependence.block_length?,
    })
}

/// Compares two single runs, in which the steps of the latencies may have hidden this much (see
/// [`crate::compare::steps`]).
pub(super) fn within_runs(
    baseline: Series<'_>,
    changed: Series<'_>,
    hidden: f64,
    bootstrap: Bootstrap,
) -> WithinRuns {
    let pair = RunPair { baseline, changed };
    let changes = quantile_changes(&[pair], &[0.5], bootstrap);
    let median = changes.and_then(|changes| changes.first().copied());
    WithinRuns {
        batch_mean_welch: welch_of_batch_means(baseline.values, changed.values),
        median_change: median.map(|median| widened(median, hidden)),
    }
}

/// Smaller differences of the failure rates move no figure that is compared.
const MATERIAL_DIFFERENCE: f64 = 0.001;
/// Larger differences are refused even if they may be chance.
const LARGE_DIFFERENCE: f64 = 0.03;
/// Significance level: sides that are alike differ as much by chance in 1 % of cases.
const LEVEL: f64 = 0.01;

/// Why the failures forbid a verdict: a closed loop waits out each time-out, so the faster side may only be
/// the one that gave up on more of its slow requests.
///
/// The rates are compared run by run: by Student's paired t-test over the blocks, which takes failures that
/// come in bursts for what they are. The test is blind where bursts differ much in size, so a large
/// difference is refused without it, and so are failures of one side alone in every block. And the verdict
/// has to stand whether the failed requests are left out, or count as slower than all others.
pub(super) fn refusal_by_failures(
    [baseline, changed]: [&[Run]; 2],
    sides: &[Pooled; 2],
    median: &Effect,
    threshold: f64,
) -> Option<String> {
    let [old, new] = sides.each_ref().map(|side| &side.summary);
    let differences: Option<Vec<f64>> = baseline
        .iter()
        .zip(changed)
        .map(|(old, new)| Some(new.failure_rate()? - old.failure_rate()?))
        .collect();
    if let Some(reason) = unequal(&differences?, old, new) {
        return Some(reason);
    }
    let counted = counted_as_slowest(baseline, changed, median, threshold);
    let stands = counted.is_some_and(|counted| counted.verdict == median.verdict);
    (median.is_decided() && !stands).then(|| {
        format!(
            "{} and {} requests failed, and the verdict hangs on them: it does not stand when they count as \
             slower than all others",
            old.pooled.failures, new.pooled.failures
        )
    })
}

fn unequal(differences: &[f64], old: &SideSummary, new: &SideSummary) -> Option<String> {
    // Failures of one side alone, in every block, are no chance.
    let is_of_one_side = (old.pooled.failures == 0 || new.pooled.failures == 0)
        && differences.iter().all(|difference| *difference != 0.0);
    let large = if is_of_one_side {
        MATERIAL_DIFFERENCE
    } else {
        LARGE_DIFFERENCE
    };
    if !differ(differences, MATERIAL_DIFFERENCE, large) {
        return None;
    }
    let p = paired_t_test(differences).map_or_else(String::new, |test| {
        format!(", {} over the blocks", test.p.equation())
    });
    Some(format!(
        "the failure rates differ ({:.2} % on the {} side, {:.2} % on the {} side{p}), so the \
         latencies are not of the same work",
        old.pooled.failure_rate? * 100.0,
        old.name,
        new.pooled.failure_rate? * 100.0,
        new.name
    ))
}

/// Whether shares of requests differ between the sides, given their differences in the blocks: not up to `small`,
/// always above `large`, and in between by Student's paired t-test.
pub(super) fn differ(differences: &[f64], small: f64, large: f64) -> bool {
    let difference = mean(differences).unwrap_or_default().abs();
    // The test knows no p of differences that are all equal.
    let is_constant = variance(differences).is_none_or(|spread| spread <= 0.0);
    let is_significant = paired_t_test(differences).is_some_and(|test| test.p.is_below(LEVEL));
    difference > small && (difference > large || is_constant || is_significant)
}

/// The effect on the median of all requests, the failed ones above the answered.
fn counted_as_slowest(
    baseline: &[Run],
    changed: &[Run],
    median: &Effect,
    threshold: f64,
) -> Option<Effect> {
    if baseline.iter().chain(changed).all(|run| run.failures == 0) {
        return Some(median.clone());
    }
    let ratios: Option<Vec<f64>> = baseline
        .iter()
        .zip(changed)
        .map(|(old, new)| log_ratio(median_of_all(old)?, median_of_all(new)?))
        .collect();
    effect(Metric::P50, ratios?, median.resolution.ln_1p(), threshold)
}

fn median_of_all(run: &Run) -> Option<f64> {
    let sorted = SortedSample::new(&run.latencies_ms)?;
    let middle = (sorted.count() as u64 + run.failures - 1) / 2;
    sorted.values().get(middle as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_is_the_geometric_mean_of_the_ratios() {
        let effect = effect(Metric::P50, vec![0.7_f64.ln(), 0.8_f64.ln()], 0.0, 0.02).unwrap();
        assert!((effect.change - (0.56_f64.sqrt() - 1.0)).abs() < 1e-12);
        assert!(effect.low < effect.change && effect.change < effect.high);
    }

    #[test]
    fn more_throughput_is_faster() {
        let ratios = vec![0.3, 0.31, 0.29, 0.3, 0.3, 0.3];
        let verdict = |metric| effect(metric, ratios.clone(), 0.0, 0.02).unwrap().verdict;
        assert_eq!(verdict(Metric::Throughput), Some(Verdict::Faster));
        assert_eq!(verdict(Metric::P99), Some(Verdict::Slower));
    }

    #[test]
    fn a_zero_has_no_ratio() {
        assert_eq!(log_ratio(0.0, 1.0), None);
    }

    #[test]
    fn several_quantiles_are_adjusted_together() {
        let ratios = vec![-0.3; 6];
        let mut effects: Vec<Effect> = [Metric::P50, Metric::P95, Metric::Mean]
            .into_iter()
            .map(|metric| effect(metric, ratios.clone(), 0.0, 0.02).unwrap())
            .collect();
        adjust(&mut effects);
        let p = |effect: &Effect| effect.p_holm.map(|p| p.value().unwrap());
        assert_eq!(p(&effects[0]), Some(2.0 * 2.0 / 64.0));
        assert_eq!(p(&effects[2]), None);
    }
}
