//! The warnings of a comparison, with advice: among others about the order of the runs and a drift of the machine.

use std::time::SystemTime;

use serde::Serialize;

use crate::compare::effects::{Blocks, Effect};
use crate::compare::run::{Run, Side, in_words};
use crate::compare::sides::{RunFigures, Sides, coarsest};
use crate::compare::verdict::{percent, range};
use crate::compare::{Comparison, Metric, Warning};
use crate::stats::{LinearTrend, PValue, linear_trend};

/// Fewer blocks than this cannot reach p < 0.05 by sign flips, however large the effect is.
const RECOMMENDED_BLOCKS: usize = 6;
/// Two intervals of one effect disagree badly if one is longer than the other by more than this factor.
const DISAGREEMENT: f64 = 3.0;

pub(super) fn warnings(sides: &Sides<'_>, comparison: &Comparison) -> Vec<Warning> {
    let unordered = first_of(sides, |run| !run.is_ordered).map(|runs| {
        format!(
            "the order of the requests is not known for run {runs} (no time stamps, or many requests share one): \
             autocorrelation, effective n and the intervals by resampling are left out"
        )
    });
    // Measured until its last request only, a service that froze looks as fast as before.
    let guessed = first_of(sides, |run| run.window_is_guessed).map(|runs| {
        format!(
            "the throughput of {runs} covers the time from the first to the last request, because no --json summary \
             beside the file gives the measured window"
        )
    });
    let mut warnings = Vec::from_iter(guessed.map(Warning::from));
    warnings.extend(sides.runs().flat_map(|(side, run)| of_run(run, side)));
    let blocks = comparison.blocks.as_ref();
    let effects = blocks.into_iter().flat_map(|blocks| &blocks.effects);
    let others = [
        few_blocks(sides).filter(|_| comparison.sequence.is_none()),
        unordered,
        coarse(comparison),
        order_warning(comparison),
    ];
    let others = others.into_iter().flatten();
    let others = others.chain(drift_warnings(comparison.drift));
    let others = others.chain(effects.filter_map(disagreement));
    warnings.extend(others.map(Warning::from));
    warnings
}

/// Returns the warnings of the reader of a run, and those about requests that its figures lack.
fn of_run(run: &Run, side: &str) -> Vec<Warning> {
    let mut warnings = run.warnings.clone();
    let label = &run.label;
    if run.censored > 0 {
        let text = format!(
            "run {label} ({side}) was cut short with {} request(s) in flight; the slowest replies may be missing",
            run.censored
        );
        warnings.push(Warning::new(format!("cut short: {side}"), text));
    }
    if run.failures > 0 {
        let text = format!(
            "{} request(s) of run {label} ({side}) failed; the latencies do not include them",
            run.failures
        );
        warnings.push(Warning::new(format!("failures: {side}"), text));
    }
    warnings
}

/// Returns the label of the first run that fulfils the condition, and how many more do. `None` without any.
fn first_of(sides: &Sides<'_>, is_one: fn(&Run) -> bool) -> Option<String> {
    let mut runs = sides.runs().filter(|(_, run)| is_one(run));
    let first = &runs.next()?.1.label;
    Some(match runs.count() {
        0 => first.clone(),
        more => format!("{first} and {more} more"),
    })
}

fn few_blocks(sides: &Sides<'_>) -> Option<String> {
    let count = sides.count()?;
    (2..RECOMMENDED_BLOCKS).contains(&count).then(|| {
        format!(
            "only {count} blocks: p cannot be below {:.4}, however large the change is; use \
             {RECOMMENDED_BLOCKS} or more",
            2.0 / f64::from(1_u32 << count)
        )
    })
}

/// Warns of steps that hide more than the threshold.
fn coarse(comparison: &Comparison) -> Option<String> {
    let median = comparison.blocks.as_ref()?.effect(Metric::P50)?;
    let step = coarsest(comparison.sides())?;
    (median.resolution > comparison.threshold).then(|| {
        format!(
            "the latencies are recorded in {}, which hide changes of the median of up to {:.1} %; record them in \
             finer steps",
            in_words(step),
            median.resolution * 100.0
        )
    })
}

fn order_warning(comparison: &Comparison) -> Option<String> {
    let [old, new] = comparison.names();
    let name = |side| if side == Side::Baseline { old } else { new };
    match comparison.order {
        Order::InTurns => None,
        Order::Unknown => {
            let blocks = comparison.blocks.as_ref();
            blocks.map(|_| {
                "the order of the runs is not known, so a drift of the machine would look like a change: add --json \
                 to each run, and keep X.json beside X.csv"
                    .to_owned()
            })
        }
        Order::Fixed { first } => Some(format!(
            "the {} run came first in each block, so an effect of the first run on the second would look like a \
             change; make the order random",
            name(first)
        )),
        Order::NotInTurns => Some(
            "the runs were not made in turns: other runs lie between the two runs of a block, so a drift of the \
             machine would look like a change; make the two runs of a block one after the other"
                .to_owned(),
        ),
        Order::InSequence { first } => Some(format!(
            "all runs of the {} side were made before those of the {} side: a drift of the machine \
             would look like a change; make them in turns",
            name(first),
            name(first.other())
        )),
    }
}

