//! The sentence that a comparison comes down to.

use super::comparison::Comparison;
use super::effects::{Blocks, Effect};
use super::metric::Metric;
use super::percent::percent;
use super::verdict::Verdict;

/// The answer in one plain sentence.
pub(super) fn conclusion(comparison: &Comparison) -> String {
    if let Some(reason) = &comparison.refusal {
        return match (
            median_of_single_runs(comparison),
            comparison.parity.median_change,
        ) {
            (Some(interval), _) => format!("No verdict: {reason}. {interval}"),
            (None, Some(change)) => format!(
                "No verdict: {reason}. The pooled median changed by {}.",
                percent(change)
            ),
            (None, None) => format!("No verdict: {reason}."),
        };
    }
    let blocks = comparison.blocks.as_ref();
    let Some((effect, blocks)) =
        blocks.and_then(|blocks| Some((blocks.effect(Metric::P50)?, blocks)))
    else {
        return "No verdict.".to_owned();
    };
    let statement = statement(effect, comparison.threshold);
    let throughput = blocks.effect(Metric::Throughput);
    // Paired like the latency it stands beside, so that the table below shows the same figure.
    let throughput = throughput.map_or_else(String::new, |effect| {
        format!("; throughput {}", percent(effect.change))
    });
    format!(
        "{statement}{throughput}.{}",
        contradictions(effect.verdict, blocks)
    )
}

/// What two single runs say of each other.
fn median_of_single_runs(comparison: &Comparison) -> Option<String> {
    let interval = comparison.within_runs.as_ref()?.median_change?;
    Some(format!(
        "Between these two runs the median changed by {} ({} to {} by resampling requests, which \
         leaves out what differs from run to run).",
        percent(interval.estimate),
        percent(interval.low),
        percent(interval.high)
    ))
}

fn statement(effect: &Effect, threshold: f64) -> String {
    let interval = format!(
        "the median round trip changed by {} (95 % interval {} to {})",
        percent(effect.change),
        percent(effect.low),
        percent(effect.high)
    );
    let threshold = threshold * 100.0;
    match effect.verdict {
        Verdict::Faster => format!("Faster: {interval}"),
        Verdict::Slower => format!("Slower: {interval}"),
        Verdict::Equivalent => {
            format!("Equivalent: {interval}, within the ±{threshold} % that count as no difference")
        }
        Verdict::Inconclusive { further_blocks } => format!(
            "Inconclusive: {interval}, which reaches over the ±{threshold} % threshold; {}",
            further(further_blocks)
        ),
    }
}

/// Quantiles that went the other way: a better median must not hide a worse tail.
fn contradictions(verdict: Verdict, blocks: &Blocks) -> String {
    let other = match verdict {
        Verdict::Slower => Verdict::Faster,
        _ => Verdict::Slower,
    };
    let against = blocks.effects.iter().filter(|effect| {
        effect.metric.quantile().is_some()
            && effect.metric != Metric::P50
            && effect.verdict == other
    });
    let against: Vec<String> = against
        .map(|effect| format!("{} {}", effect.metric.name(), percent(effect.change)))
        .collect();
    if against.is_empty() {
        return String::new();
    }
    let word = if other == Verdict::Slower {
        "slower"
    } else {
        "faster"
    };
    format!(" But the tail got {word}: {}.", against.join(", "))
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
