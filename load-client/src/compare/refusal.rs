//! When no verdict may be given, and why.

use super::effects::Blocks;
use super::metric::Metric;
use super::run::Run;
use super::summary::{Pooled, Side};

/// Failure rates further apart than this forbid a verdict: a closed loop waits out each time-out,
/// so the faster side may only be the one that gave up on more of its slow requests.
const MATERIAL_FAILURE_DIFFERENCE: f64 = 0.001;

/// Why no verdict may be given, the gravest reason first.
pub(super) fn refusal(
    baseline: &[Run],
    changed: &[Run],
    sides: &[Pooled; 2],
    blocks: Option<&Blocks>,
) -> Option<String> {
    let runs = [(Side::Baseline, baseline), (Side::Changed, changed)];
    let each = || {
        runs.iter()
            .flat_map(|(side, runs)| runs.iter().map(move |run| (side, run)))
    };
    if let Some((side, run)) = each().find(|(_, run)| !run.invalid.is_empty()) {
        let reasons = run.invalid.join("; ");
        return Some(format!(
            "run {} of the {side} side is invalid: {reasons}",
            run.label
        ));
    }
    if let Some(reason) = different_services(baseline, changed) {
        return Some(reason);
    }
    if let Some((side, run)) = each().find(|(_, run)| run.latencies_ms.is_empty()) {
        return Some(format!(
            "run {} of the {side} side has no ok reply",
            run.label
        ));
    }
    let [old, new] = sides
        .each_ref()
        .map(|side| side.summary.pooled.failure_rate);
    if let Some(reason) = unequal_failures(old?, new?) {
        return Some(reason);
    }
    match blocks {
        None => Some(no_blocks(baseline.len(), changed.len())),
        Some(blocks) if blocks.effect(Metric::P50).is_none() => {
            Some("a run has a median of zero, so there is no ratio".to_owned())
        }
        Some(_) => None,
    }
}

/// Files of different services have no common question. Runs that do not name what they asked for are
/// taken at their word.
fn different_services(baseline: &[Run], changed: &[Run]) -> Option<String> {
    let mut named = baseline
        .iter()
        .chain(changed)
        .filter(|run| !run.kinds.is_empty());
    let first = named.next()?;
    let other = named.find(|run| run.kinds != first.kinds)?;
    let list = |run: &Run| run.kinds.iter().cloned().collect::<Vec<_>>().join(", ");
    Some(format!(
        "the runs are of different requests: {} of {}, {} of {}",
        first.label,
        list(first),
        other.label,
        list(other)
    ))
}

fn unequal_failures(baseline: f64, changed: f64) -> Option<String> {
    ((baseline - changed).abs() > MATERIAL_FAILURE_DIFFERENCE).then(|| {
        format!(
            "the failure rates differ ({:.2} % on the baseline side, {:.2} % on the changed side), so the latencies are not of the same work",
            baseline * 100.0,
            changed * 100.0
        )
    })
}

fn no_blocks(baseline: usize, changed: usize) -> String {
    if baseline == 1 && changed == 1 {
        return "run-to-run variation was not measured, with one run on each side; repeat both, interleaved".to_owned();
    }
    format!(
        "runs are compared in pairs, and there are {baseline} on the baseline side and {changed} on the changed side"
    )
}