fn drift_warnings(drifts: Drifts) -> impl Iterator<Item = String> {
    let told = [
        (
            "the round trips of both sides",
            drifts.level,
            "the machine was not steady; only blocks made in turns, in random order, keep its drift out of the change",
        ),
        (
            "the ratio of the two sides",
            drifts.change,
            "the change is not constant over time",
        ),
    ];
    told.into_iter().filter_map(|(what, drift, so)| {
        let Drift { per_block, p } = drift?;
        let direction = if per_block > 0.0 { "rose" } else { "fell" };
        Some(format!(
            "{what} {direction} from block to block, by about {} per block ({}): {so}",
            percent(per_block),
            p.equation()
        ))
    })
}

/// Warns when Student's interval over the blocks and the bootstrap's differ much.
fn disagreement(effect: &Effect) -> Option<String> {
    let bootstrap = effect.bootstrap?;
    let (student, resampled) = (effect.high - effect.low, bootstrap.high - bootstrap.low);
    let apart = bootstrap.low > effect.high || bootstrap.high < effect.low;
    let ratio = student.max(resampled) / student.min(resampled);
    // The ratio of two narrow intervals means nothing.
    let is_bad = apart || (ratio > DISAGREEMENT && student.max(resampled) > 0.02);
    is_bad.then(|| {
        format!(
            "the two intervals of the {} disagree: {} over the blocks, {} by resampling; \
             trust the wider one, and look for a block that differs from the others",
            effect.metric.name(),
            range(effect.low, effect.high),
            range(bootstrap.low, bootstrap.high)
        )
    })
}

/// With fewer blocks, all of them may have the same order by chance.
const FEWEST_FOR_ORDER: usize = 5;
/// False-alarm rate of each drift test. Both tests together have 5 %.
const LEVEL: f64 = 0.025;

/// The order in which the runs were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub(crate) enum Order {
    /// Not every run has a start time.
    Unknown,
    /// Block by block, with either side first.
    InTurns,
    /// Block by block, and always with this side first.
    #[serde(rename = "one_order")]
    Fixed {
        /// The side that came first.
        first: Side,
    },
    /// Runs of other blocks lie between the runs of one block.
    NotInTurns,
    /// All runs of one side before all runs of the other.
    InSequence {
        /// The side that came first.
        first: Side,
    },
}

/// A rise or fall from block to block.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Drift {
    /// Relative change from one block to the next.
    pub(crate) per_block: f64,
    /// The p-value of the t-test of the slope: how often a series without a drift has at least this slope.
    pub(crate) p: PValue,
}

/// The drifts of the figures. Each is `None` unless it is significant and reaches the threshold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Drifts {
    /// Drift of the median round trips of both sides together: the machine changed.
    pub(crate) level: Option<Drift>,
    /// Drift of the ratio of the two sides: the effect of the change itself is not constant.
    pub(crate) change: Option<Drift>,
}

/// Determines the order from the start times of the runs.
pub(super) fn order(sides: &Sides<'_>) -> Order {
    let starts = sides.both().map(|side| {
        let starts = side.runs.iter().map(|run| run.started);
        starts.collect::<Option<Vec<SystemTime>>>()
    });
    let ([Some(old), Some(new)], Some(2..)) = (starts, sides.count()) else {
        return Order::Unknown;
    };
    let first = |is_first: fn(&[SystemTime], &[SystemTime]) -> bool| {
        let changed = is_first(&new, &old).then_some(Side::Changed);
        is_first(&old, &new).then_some(Side::Baseline).or(changed)
    };
    if let Some(first) = first(|one, other| one.iter().max() < other.iter().min()) {
        return Order::InSequence { first };
    }
    let is_split = |(one, other): (&SystemTime, &SystemTime)| {
        let mut all = old.iter().chain(&new);
        all.any(|start| one.min(other) < start && start < one.max(other))
    };
    if old.iter().zip(&new).any(is_split) {
        return Order::NotInTurns;
    }
    let always = first(|one, other| one.iter().zip(other).all(|(one, other)| one < other));
    match always.filter(|_| old.len() >= FEWEST_FOR_ORDER) {
        Some(first) => Order::Fixed { first },
        None => Order::InTurns,
    }
}

