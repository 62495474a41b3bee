//! In which order the runs were made, as far as their starts are known, and whether the machine drifted.

use std::time::SystemTime;

use serde::Serialize;

use crate::compare::effects::Blocks;
use crate::compare::kinds::in_words;
use crate::compare::run::{Pooled, Run, Side, SideSummary};
use crate::compare::{Metric, notices, steps};
use crate::stats::{LinearTrend, PValue, linear_trend, quantile_is_supported};

/// With fewer blocks one order in all of them is no wonder.
const FEWEST_FOR_ORDER: usize = 5;
/// A series without a trend is called a drift so rarely; two are looked at, which makes 5 % together.
const LEVEL: f64 = 0.025;

/// In which order the runs were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub(crate) enum Order {
    /// Not every run says when it started.
    Unknown,
    /// Block by block, and not always the same side first.
    InTurns,
    /// Block by block, and in each block this side first.
    #[serde(rename = "one_order")]
    Fixed {
        /// The side that came first.
        first: Side,
    },
    /// Runs of other blocks lie between those of one block.
    NotInTurns,
    /// All runs of one side before all of the other.
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
    /// How often a series without a drift looks so much like one (the t-test of its slope).
    pub(crate) p: PValue,
}

/// What time did to the figures: each is `None` unless it is beyond chance and reaches the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Drifts {
    /// Of the median round trips of both sides together: the machine.
    pub(crate) level: Option<Drift>,
    /// Of the ratio of the two sides: the change itself.
    pub(crate) change: Option<Drift>,
}

/// Tells the order by the starts of the runs.
pub(super) fn order(baseline: &[Run], changed: &[Run]) -> Order {
    let starts = |runs: &[Run]| {
        runs.iter()
            .map(|run| run.started)
            .collect::<Option<Vec<_>>>()
    };
    let (Some(old), Some(new)) = (starts(baseline), starts(changed)) else {
        return Order::Unknown;
    };
    if old.len() != new.len() || old.len() < 2 {
        return Order::Unknown;
    }
    let all_before =
        |one: &[SystemTime], other: &[SystemTime]| one.iter().max() < other.iter().min();
    if all_before(&old, &new) {
        return Order::InSequence {
            first: Side::Baseline,
        };
    }
    if all_before(&new, &old) {
        return Order::InSequence {
            first: Side::Changed,
        };
    }
    let between = |one: SystemTime, other: SystemTime| {
        let mut all = old.iter().chain(&new);
        all.any(|start| (one.min(other)..one.max(other)).contains(start) && *start > one.min(other))
    };
    let mut blocks = old.iter().zip(&new);
    if blocks.clone().any(|(old, new)| between(*old, *new)) {
        return Order::NotInTurns;
    }
    let is_enough = old.len() >= FEWEST_FOR_ORDER;
    if is_enough && blocks.clone().all(|(old, new)| old < new) {
        Order::Fixed {
            first: Side::Baseline,
        }
    } else if is_enough && blocks.all(|(old, new)| new < old) {
        Order::Fixed {
            first: Side::Changed,
        }
    } else {
        Order::InTurns
    }
}

/// Looks for a drift over the blocks, in the order of their starts, or as they were given where a start is
/// not known.
pub(super) fn drifts(
    [baseline, changed]: [&[Run]; 2],
    [old, new]: [&SideSummary; 2],
    blocks: Option<&Blocks>,
    threshold: f64,
) -> Drifts {
    let none = Drifts {
        level: None,
        change: None,
    };
    let Some(median) = blocks.and_then(|blocks| blocks.effect(Metric::P50)) else {
        return none;
    };
    let start = |index: usize| Some(baseline[index].started?.min(changed[index].started?));
    let mut places: Vec<usize> = (0..median.log_ratios.len()).collect();
    // One block of unknown place, and none can be sorted.
    if places.iter().all(|index| start(*index).is_some()) {
        places.sort_by_key(|index| start(*index));
    }
    let level = |index: usize| {
        let medians = [old, new].map(|side| side.runs[index].figures.median_ms);
        let [old, new] = medians.map(|median| median.unwrap_or_default().ln());
        old.midpoint(new)
    };
    let change = |index: usize| median.log_ratios[index];
    let series = |value: &dyn Fn(usize) -> f64| {
        let points = places.iter().enumerate();
        let points: Vec<(f64, f64)> = points
            .map(|(place, index)| (place as f64, value(*index)))
            .collect();
        drift(&points, threshold)
    };
    Drifts {
        level: series(&level),
        change: series(&change),
    }
}

