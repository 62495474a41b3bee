//! What makes the figures of a comparison doubtful, with advice.

use crate::compare::effects::{Effect, effect};
use crate::compare::order::{Drift, Order};
use crate::compare::run::{Figures, Pooled, Run, Side};
use crate::compare::verdict::percent;
use crate::compare::{Comparison, Metric, steps};
use crate::stats::{SortedSample, log_ratio, mean, paired_t_test, variance};

/// Fewer blocks than this cannot reach p < 0.05 by sign flips, whatever the effect.
const RECOMMENDED_BLOCKS: usize = 6;
/// Two intervals of one effect whose lengths differ by more than this factor disagree badly.
const DISAGREEMENT: f64 = 3.0;

pub(super) fn warnings(baseline: &[Run], changed: &[Run], comparison: &Comparison) -> Vec<String> {
    let mut warnings = Vec::new();
    warnings.extend(guessed_windows([baseline, changed].concat().iter()));
    for (side, runs) in [(Side::Baseline, baseline), (Side::Changed, changed)] {
        for run in runs {
            warnings.extend(run.warnings.iter().cloned());
            if run.censored > 0 {
                warnings.push(format!(
                    "run {} ({side}) was cut short with {} request(s) in flight; the slowest may be missing",
                    run.label, run.censored
                ));
            }
            if run.failures > 0 {
                warnings.push(format!(
                    "{} request(s) of run {} ({side}) failed; they are not among the latencies",
                    run.failures, run.label
                ));
            }
        }
    }
    let count = baseline.len();
    if count == changed.len() && (2..RECOMMENDED_BLOCKS).contains(&count) {
        warnings.push(format!(
            "only {count} blocks: the sign-flip p cannot fall below {:.4}; use {RECOMMENDED_BLOCKS} or more",
            2.0 / f64::from(1_u32 << count)
        ));
    }
    warnings.extend(unordered(baseline.iter().chain(changed)));
    warnings.extend(coarse(comparison));
    warnings.extend(out_of_turn(comparison.order));
    let blocks = comparison.blocks.as_ref().map_or(0, |blocks| blocks.count);
    warnings.extend(unknown_order(comparison.order, blocks));
    warnings.extend(drifts(comparison));
    let blocks = comparison.blocks.iter();
    let effects = blocks.flat_map(|blocks| &blocks.effects);
    warnings.extend(effects.filter_map(disagreement));
    warnings
}

fn unordered<'a>(runs: impl Iterator<Item = &'a Run>) -> Option<String> {
    let labels: Vec<&str> = runs
        .filter(|run| !run.is_ordered)
        .map(|run| run.label.as_str())
        .collect();
    let (first, more) = labels.split_first()?;
    let others = match more.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!(
        "the files of run {first}{others} do not tell the order of the requests (no time stamps, or many \
         requests at one): autocorrelation, effective n and the intervals by resampling are left out"
    ))
}

/// Steps that hide more than the threshold.
fn coarse(comparison: &Comparison) -> Option<String> {
    let median = comparison.blocks.as_ref()?.effect(Metric::P50)?;
    let step = steps::coarsest([&comparison.baseline, &comparison.changed])?;
    (median.resolution > comparison.threshold).then(|| {
        format!(
            "the latencies are recorded in {}, which hides changes of the median up to {:.1} %; record \
             them in finer steps",
            steps::in_words(step),
            median.resolution * 100.0
        )
    })
}

fn out_of_turn(order: Order) -> Option<String> {
    match order {
        Order::Unknown | Order::InTurns => None,
        Order::Fixed { first } => Some(format!(
            "the {first} run came first in each block: what one run leaves behind for the next would look \
             like a change; make the order random"
        )),
        Order::NotInTurns => Some(
            "the runs were not made in turns: other runs lie between the two of a block, so a drift of the \
             machine would look like a change; make the two runs of a block one after the other"
                .to_owned(),
        ),
        Order::InSequence { first } => Some(format!(
            "all runs of the {first} side were made before those of the {} side: a drift of the machine \
             would look like a change; make them in turns",
            first.other()
        )),
    }
}

fn unknown_order(order: Order, blocks: u64) -> Option<String> {
    (order == Order::Unknown && blocks >= 2).then(|| {
        "the order of the runs is not known, so a drift of the machine would look like a change: add --json to \
         each run, and keep X.json beside X.csv"
            .to_owned()
    })
}

fn drifts(comparison: &Comparison) -> Vec<String> {
    let direction = |drift: Drift| {
        if drift.per_block > 0.0 {
            "rose"
        } else {
            "fell"
        }
    };
    let level = comparison.drift.level.map(|drift| {
        format!(
            "the round trips of both sides {} from block to block, by about {} each (p {}): the machine \
             was not steady, which only blocks made in turns, in random order, take out of the change",
            direction(drift),
            percent(drift.per_block),
            drift.p
        )
    });
    let change = comparison.drift.change.map(|drift| {
        format!(
            "the ratio of the two sides {} from block to block, by about {} each (p {}): the change is not \
             the same all the time",
            direction(drift),
            percent(drift.per_block),
            drift.p
        )
    });
    level.into_iter().chain(change).collect()
}

/// A service that froze looks as fast as before it when only the time until the last request counts.
fn guessed_windows<'a>(runs: impl Iterator<Item = &'a Run>) -> Option<String> {
    let guessed: Vec<&str> = runs
        .filter(|run| run.window_is_guessed)
        .map(|run| run.label.as_str())
        .collect();
    let first = guessed.first()?;
    let others = match guessed.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    Some(format!(
        "throughput of {first}{others} is over the time from the first to the last request: no summary of \
         --json beside the file tells the measured window"
    ))
}

/// Student's interval over the blocks and the bootstrap's should tell about the same.
fn disagreement(effect: &Effect) -> Option<String> {
    let bootstrap = effect.bootstrap?;
    let (student, resampled) = (effect.high - effect.low, bootstrap.high - bootstrap.low);
    let apart = bootstrap.low > effect.high || bootstrap.high < effect.low;
    let ratio = student.max(resampled) / student.min(resampled);
    // Where both are narrow their ratio means nothing.
    let is_bad = apart || (ratio > DISAGREEMENT && student.max(resampled) > 0.02);
    is_bad.then(|| {
        format!(
            "the two intervals of the {} disagree: {} to {} over the blocks, {} to {} by resampling; \
             trust the wider one, and look for a block that differs from the others",
            effect.metric.name(),
            percent(effect.low),
            percent(effect.high),
            percent(bootstrap.low),
            percent(bootstrap.high)
        )
    })
}

// Whether the failed requests of both sides forbid a verdict on the answered ones.

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
