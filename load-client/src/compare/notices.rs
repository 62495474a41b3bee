//! What makes the figures of a comparison doubtful, with advice.

use super::effects::{Blocks, Effect};
use super::percent::percent;
use super::run::Run;
use super::summary::Side;

/// Fewer blocks than this cannot reach p < 0.05 by sign flips, whatever the effect.
const RECOMMENDED_BLOCKS: usize = 6;
/// Two intervals of one effect whose lengths differ by more than this factor disagree badly.
const DISAGREEMENT: f64 = 3.0;

pub(super) fn warnings(baseline: &[Run], changed: &[Run], blocks: Option<&Blocks>) -> Vec<String> {
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
    let count = baseline.len();
    if count == changed.len() && (2..RECOMMENDED_BLOCKS).contains(&count) {
        warnings.push(format!(
            "only {count} blocks: the sign-flip p cannot fall below {:.4}; use {RECOMMENDED_BLOCKS} or more",
            2.0 / f64::from(1_u32 << count)
        ));
    }
    let effects = blocks.into_iter().flat_map(|blocks| &blocks.effects);
    warnings.extend(effects.filter_map(disagreement));
    warnings
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
