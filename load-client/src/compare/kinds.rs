//! Compares each kind of request on its own, decides whether a total makes sense, and refuses verdicts.
//!
//! If one side has more requests of the slow kind, its median rises although no request got slower.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::compare::Metric;
use crate::compare::effects::{Blocks, differ, pair, refusal_by_failures};
use crate::compare::rule::Rule;
use crate::compare::run::{self, Run};
use crate::compare::sides::{Figures, Pooled, RunFigures, Sides, coarsest};
use crate::compare::verdict::{Verdict, percent};
use crate::stats::mean;

/// Shares that differ by at most this much count as equal.
const SMALL_DIFFERENCE: f64 = 0.01;
/// Shares that differ by more count as different, even if it may be chance.
const LARGE_DIFFERENCE: f64 = 0.05;

/// The longest name of a kind in a message, in characters.
const LONGEST_NAME: usize = 60;
/// The most kinds that a message names.
const MAX_NAMES: usize = 5;

/// Joins the first few kinds for a message, each cut to a bounded length.
pub(super) fn in_words<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names = names.into_iter();
    let mut told: Vec<String> = names.by_ref().take(MAX_NAMES).map(cut).collect();
    let more = names.count();
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    told.join(", ")
}

fn cut(name: &str) -> String {
    match name.char_indices().nth(LONGEST_NAME) {
        None => name.to_owned(),
        Some((end, _)) => format!("{}...", &name[..end]),
    }
}

/// One kind of request, compared on its own.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Kind {
    /// Request type and name.
    pub(crate) kind: String,
    /// The verdict on its median, `None` when it is refused.
    pub(crate) verdict: Option<Verdict>,
    /// Why there is no verdict.
    pub(crate) refusal: Option<String>,
    /// Its share of the baseline's measured requests, as the mean over the runs.
    pub(crate) baseline_share: f64,
    pub(crate) changed_share: f64,
    /// Its figures over all runs of the baseline.
    pub(crate) baseline: Figures,
    pub(crate) changed: Figures,
    /// Its effects over the blocks. `None` unless both sides have the same number of runs, two or more.
    pub(crate) blocks: Option<Blocks>,
    /// Whether its share differs between the sides, by the test over the blocks.
    #[serde(skip)]
    shares_differ: bool,
}

/// Compares kind by kind. Returns nothing when all requests are of one kind. `refused` is the reason that forbids any
/// verdict on these runs.
pub(super) fn compare(sides: &Sides<'_>, rule: Rule, refused: Option<&str>) -> Vec<Kind> {
    let kinds: BTreeSet<&String> = sides.runs().flat_map(|(_, run)| &run.kinds).collect();
    if kinds.len() < 2 {
        return Vec::new();
    }
    let one = |kind: &String| one(kind, sides, rule, refused);
    kinds.into_iter().map(one).collect()
}

fn one(kind: &str, all: &Sides<'_>, rule: Rule, refused: Option<&str>) -> Kind {
    let parts = all
        .both()
        .map(|side| side.runs.iter().map(|run| part(run, kind)));
    let [old, new] = parts.map(Vec::from_iter);
    let sides = Sides::new(all.names(), &old, &new);
    let share = |side: &Pooled<'_>, all: &Pooled<'_>| -> Vec<f64> {
        let runs = side.summary.runs.iter().zip(&all.summary.runs);
        let share = |(part, run): (&RunFigures, &RunFigures)| {
            part.figures.requests() as f64 / run.figures.requests().max(1) as f64
        };
        runs.map(share).collect()
    };
    let old = share(&sides.baseline, &all.baseline);
    let new = share(&sides.changed, &all.changed);
    let differences: Vec<f64> = old.iter().zip(&new).map(|(old, new)| new - old).collect();
    let mut blocks = pair(&sides, rule);
    let refusal = refused
        .map(str::to_owned)
        .or_else(|| refusal_of_figures(&sides, blocks.as_ref(), rule));
    let verdict = settle(&mut blocks, refusal.as_deref());
    let [baseline, changed] = sides.summaries().map(|side| side.pooled.clone());
    Kind {
        kind: kind.to_owned(),
        verdict,
        refusal,
        baseline_share: mean(&old).unwrap_or_default(),
        changed_share: mean(&new).unwrap_or_default(),
        baseline,
        changed,
        blocks,
        shares_differ: differ(&differences, SMALL_DIFFERENCE, LARGE_DIFFERENCE),
    }
}

/// Returns the requests of one kind. The result is empty if the run has none of them.
fn part(run: &Run, kind: &str) -> Run {
    match run.parts.get(kind) {
        Some(part) => part.clone(),
        None if run.parts.is_empty() && run.kinds.contains(kind) => run.clone(),
        None => Run::new(run.label.clone(), Vec::new()),
    }
}

