//! When no verdict may be given, and why.

use super::effects::Blocks;
use super::failures;
use super::kinds::in_words;
use super::metric::Metric;
use super::resolution;
use super::run::Run;
use super::summary::{Pooled, Side};
use crate::stats::quantile_is_supported;

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
        Some(median) => failures::refusal(runs, sides, median, threshold),
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
    match resolution::coarsest([old, new]) {
        Some(step) if runs.all(|run| run.figures.median_ms.is_some_and(|median| median > 0.0)) => {
            format!(
                "a run has a median below half of the {} in which its latencies are recorded",
                resolution::in_words(step)
            )
        }
        _ => "a run has a median of zero, so there is no ratio".to_owned(),
    }
}
