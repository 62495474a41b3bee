//! The sentences of a comparison: its conclusion, its refusals, its warnings.

use super::comparison::Comparison;
use super::summary::{Run, Side};
use super::verdict::Verdict;

/// Fewer blocks than this cannot reach p < 0.05 by sign flips, whatever the effect.
const RECOMMENDED_BLOCKS: usize = 6;

/// A relative change as people read it: `-30.1 %`, `+43.0 %`.
#[must_use]
pub fn percent(change: f64) -> String {
    format!("{:+.1} %", change * 100.0)
}

/// The answer in one plain sentence.
pub(super) fn conclusion(comparison: &Comparison) -> String {
    if let Some(reason) = &comparison.refusal {
        return match comparison.parity.median_change {
            Some(change) => format!(
                "No verdict: {reason}. The pooled median changed by {}.",
                percent(change)
            ),
            None => format!("No verdict: {reason}."),
        };
    }
    let effect = comparison
        .blocks
        .as_ref()
        .and_then(|blocks| blocks.median.as_ref());
    let (Some(verdict), Some(effect)) = (comparison.verdict, effect) else {
        return "No verdict: a run has a median of zero, so there is no ratio.".to_owned();
    };
    let interval = format!(
        "{} (95 % interval {} to {})",
        percent(effect.change),
        percent(effect.low),
        percent(effect.high)
    );
    let threshold = comparison.threshold * 100.0;
    let statement = match verdict {
        Verdict::Faster => format!("Faster: the median round trip changed by {interval}"),
        Verdict::Slower => format!("Slower: the median round trip changed by {interval}"),
        Verdict::Equivalent => format!(
            "Equivalent: the median round trip changed by {interval}, within the ±{threshold} % that count as no difference"
        ),
        Verdict::Inconclusive { further_blocks } => format!(
            "Inconclusive: the median round trip changed by {interval}, which reaches over the ±{threshold} % threshold; {}",
            further(further_blocks)
        ),
    };
    // Paired like the latency it stands beside, so that the table below shows the same figure.
    let blocks = comparison.blocks.as_ref();
    let paired = blocks.and_then(|blocks| blocks.throughput.as_ref());
    match paired.map(|effect| effect.change) {
        Some(change) => format!("{statement}; throughput {}.", percent(change)),
        None => format!("{statement}."),
    }
}

fn further(blocks: Option<u64>) -> String {
    match blocks {
        Some(1) => "about 1 more block is needed".to_owned(),
        Some(blocks) => format!("about {blocks} more blocks are needed"),
        None => {
            "the change lies too near the threshold for any sensible number of blocks".to_owned()
        }
    }
}

pub(super) fn unequal_failures(baseline: f64, changed: f64) -> String {
    format!(
        "the failure rates differ ({:.2} % on the baseline side, {:.2} % on the changed side), so the latencies are not of the same work",
        baseline * 100.0,
        changed * 100.0
    )
}

pub(super) fn no_blocks(baseline: usize, changed: usize) -> String {
    if baseline == 1 && changed == 1 {
        return "run-to-run variation was not measured, with one run on each side; repeat both, interleaved".to_owned();
    }
    format!(
        "runs are compared in pairs, and there are {baseline} on the baseline side and {changed} on the changed side"
    )
}

/// What makes the figures doubtful, with advice.
pub(super) fn warnings(baseline: &[Run], changed: &[Run]) -> Vec<String> {
    let mut warnings = Vec::new();
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
    let blocks = baseline.len();
    if blocks == changed.len() && (2..RECOMMENDED_BLOCKS).contains(&blocks) {
        warnings.push(format!(
            "only {blocks} blocks: the sign-flip p cannot fall below {:.4}; use {RECOMMENDED_BLOCKS} or more",
            2.0 / f64::from(1_u32 << blocks)
        ));
    }
    warnings
}