/// Returns the reason if the kinds forbid a verdict on all requests together. A total is faster or slower only because
/// a kind is.
pub(super) fn refusal_of_total(
    kinds: &[Kind],
    names: [&str; 2],
    blocks: Option<&Blocks>,
) -> Option<String> {
    if let Some(other) = kinds.iter().find(|kind| kind.shares_differ) {
        return Some(format!(
            "the shares of the kinds of request differ: {} is {:.1} % of the {} side and {:.1} % of \
             the {} side; each kind is compared on its own",
            cut(&other.kind),
            other.baseline_share * 100.0,
            names[0],
            other.changed_share * 100.0,
            names[1]
        ));
    }
    let total = blocks?.effect(Metric::P50)?;
    let verdict = total.verdict?;
    let is_change = matches!(verdict, Verdict::Faster | Verdict::Slower);
    let effects = kinds.iter().filter_map(|kind| kind.blocks.as_ref());
    let mut effects = effects.flat_map(|blocks| &blocks.effects);
    let has_cause =
        effects.any(|own| own.metric.quantile().is_some() && own.verdict == Some(verdict));
    (is_change && !kinds.is_empty() && !has_cause).then(|| {
        format!(
            "the median of all requests changed by {}, but no kind of request got {} in its own median or tail: \
             the mix of the kinds may have changed; each kind is compared on its own",
            percent(total.change),
            verdict.name()
        )
    })
}

/// The fewest replies whose median counts: ten replies lie above it.
const FEWEST_REPLIES: usize = 20;

/// Returns why these runs allow no verdict on any kind, the most serious reason first.
pub(super) fn refusal_of_runs(sides: &Sides<'_>) -> Option<String> {
    let invalid = sides.runs().find(|(_, run)| !run.invalid.is_empty());
    let invalid = invalid.map(|(side, run)| {
        let reasons = run.invalid.join("; ");
        format!("run {} of the {side} side is invalid: {reasons}", run.label)
    });
    invalid
        .or_else(|| copies(sides))
        .or_else(|| different_services(sides))
}

/// Returns why these figures allow no verdict.
pub(super) fn refusal_of_figures(
    sides: &Sides<'_>,
    blocks: Option<&Blocks>,
    rule: Rule,
) -> Option<String> {
    let fewer_than = |least| {
        let mut runs = sides.runs();
        runs.find(move |(_, run): &(&str, &Run)| run.latencies_ms.len() < least)
    };
    if let Some((side, run)) = fewer_than(1) {
        return Some(format!(
            "run {} of the {side} side has no good reply",
            run.label
        ));
    }
    let Some(blocks) = blocks else {
        return Some(no_blocks(sides));
    };
    if let Some((side, run)) = fewer_than(FEWEST_REPLIES) {
        let count = match run.latencies_ms.len() {
            1 => "1 reply".to_owned(),
            count => format!("{count} replies"),
        };
        return Some(format!(
            "run {} of the {side} side has {count}, but a median needs {FEWEST_REPLIES}",
            run.label
        ));
    }
    let fewest = rule.fewest_blocks();
    if blocks.count < fewest {
        return Some(format!(
            "there are {} blocks, but a verdict needs at least {fewest}",
            blocks.count
        ));
    }
    match blocks.effect(Metric::P50) {
        None => Some(no_ratio(sides)),
        Some(median) => refusal_by_failures(sides, median, rule),
    }
}

/// Returns the verdict on the median. A refusal first removes the verdicts on all figures.
pub(super) fn settle(blocks: &mut Option<Blocks>, refusal: Option<&str>) -> Option<Verdict> {
    let blocks = blocks.as_mut()?;
    if refusal.is_some() {
        let effects = blocks.effects.iter_mut();
        effects.for_each(|effect| effect.verdict = None);
    }
    blocks.effect(Metric::P50)?.verdict
}

/// Finds copies. A measurement on both sides gives a ratio of 1 that nobody measured. Twice on one side, it makes the
/// noise look too small.
fn copies(sides: &Sides<'_>) -> Option<String> {
    let runs: Vec<&Run> = sides.runs().map(|(_, run)| run).collect();
    let mut pairs = runs.iter().enumerate().flat_map(|(index, run)| {
        let earlier = runs[..index].iter();
        earlier.map(move |earlier| (earlier, run))
    });
    pairs.find_map(|(earlier, run)| {
        let what = if run.digest.is_some() && run.digest == earlier.digest {
            "content".to_owned()
        } else {
            let id = run.run_id.as_ref();
            let shared = id.filter(|_| run.run_id == earlier.run_id)?;
            format!("run_id, {shared}")
        };
        Some(format!(
            "runs {} and {} have the same {what}: they are copies of one measurement",
            earlier.label, run.label
        ))
    })
}

