//! The effect of the change over the blocks, in which run i of one side is paired with run i of the other; the
//! comparison of two single runs; and whether failures forbid a verdict.

use serde::Serialize;

use crate::compare::Metric;
use crate::compare::rule::Rule;
use crate::compare::run::{Run, widened};
use crate::compare::sides::{RunFigures, Sides, hidden};
use crate::compare::verdict::Verdict;
use crate::stats::{
    Bootstrap, Interval, PValue, SortedSample, TTest, holm, log_ratio, mean, mean_change,
    paired_t_test, quantile_changes, sign_flip, variance, welch_of_batch_means,
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
    /// Lower end of the 95 % interval of the change: Student's t on the log-ratios of the blocks, or a confidence
    /// sequence when the comparison looks after each block.
    pub low: f64,
    /// Upper end of the 95 % interval of the change.
    pub high: f64,
    /// 95 % interval of the hierarchical block bootstrap, which also resamples the requests of each run. `None` for the
    /// throughput.
    pub(crate) bootstrap: Option<Interval>,
    /// Exact two-sided sign-flip p-value. `None` above 24 blocks, and when the comparison looks after each block.
    pub(crate) p: Option<PValue>,
    /// The p-value adjusted for all quantiles together (Holm), because one of four may be small by chance.
    pub(crate) p_holm: Option<PValue>,
    /// The relative change that the steps of the recorded latencies can hide. Both intervals include it.
    pub(crate) resolution: f64,
    /// The verdict of the interval on this figure alone. `None` when the comparison is refused. A higher throughput
    /// counts as faster.
    pub(crate) verdict: Option<Verdict>,
}

/// The effects over the blocks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Blocks {
    /// Number of blocks.
    pub(crate) count: u64,
    /// The effects on the figures that every run has.
    pub effects: Vec<Effect>,
}

impl Blocks {
    /// Returns the effect on one figure, `None` when a run lacks the figure.
    #[must_use]
    pub fn effect(&self, metric: Metric) -> Option<&Effect> {
        self.effects.iter().find(|effect| effect.metric == metric)
    }
}

/// Pairs the runs of both sides. Returns `None` unless both sides have the same number of runs, two or more.
pub(super) fn pair(sides: &Sides<'_>, rule: Rule) -> Option<Blocks> {
    let count = sides.count().filter(|count| *count >= 2)?;
    let effects = Metric::ALL.into_iter().filter_map(|metric| {
        let log_ratio = |[old, new]: [&RunFigures; 2]| {
            log_ratio(metric.of(&old.figures)?, metric.of(&new.figures)?)
        };
        let log_ratios = sides.blocks().map(log_ratio).collect::<Option<_>>()?;
        effect(metric, log_ratios, hidden(metric, sides)?, rule)
    });
    let mut effects: Vec<Effect> = effects.collect();
    adjust(&mut effects);
    Some(Blocks {
        count: count as u64,
        effects,
    })
}

/// Computes the effect on one figure. Steps of the latencies move its mean log-ratio by at most `hidden`.
pub(super) fn effect(
    metric: Metric,
    log_ratios: Vec<f64>,
    hidden: f64,
    rule: Rule,
) -> Option<Effect> {
    let (interval, verdict) = rule.judge(metric, &log_ratios, hidden)?;
    // This p-value holds for one look only.
    let p = (!rule.is_sequential).then(|| sign_flip(&log_ratios));
    let relative = interval.map(f64::exp_m1);
    Some(Effect {
        metric,
        change: relative.estimate,
        low: relative.low,
        high: relative.high,
        bootstrap: None,
        p: p.flatten(),
        p_holm: None,
        resolution: hidden.exp_m1(),
        verdict: Some(verdict),
        log_ratios,
    })
}