/// Looks for a drift over the blocks, in the order of their starts, or in the given order if a start is not known.
pub(super) fn drifts(sides: &Sides<'_>, blocks: Option<&Blocks>, threshold: f64) -> Drifts {
    let Some(median) = blocks.and_then(|blocks| blocks.effect(Metric::P50)) else {
        return Drifts::default();
    };
    let runs = sides.baseline.runs.iter().zip(sides.changed.runs);
    let starts = runs.map(|(old, new)| Some(old.started?.min(new.started?)));
    let mut places: Vec<usize> = (0..median.log_ratios.len()).collect();
    // If one start is missing, the blocks cannot be sorted.
    if let Some(starts) = starts.collect::<Option<Vec<SystemTime>>>() {
        places.sort_by_key(|index| starts[*index]);
    }
    let level = |runs: [&RunFigures; 2]| {
        let [old, new] = runs.map(|run| run.figures.median_ms.unwrap_or_default().ln());
        old.midpoint(new)
    };
    let levels: Vec<f64> = sides.blocks().map(level).collect();
    let drift = |values: &[f64]| {
        let points = places.iter().enumerate();
        let points = points.map(|(place, index)| (place as f64, values[*index]));
        drift(&points.collect::<Vec<_>>(), threshold)
    };
    Drifts {
        level: drift(&levels),
        change: drift(&median.log_ratios),
    }
}

fn drift(points: &[(f64, f64)], threshold: f64) -> Option<Drift> {
    let LinearTrend { slope, p } = linear_trend(points)?;
    let reach = (slope * (points.len() - 1) as f64).abs();
    (p.is_below(LEVEL) && reach >= threshold.ln_1p()).then(|| Drift {
        per_block: slope.exp_m1(),
        p,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn runs(minutes: &[Option<u64>]) -> Vec<Run> {
        let run = |minute: &Option<u64>| Run {
            started: minute.map(|minute| SystemTime::UNIX_EPOCH + Duration::from_secs(60 * minute)),
            ..Run::new("run".to_owned(), Vec::new())
        };
        minutes.iter().map(run).collect()
    }

    fn order_of(old: &[u64], new: &[u64]) -> Order {
        let known = |minutes: &[u64]| runs(&minutes.iter().copied().map(Some).collect::<Vec<_>>());
        order(&sides(&known(old), &known(new)))
    }

    fn sides<'a>(baseline: &'a [Run], changed: &'a [Run]) -> Sides<'a> {
        Sides::new(["baseline", "changed"], baseline, changed)
    }

    #[test]
    fn turns_and_sequences_are_distinguished() {
        let first = Side::Baseline;
        assert_eq!(order_of(&[0, 3, 4], &[1, 2, 5]), Order::InTurns);
        assert_eq!(order_of(&[0, 1], &[2, 3]), Order::InSequence { first });
        assert_eq!(order_of(&[0, 1, 6], &[2, 3, 7]), Order::NotInTurns);
        let always = order_of(&[0, 2, 4, 6, 8], &[1, 3, 5, 7, 9]);
        assert_eq!(always, Order::Fixed { first });
        let first = Side::Changed;
        assert_eq!(order_of(&[2, 3], &[0, 1]), Order::InSequence { first });
        // The sides run at the same time, block by block, and there are too few blocks to prove an order.
        assert_eq!(order_of(&[0, 2, 4, 6, 8], &[0, 2, 4, 6, 8]), Order::InTurns);
        assert_eq!(order_of(&[0, 2], &[1, 3]), Order::InTurns);
    }

    /// Makes six blocks, each slower than the one before. The last may lack its start time.
    fn rising(last_is_known: bool) -> crate::compare::Comparison {
        let side = |offset: u64| {
            let run = |block: u64| {
                let minute = Some(2 * block + offset).filter(|_| last_is_known || block < 5);
                let median = 5.0 * (1.0 + 0.1 * block as f64);
                Run {
                    latencies_ms: (0..100).map(|own| median + f64::from(own) / 1e3).collect(),
                    ..runs(&[minute]).remove(0)
                }
            };
            (0..6).map(run).collect::<Vec<Run>>()
        };
        let options = crate::compare::Options::default();
        crate::compare::compare(&side(0), &side(1), &options).unwrap()
    }

    #[test]
    fn blocks_of_unknown_order_stay_as_given_and_are_warned_of() {
        for last_is_known in [true, false] {
            let comparison = rising(last_is_known);
            assert!(comparison.drift.level.is_some(), "{last_is_known}");
            let told = |own: &Warning| own.text.contains("order of the runs is not known");
            assert_eq!(comparison.warnings.iter().any(told), !last_is_known);
        }
    }

    #[test]
    fn what_is_not_known_is_not_judged() {
        let known = runs(&[Some(1), Some(2)]);
        let unknown = runs(&[Some(3), None]);
        for (old, new) in [
            (&known[..], &unknown[..]),
            (&known[..1], &known[1..]),
            (&known[..], &known[..1]),
        ] {
            assert_eq!(order(&sides(old, new)), Order::Unknown);
        }
    }
}
