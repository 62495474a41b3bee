//! The sentence that a comparison comes down to.

use super::comparison::Comparison;
use super::effects::{Blocks, Effect};
use super::kinds::{Kind, in_words};
use super::metric::Metric;
use super::order::Order;
use super::refusal::FEWEST_BLOCKS;
use super::resolution;
use super::verdict::{Because, Verdict};

/// The answer in one plain sentence.
pub(super) fn conclusion(comparison: &Comparison) -> String {
    if let Some(reason) = &comparison.refusal {
        let figures = median_of_single_runs(comparison)
            .or_else(|| median_over_few_blocks(comparison))
            .or_else(|| pooled_median(comparison));
        return format!("No verdict: {reason}.{}", figures.unwrap_or_default());
    }
    let blocks = comparison.blocks.as_ref();
    let Some((effect, blocks)) =
        blocks.and_then(|blocks| Some((blocks.effect(Metric::P50)?, blocks)))
    else {
        return "No verdict.".to_owned();
    };
    let statement = statement(effect, comparison);
    let throughput = blocks.effect(Metric::Throughput);
    // Paired like the latency it stands beside, so that the table below shows the same figure.
    let throughput = throughput.map_or_else(String::new, |effect| {
        format!("; throughput {}", percent(effect.change))
    });
    format!(
        "{statement}{throughput}.{}{}{}",
        contradictions(effect.verdict, blocks),
        kinds(effect.verdict, &comparison.kinds),
        order(comparison.order)
    )
}

fn pooled_median(comparison: &Comparison) -> Option<String> {
    let change = comparison.per_request.median_change?;
    Some(format!(
        " The pooled median changed by {}.",
        percent(change)
    ))
}

/// What too few blocks say.
fn median_over_few_blocks(comparison: &Comparison) -> Option<String> {
    let blocks = comparison.blocks.as_ref()?;
    let median = blocks.effect(Metric::P50)?;
    (blocks.count < FEWEST_BLOCKS).then(|| {
        format!(
            " Over these blocks the median changed by {} (95 % interval {} to {}).",
            percent(median.change),
            percent(median.low),
            percent(median.high)
        )
    })
}

/// What two single runs say of each other.
fn median_of_single_runs(comparison: &Comparison) -> Option<String> {
    let interval = comparison.within_runs.as_ref()?.median_change?;
    Some(format!(
        " Between these two runs the median changed by {} ({} to {} by resampling requests, which \
         leaves out what differs from run to run).",
        percent(interval.estimate),
        percent(interval.low),
        percent(interval.high)
    ))
}

fn statement(effect: &Effect, comparison: &Comparison) -> String {
    let interval = format!(
        "the median round trip changed by {} (95 % interval {} to {})",
        percent(effect.change),
        percent(effect.low),
        percent(effect.high)
    );
    let threshold = comparison.threshold * 100.0;
    match effect.verdict {
        None => format!("No verdict: {interval}"),
        Some(Verdict::Faster) => format!("Faster: {interval}"),
        Some(Verdict::Slower) => format!("Slower: {interval}"),
        Some(Verdict::Equivalent) => {
            format!("Equivalent: {interval}, within the ±{threshold} % that count as no difference")
        }
        Some(Verdict::Inconclusive {
            further_blocks,
            because,
        }) => format!(
            "Inconclusive: {interval}, which reaches over the ±{threshold} % threshold; {}",
            match because {
                Because::Spread => further(further_blocks),
                Because::Resolution => too_coarse(effect, comparison),
            }
        ),
    }
}

fn too_coarse(effect: &Effect, comparison: &Comparison) -> String {
    let step = resolution::coarsest([&comparison.baseline, &comparison.changed]);
    format!(
        "the latencies are recorded in {}, which hides changes up to {:.1} %: more blocks do not help, finer \
         steps do",
        step.map_or_else(|| "coarse steps".to_owned(), resolution::in_words),
        effect.resolution * 100.0
    )
}

/// Kinds of request that went the other way.
fn kinds(verdict: Option<Verdict>, kinds: &[Kind]) -> String {
    let other = opposite(verdict);
    let against = kinds.iter().filter(|kind| kind.verdict == Some(other));
    let against: Vec<&str> = against.map(|kind| kind.kind.as_str()).collect();
    if against.is_empty() {
        return String::new();
    }
    format!(
        " But this kind of request got {}: {}.",
        other.name(),
        in_words(against)
    )
}

/// What a verdict on runs that were not made in turns must be read with.
fn order(order: Order) -> &'static str {
    match order {
        Order::Unknown | Order::InTurns => "",
        Order::Fixed { .. } => {
            " But the runs were made always in one order, which alone can look like a change."
        }
        Order::NotInTurns | Order::InSequence { .. } => {
            " But the runs were not made in turns: a drift of the machine would look the same."
        }
    }
}

fn opposite(verdict: Option<Verdict>) -> Verdict {
    match verdict {
        Some(Verdict::Slower) => Verdict::Faster,
        _ => Verdict::Slower,
    }
}

/// Quantiles that went the other way: a better median must not hide a worse tail.
fn contradictions(verdict: Option<Verdict>, blocks: &Blocks) -> String {
    let other = opposite(verdict);
    let against = blocks.effects.iter().filter(|effect| {
        effect.metric.quantile().is_some()
            && effect.metric != Metric::P50
            && effect.verdict == Some(other)
    });
    let against: Vec<String> = against
        .map(|effect| format!("{} {}", effect.metric.name(), percent(effect.change)))
        .collect();
    if against.is_empty() {
        return String::new();
    }
    format!(
        " But the tail got {}: {}.",
        other.name(),
        against.join(", ")
    )
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

/// A relative change as people read it: `-30.1 %`, `+43.0 %`.
#[must_use]
pub fn percent(change: f64) -> String {
    format!("{:+.1} %", change * 100.0)
}