/// Adjusts the p-values of the quantiles for their number. Mean and throughput only restate the quantiles.
fn adjust(effects: &mut [Effect]) {
    let quantiles = effects.iter_mut();
    let quantiles = quantiles.filter(|effect| effect.metric.quantile().is_some());
    let mut quantiles: Vec<&mut Effect> = quantiles.collect();
    let p_values: Option<Vec<PValue>> = quantiles.iter().map(|effect| effect.p).collect();
    let adjusted = p_values.map(|p_values| holm(&p_values)).unwrap_or_default();
    for (effect, p_holm) in quantiles.iter_mut().zip(adjusted) {
        effect.p_holm = Some(p_holm);
    }
}

/// Adds the intervals of the hierarchical bootstrap to the effects on the quantiles and on the mean, if the files show
/// the order of the requests.
pub(super) fn resample(blocks: &mut Blocks, sides: &Sides<'_>, bootstrap: Bootstrap) {
    let Some(pairs) = sides.pairs() else { return };
    let metrics = blocks.effects.iter().map(|effect| effect.metric);
    let probabilities: Vec<f64> = metrics.filter_map(Metric::quantile).collect();
    let quantiles = quantile_changes(&pairs, &probabilities, bootstrap);
    let mut quantiles = quantiles.into_iter().flatten();
    for effect in &mut blocks.effects {
        let found = match effect.metric {
            Metric::Throughput => None,
            Metric::Mean => mean_change(&pairs, bootstrap),
            _ => quantiles.next(),
        };
        effect.bootstrap = found.map(|found| widened(found, effect.resolution.ln_1p()));
    }
}

/// The comparison of two single runs. It includes the variation of the requests, but not the variation from run to run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct WithinRuns {
    /// Welch's t-test on batch means instead of requests.
    pub(crate) batch_mean_welch: Option<TTest>,
    /// Relative change of the median, with an interval by a circular block bootstrap.
    pub(crate) median_change: Option<Interval>,
}

/// Compares two single runs. Returns `None` for more runs, and when the order of the requests is not known.
pub(super) fn within_runs(sides: &Sides<'_>, bootstrap: Bootstrap) -> Option<WithinRuns> {
    let pairs = sides.pairs().filter(|pairs| pairs.len() == 1)?;
    let hidden = hidden(Metric::P50, sides)?;
    let median = quantile_changes(&pairs, &[0.5], bootstrap);
    let median = median.and_then(|changes| changes.first().copied());
    Some(WithinRuns {
        batch_mean_welch: welch_of_batch_means(pairs[0].baseline.values, pairs[0].changed.values),
        median_change: median.map(|median| widened(median, hidden)),
    })
}

/// Smaller differences of the failure rates change no figure that is compared.
const MATERIAL_DIFFERENCE: f64 = 0.001;
/// Larger differences are refused even if they may be chance.
const LARGE_DIFFERENCE: f64 = 0.03;
/// Significance level: sides that are alike differ this much by chance in 1 % of cases.
const LEVEL: f64 = 0.01;

/// Returns the reason if the failures forbid a verdict. A closed loop waits for each time-out, so the faster side may
/// only have given up on more of its slow requests.
///
/// Student's paired t-test over the blocks compares the failure rates run by run, so a burst of failures counts as one
/// event. The test misses bursts that differ much in size. A large difference is therefore refused without the test,
/// and so are failures of one side alone in every block. The verdict must also be the same whether the failed requests
/// are left out or count as the slowest requests.
pub(super) fn refusal_by_failures(
    sides: &Sides<'_>,
    median: &Effect,
    rule: Rule,
) -> Option<String> {
    let difference =
        |[old, new]: [&RunFigures; 2]| Some(new.figures.failure_rate? - old.figures.failure_rate?);
    let differences: Option<Vec<f64>> = sides.blocks().map(difference).collect();
    if let Some(reason) = unequal(&differences?, sides) {
        return Some(reason);
    }
    let [old, new] = sides.summaries().map(|side| side.pooled.failures);
    let is_decided = !matches!(median.verdict, None | Some(Verdict::Inconclusive { .. }));
    if old + new == 0 || !is_decided {
        return None;
    }
    let counted = counted_as_slowest(sides, median.resolution.ln_1p(), rule);
    let stands = counted.is_some_and(|counted| counted.verdict == median.verdict);
    (!stands).then(|| {
        format!(
            "{old} and {new} requests failed, and the verdict depends on how they count: it does not hold if they \
             count as the slowest requests"
        )
    })
}