fn drift(points: &[(f64, f64)], threshold: f64) -> Option<Drift> {
    let LinearTrend { slope, p } = linear_trend(points)?;
    let reach = (slope * (points.len() - 1) as f64).abs();
    (p.ln() < LEVEL.ln() && reach >= threshold.ln_1p()).then(|| Drift {
        per_block: slope.exp_m1(),
        p,
    })
}

// When no verdict may be given, and why.

/// Fewer blocks carry no verdict: four leave Student's t three degrees of freedom, with which one odd block
/// decides, and the exact sign-flip test cannot tell chance from change (p is 0.125 at least).
pub(super) const FEWEST_BLOCKS: u64 = 5;
/// Fewest replies whose median is carried: ten lie above it.
const FEWEST_REPLIES: u64 = 20;

/// Why these runs carry no verdict of any kind, the gravest reason first.
pub(super) fn of_runs(baseline: &[Run], changed: &[Run]) -> Option<String> {
    if let Some((side, run)) = each([baseline, changed]).find(|(_, run)| !run.invalid.is_empty()) {
        let reasons = run.invalid.join("; ");
        return Some(format!(
            "run {} of the {side} side is invalid: {reasons}",
            run.label
        ));
    }
    copies(baseline, changed).or_else(|| different_services(baseline, changed))
}

/// Why these figures carry no verdict.
pub(super) fn of_figures(
    runs: [&[Run]; 2],
    sides: &[Pooled; 2],
    blocks: Option<&Blocks>,
    threshold: f64,
) -> Option<String> {
    if let Some((side, run)) = each(runs).find(|(_, run)| run.latencies_ms.is_empty()) {
        return Some(format!(
            "run {} of the {side} side has no ok reply",
            run.label
        ));
    }
    let Some(blocks) = blocks else {
        return Some(no_blocks(runs[0].len(), runs[1].len()));
    };
    let is_small = |run: &Run| !quantile_is_supported(run.latencies_ms.len() as u64, 0.5);
    if let Some((side, run)) = each(runs).find(|(_, run)| is_small(run)) {
        let count = match run.latencies_ms.len() {
            1 => "1 reply".to_owned(),
            count => format!("{count} replies"),
        };
        return Some(format!(
            "run {} of the {side} side has {count}, and a median needs {FEWEST_REPLIES}",
            run.label
        ));
    }
    if blocks.count < FEWEST_BLOCKS {
        return Some(format!(
            "there are {} blocks, and a verdict needs at least five",
            blocks.count
        ));
    }
    match blocks.effect(Metric::P50) {
        None => Some(no_ratio(sides)),
        Some(median) => notices::refusal(runs, sides, median, threshold),
    }
}

fn each(sides: [&[Run]; 2]) -> impl Iterator<Item = (Side, &Run)> {
    let [baseline, changed] = sides;
    let named = |side| move |run| (side, run);
    let baseline = baseline.iter().map(named(Side::Baseline));
    baseline.chain(changed.iter().map(named(Side::Changed)))
}

