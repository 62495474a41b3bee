//! Whether the failed requests of both sides forbid a verdict on the answered ones.

use super::effects::{Effect, effect};
use super::metric::Metric;
use super::run::Run;
use super::summary::{Figures, Pooled};
use crate::stats::{SortedSample, log_ratio, mean, paired_t_test, variance};

/// Smaller differences of the failure rates move no figure that is compared.
const MATERIAL_DIFFERENCE: f64 = 0.001;
/// Larger differences are refused, be they by chance.
const LARGE_DIFFERENCE: f64 = 0.03;
/// So rarely do sides that fail alike differ by chance.
const LEVEL: f64 = 0.01;

/// Why the failures forbid a verdict: a closed loop waits out each time-out, so the faster side may only be
/// the one that gave up on more of its slow requests.
///
/// The rates are compared run by run: by Student's paired t-test over the blocks, which takes failures that
/// come in bursts for what they are. The test is blind where bursts differ much in size, so a large
/// difference is refused without it, and so are failures of one side alone in every block. And the verdict has to stand whether the failed requests are left
/// out, or count as slower than all others.
pub(super) fn refusal(
    [baseline, changed]: [&[Run]; 2],
    sides: &[Pooled; 2],
    median: &Effect,
    threshold: f64,
) -> Option<String> {
    let [old, new] = sides.each_ref().map(|side| &side.summary.pooled);
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
            old.failures, new.failures
        )
    })
}

fn unequal(differences: &[f64], old: &Figures, new: &Figures) -> Option<String> {
    let difference = mean(differences)?.abs();
    if difference <= MATERIAL_DIFFERENCE {
        return None;
    }
    let is_constant = variance(differences)? <= 0.0;
    let test = paired_t_test(differences);
    let differ = difference > LARGE_DIFFERENCE
        || is_constant
        || is_of_one_side(differences, old, new)
        || test.is_some_and(|test| test.p.ln() < LEVEL.ln());
    differ.then_some(())?;
    let p = test.map_or_else(String::new, |test| {
        format!(", p {} over the blocks", test.p)
    });
    Some(format!(
        "the failure rates differ ({:.2} % on the baseline side, {:.2} % on the changed side{p}), so the \
         latencies are not of the same work",
        old.failure_rate? * 100.0,
        new.failure_rate? * 100.0
    ))
}

/// Whether one side never failed, and the other in every block.
fn is_of_one_side(differences: &[f64], old: &Figures, new: &Figures) -> bool {
    let is_in_every_block = differences.iter().all(|difference| *difference != 0.0);
    (old.failures == 0 || new.failures == 0) && is_in_every_block
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