fn unequal(differences: &[f64], sides: &Sides<'_>) -> Option<String> {
    let [old, new] = sides.summaries();
    // Failures of one side alone, in every block, are not chance.
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
        "the failure rates differ ({:.2} % on the {} side, {:.2} % on the {} side{p}), so the latencies do not \
         measure the same work",
        old.pooled.failure_rate? * 100.0,
        old.name,
        new.pooled.failure_rate? * 100.0,
        new.name
    ))
}

/// Returns whether shares of requests differ between the sides, given their differences in the blocks: never up to
/// `small`, always above `large`, and in between by Student's paired t-test.
pub(super) fn differ(differences: &[f64], small: f64, large: f64) -> bool {
    let difference = mean(differences).unwrap_or_default().abs();
    // The test gives no p-value when all differences are equal.
    let is_constant = variance(differences).is_none_or(|spread| spread <= 0.0);
    let is_significant = paired_t_test(differences).is_some_and(|test| test.p.is_below(LEVEL));
    difference > small && (difference > large || is_constant || is_significant)
}

/// Computes the effect on the median of all requests, with the failed ones slower than all others.
fn counted_as_slowest(sides: &Sides<'_>, hidden: f64, rule: Rule) -> Option<Effect> {
    let runs = sides.baseline.runs.iter().zip(sides.changed.runs);
    let ratios = runs.map(|(old, new)| log_ratio(median_of_all(old)?, median_of_all(new)?));
    let ratios: Option<Vec<f64>> = ratios.collect();
    effect(Metric::P50, ratios?, hidden, rule)
}

fn median_of_all(run: &Run) -> Option<f64> {
    let sorted = SortedSample::new(&run.latencies_ms)?;
    let middle = (sorted.count() as u64 + run.failures - 1) / 2;
    sorted.values().get(middle as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule {
        threshold: 0.02,
        is_sequential: false,
        comparisons: 1,
    };

    #[test]
    fn the_estimate_is_the_geometric_mean_of_the_ratios() {
        let effect = effect(Metric::P50, vec![0.7_f64.ln(), 0.8_f64.ln()], 0.0, RULE).unwrap();
        assert!((effect.change - (0.56_f64.sqrt() - 1.0)).abs() < 1e-12);
        assert!(effect.low < effect.change && effect.change < effect.high);
    }

    #[test]
    fn more_throughput_is_faster() {
        let ratios = vec![0.3, 0.31, 0.29, 0.3, 0.3, 0.3];
        let verdict = |metric| effect(metric, ratios.clone(), 0.0, RULE).unwrap().verdict;
        assert_eq!(verdict(Metric::Throughput), Some(Verdict::Faster));
        assert_eq!(verdict(Metric::P99), Some(Verdict::Slower));
    }

    #[test]
    fn several_quantiles_are_adjusted_together() {
        let ratios = vec![-0.3; 6];
        let mut effects: Vec<Effect> = [Metric::P50, Metric::P95, Metric::Mean]
            .into_iter()
            .map(|metric| effect(metric, ratios.clone(), 0.0, RULE).unwrap())
            .collect();
        adjust(&mut effects);
        let p = |effect: &Effect| effect.p_holm.map(|p| p.value().unwrap());
        assert_eq!(p(&effects[0]), Some(2.0 * 2.0 / 64.0));
        assert_eq!(p(&effects[2]), None);
    }
}