/// Finds runs that have no kind of request in common. Runs without names of requests count as comparable. A kind that
/// all runs have in common is compared.
fn different_services(sides: &Sides<'_>) -> Option<String> {
    let runs = sides.runs().map(|(_, run)| run);
    let named: Vec<&Run> = runs.filter(|run| !run.kinds.is_empty()).collect();
    let first = named.first()?;
    let is_common = |kind: &String| named.iter().all(|run| run.kinds.contains(kind));
    if first.kinds.iter().any(is_common) {
        return None;
    }
    let other = named.iter().find(|run| run.kinds != first.kinds)?;
    let list = |run: &Run| in_words(run.kinds.iter().map(String::as_str));
    Some(format!(
        "the runs have no kind of request in common: {} has {}, {} has {}",
        first.label,
        list(first),
        other.label,
        list(other)
    ))
}

fn no_blocks(sides: &Sides<'_>) -> String {
    let [baseline, changed] = sides.both().map(|side| side.runs.len());
    if baseline == 1 && changed == 1 {
        return "run-to-run variation was not measured, because each side has only one run; repeat both sides in turns"
            .to_owned();
    }
    let [old, new] = sides.names();
    format!(
        "runs are compared in pairs, but there are {baseline} on the {old} side and {changed} on the {new} side"
    )
}

fn no_ratio(sides: &Sides<'_>) -> String {
    let mut runs = sides.blocks().flatten();
    let are_positive = runs.all(|run| run.figures.median_ms > Some(0.0));
    match coarsest(sides.summaries()).filter(|_| are_positive) {
        Some(step) => format!(
            "a run has a median below half of the {} in which its latencies are recorded",
            run::in_words(step)
        ),
        None => "a run has a median of zero, so there is no ratio".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_few_kinds_and_cuts_them() {
        let long = "x".repeat(10_000);
        let names: Vec<&str> = ["a"; 4].into_iter().chain([&*long; 96]).collect();
        let told = in_words(names);
        assert!(told.ends_with("x..., and 95 more"), "{told}");
        assert!(
            told.starts_with("a, a, a, a, x") && told.len() < 120,
            "{told}"
        );
        assert_eq!(cut("é"), "é");
    }

    #[test]
    fn shares_agree_within_chance_and_no_further() {
        let agree = |old: &[f64], new: &[f64]| {
            let differences: Vec<f64> = old.iter().zip(new).map(|(old, new)| new - old).collect();
            !differ(&differences, SMALL_DIFFERENCE, LARGE_DIFFERENCE)
        };
        let even = [0.5; 6];
        assert!(agree(&even, &even));
        assert!(agree(&even, &[0.505; 6]));
        assert!(!agree(&even, &[0.52; 6]), "always the same two points");
        assert!(agree(&even, &[0.5, 0.56, 0.47, 0.55, 0.49, 0.54]), "chance");
        assert!(!agree(&even, &[0.5, 0.9, 0.5, 0.5, 0.9, 0.5]), "far apart");
    }

    /// Makes a run of 400 requests: `fast` of a fast kind, the others of a slow kind whose tail is `tail` times as slow
    /// as usual.
    fn mixture(fast: u32, tail: f64) -> Run {
        let spread = |from: f64, count: u32| {
            let step = |index| from * (1.0 + 0.2 * f64::from(index) / f64::from(count));
            (0..count).map(step).collect::<Vec<f64>>()
        };
        let mut slow = spread(10.0, 400 - fast);
        let start = slow.len() * 85 / 100;
        slow[start..].iter_mut().for_each(|own| *own *= tail);
        let of_kind = |name: &str, latencies: Vec<f64>| Run {
            kinds: [name.to_owned()].into(),
            ..Run::new("run".to_owned(), latencies)
        };
        let parts = [("fast", spread(1.0, fast)), ("slow", slow)];
        let parts = parts.map(|(name, own)| (name.to_owned(), of_kind(name, own)));
        Run {
            latencies_ms: parts
                .iter()
                .flat_map(|(_, own)| own.latencies_ms.clone())
                .collect(),
            kinds: parts.iter().map(|(name, _)| name.clone()).collect(),
            parts: parts.into(),
            ..Run::new("run".to_owned(), Vec::new())
        }
    }

    #[test]
    fn a_total_that_got_faster_as_no_kind_did_is_refused_however_noisy_the_kinds() {
        let blocks = |fast, tails: [f64; 6]| tails.map(|tail| mixture(fast, tail));
        // The shares are half a point apart, and the median lies between the kinds.
        let (old, new) = (
            blocks(199, [1.0, 10.0, 1.0, 10.0, 1.0, 10.0]),
            blocks(201, [10.0, 1.0, 10.0, 1.0, 10.0, 1.0]),
        );
        let options = crate::compare::Options::default();
        let comparison = crate::compare::compare(&old, &new, &options).unwrap();
        let refusal = comparison.refusal.expect(&comparison.conclusion);
        assert!(
            refusal.contains("no kind of request got faster"),
            "{refusal}"
        );
    }
}