/// One measurement that counts as two shows a ratio of 1 that nobody measured, or noise smaller than it is.
fn copies(baseline: &[Run], changed: &[Run]) -> Option<String> {
    let runs: Vec<&Run> = baseline.iter().chain(changed).collect();
    for (index, run) in runs.iter().enumerate() {
        for earlier in &runs[..index] {
            let what = if run.digest.is_some() && run.digest == earlier.digest {
                "content".to_owned()
            } else if run.run_id.is_some() && run.run_id == earlier.run_id {
                format!("run_id, {}", run.run_id.as_deref().unwrap_or_default())
            } else {
                continue;
            };
            return Some(format!(
                "runs {} and {} have the same {what}: they are copies of one measurement",
                earlier.label, run.label
            ));
        }
    }
    None
}

/// Files of different services have no common question. Runs that do not name what they asked for are
/// taken at their word; a kind that all have in common is compared.
fn different_services(baseline: &[Run], changed: &[Run]) -> Option<String> {
    let named = || {
        let runs = baseline.iter().chain(changed);
        runs.filter(|run| !run.kinds.is_empty())
    };
    let first = named().next()?;
    let is_common = |kind: &String| named().all(|run| run.kinds.contains(kind));
    if first.kinds.iter().any(is_common) {
        return None;
    }
    let other = named().find(|run| run.kinds != first.kinds)?;
    let list = |run: &Run| in_words(run.kinds.iter().map(String::as_str));
    Some(format!(
        "the runs are of different requests: {} of {}, {} of {}",
        first.label,
        list(first),
        other.label,
        list(other)
    ))
}

fn no_blocks(baseline: usize, changed: usize) -> String {
    if baseline == 1 && changed == 1 {
        return "run-to-run variation was not measured, with one run on each side; repeat both, interleaved".to_owned();
    }
    format!(
        "runs are compared in pairs, and there are {baseline} on the baseline side and {changed} on the changed side"
    )
}

fn no_ratio(sides: &[Pooled; 2]) -> String {
    let [old, new] = sides.each_ref().map(|side| &side.summary);
    let mut runs = old.runs.iter().chain(&new.runs);
    match steps::coarsest([old, new]) {
        Some(step) if runs.all(|run| run.figures.median_ms.is_some_and(|median| median > 0.0)) => {
            format!(
                "a run has a median below half of the {} in which its latencies are recorded",
                steps::in_words(step)
            )
        }
        _ => "a run has a median of zero, so there is no ratio".to_owned(),
    }
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
        order(&known(old), &known(new))
    }

    #[test]
    fn turns_are_told_from_sequences() {
        let first = Side::Baseline;
        assert_eq!(order_of(&[0, 3, 4], &[1, 2, 5]), Order::InTurns);
        assert_eq!(order_of(&[0, 1], &[2, 3]), Order::InSequence { first });
        assert_eq!(order_of(&[0, 1, 6], &[2, 3, 7]), Order::NotInTurns);
        let always = order_of(&[0, 2, 4, 6, 8], &[1, 3, 5, 7, 9]);
        assert_eq!(always, Order::Fixed { first });
        let first = Side::Changed;
        assert_eq!(order_of(&[2, 3], &[0, 1]), Order::InSequence { first });
        // Both at once, block by block, and too few blocks for an order to tell anything.
        assert_eq!(order_of(&[0, 2, 4, 6, 8], &[0, 2, 4, 6, 8]), Order::InTurns);
        assert_eq!(order_of(&[0, 2], &[1, 3]), Order::InTurns);
    }

    /// Six blocks, each slower than the one before; the last may not say when it was made.
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
            let told = |warning: &String| warning.contains("order of the runs is not known");
            assert_eq!(comparison.warnings.iter().any(told), !last_is_known);
        }
    }

    #[test]
    fn what_is_not_known_is_not_judged() {
        let known = runs(&[Some(1), Some(2)]);
        assert_eq!(order(&known, &runs(&[Some(3), None])), Order::Unknown);
        assert_eq!(order(&known[..1], &known[1..]), Order::Unknown);
        assert_eq!(order(&known, &known[..1]), Order::Unknown);
    }
}
