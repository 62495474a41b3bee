//! The verdict on an interval, against the smallest change that matters in practice, and the sentence that states it.

use serde::Serialize;

use crate::compare::effects::Effect;
use crate::compare::kinds::in_words;
use crate::compare::notices::Order;
use crate::compare::run;
use crate::compare::sides::coarsest;
use crate::compare::{Comparison, Metric};
use crate::stats::Interval;

/// The verdict of the blocks on the median latency of the changed side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Verdict {
    /// The whole interval lies below minus the threshold: the changed side answers sooner.
    Faster,
    /// The whole interval lies above the threshold.
    Slower,
    /// The whole interval lies within the threshold. This follows the two one-sided tests (TOST) of Schuirmann, Journal
    /// of Pharmacokinetics and Biopharmaceutics 15, 1987. The 95 % interval is stricter than the 90 % interval of TOST.
    Equivalent,
    /// The interval crosses a threshold.
    Inconclusive {
        /// About how many more blocks would decide, if spread and mean stay the same. `None` when that is more than
        /// 10,000.
        further_blocks: Option<u64>,
        /// The cause of the wide interval.
        because: Because,
    },
}

/// The cause why an interval does not decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Because {
    /// The blocks differ among themselves. More of them narrow the interval.
    Spread,
    /// The steps of the recorded latencies are too coarse. No number of blocks helps.
    Resolution,
}

impl Verdict {
    /// Returns the verdict in one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Faster => "faster",
            Self::Slower => "slower",
            Self::Equivalent => "equivalent",
            Self::Inconclusive { .. } => "inconclusive",
        }
    }
}

/// Judges the interval of a mean log-ratio of latencies against `threshold` (0.02 is 2 %). The interval includes
/// `hidden` on either side, which more blocks do not remove. `further` returns how many more blocks shrink its
/// half-width below a distance.
pub(super) fn judge(
    interval: &Interval,
    hidden: f64,
    threshold: f64,
    further: impl Fn(f64) -> Option<u64>,
) -> Verdict {
    let (floor, ceiling) = ((1.0 - threshold).ln(), threshold.ln_1p());
    if interval.high < floor {
        Verdict::Faster
    } else if interval.low > ceiling {
        Verdict::Slower
    } else if interval.low > floor && interval.high < ceiling {
        Verdict::Equivalent
    } else {
        // The half-width at which the interval no longer crosses the nearer bound.
        let [to_floor, to_ceiling] = [floor, ceiling].map(|bound| interval.estimate - bound);
        let distance = to_floor.abs().min(to_ceiling.abs()) - hidden;
        let further_blocks = further(distance);
        let because = if hidden > 0.0 && distance <= 0.0 {
            Because::Resolution
        } else {
            Because::Spread
        };
        Verdict::Inconclusive {
            further_blocks,
            because,
        }
    }
}

/// Returns the answer in plain sentences.
pub(super) fn conclusion(comparison: &Comparison) -> String {
    if let Some(reason) = &comparison.refusal {
        let figures = figures_without_verdict(comparison);
        return format!("No verdict: {reason}.{}", figures.unwrap_or_default());
    }
    let blocks = comparison.blocks.as_ref();
    let Some((effect, blocks)) =
        blocks.and_then(|blocks| Some((blocks.effect(Metric::P50)?, blocks)))
    else {
        return "No verdict.".to_owned();
    };
    let other = match effect.verdict {
        Some(Verdict::Slower) => Verdict::Faster,
        _ => Verdict::Slower,
    };
    // A better median must not hide a worse tail.
    let tail = blocks.effects.iter().filter(|own| {
        own.metric != Metric::P50 && own.metric.quantile().is_some() && own.verdict == Some(other)
    });
    let tail = tail.map(|own| format!("{} {}", own.metric.name(), percent(own.change)));
    let tail = tail.collect::<Vec<_>>().join(", ");
    let kinds = comparison.kinds.iter();
    let kinds = kinds.filter(|kind| kind.verdict == Some(other));
    let kinds = in_words(kinds.map(|kind| kind.kind.as_str()));
    // The paired throughput, because the table below shows the same figure.
    let throughput = blocks.effect(Metric::Throughput);
    let throughput = throughput.map(|effect| format!("; throughput {}", percent(effect.change)));
    format!(
        "{}{}.{}{}{}",
        statement(effect, comparison),
        throughput.unwrap_or_default(),
        but("the tail", other, &tail),
        but("this kind of request", other, &kinds),
        order(comparison.order)
    )
}

/// Returns the figures to state without a verdict: those of two single runs, of too few blocks, or of the pooled
/// requests.
fn figures_without_verdict(comparison: &Comparison) -> Option<String> {
    let within = comparison.within_runs.as_ref();
    if let Some(median) = within.and_then(|within| within.median_change) {
        return Some(format!(
            " Between these two runs the median changed by {} ({} by resampling requests, without the variation from \
             run to run).",
            percent(median.estimate),
            range(median.low, median.high)
        ));
    }
    let few = comparison.blocks.as_ref();
    let few = few.filter(|blocks| blocks.count < comparison.rule().fewest_blocks());
    if let Some(median) = few.and_then(|blocks| blocks.effect(Metric::P50)) {
        let change = change(median, comparison);
        return Some(format!(
            " Over these blocks the median changed by {change}."
        ));
    }
    let change = percent(comparison.per_request.median_change?);
    Some(format!(" The pooled median changed by {change}."))
}

fn change(effect: &Effect, comparison: &Comparison) -> String {
    let (change, range) = (percent(effect.change), range(effect.low, effect.high));
    let kind = comparison.interval_name();
    format!(
        "{change} ({kind}{} {range})",
        if kind.contains(',') { ":" } else { "" }
    )
}

fn statement(effect: &Effect, comparison: &Comparison) -> String {
    let change = change(effect, comparison);
    let interval = format!("the median round trip changed by {change}");
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
            "Inconclusive: {interval}, which crosses the ±{threshold} % threshold; {}",
            match because {
                Because::Spread => further(further_blocks),
                Because::Resolution => too_coarse(effect, comparison),
            }
        ),
    }
}

fn too_coarse(effect: &Effect, comparison: &Comparison) -> String {
    let step = coarsest(comparison.sides());
    format!(
        "the latencies are recorded in {}, which hide changes of up to {:.1} %: more blocks do not help, finer steps \
         do",
        step.map_or_else(|| "coarse steps".to_owned(), run::in_words),
        effect.resolution * 100.0
    )
}

/// Names what changed in the other direction, if anything did.
fn but(what: &str, other: Verdict, which: &str) -> String {
    match which {
        "" => String::new(),
        which => format!(" But {what} got {}: {which}.", other.name()),
    }
}

/// Warns in the sentence if the runs were not made in turns.
fn order(order: Order) -> &'static str {
    match order {
        Order::Unknown | Order::InTurns => "",
        Order::Fixed { .. } => {
            " But the runs were always made in one order, which alone can look like a change."
        }
        Order::NotInTurns | Order::InSequence { .. } => {
            " But the runs were not made in turns: a drift of the machine would look the same."
        }
    }
}

fn further(blocks: Option<u64>) -> String {
    match blocks {
        Some(1) => "about 1 more block is needed".to_owned(),
        Some(blocks) => format!("about {blocks} more blocks are needed"),
        None => "the change is too near the threshold: no reasonable number of blocks would decide"
            .to_owned(),
    }
}

/// Formats a relative change: `-30.1 %`, `+43.0 %`.
#[must_use]
pub fn percent(change: f64) -> String {
    format!("{:+.1} %", change * 100.0)
}

/// Formats the ends of an interval of relative changes.
pub(super) fn range(low: f64, high: f64) -> String {
    format!("{} to {}", percent(low), percent(high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::rule::Rule;

    fn verdict_of(mean: f64, half: f64) -> Verdict {
        let interval = Interval {
            estimate: mean,
            low: mean - half,
            high: mean + half,
        };
        judge(&interval, 0.0, 0.02, further)
    }

    /// Returns the further blocks after six blocks whose log-ratios have the standard deviation 0.01.
    fn further(distance: f64) -> Option<u64> {
        let rule = Rule {
            threshold: 0.02,
            is_sequential: false,
            comparisons: 1,
        };
        let needed = rule.blocks_for(Metric::P50, 0.01, distance)?;
        Some(needed.saturating_sub(6).max(1))
    }

    #[test]
    fn the_whole_interval_must_clear_the_threshold() {
        assert_eq!(verdict_of(-0.30, 0.05), Verdict::Faster);
        assert_eq!(verdict_of(0.10, 0.05), Verdict::Slower);
        assert_eq!(verdict_of(0.0, 0.01), Verdict::Equivalent);
        assert!(matches!(
            verdict_of(-0.03, 0.02),
            Verdict::Inconclusive { .. }
        ));
        assert!(matches!(
            verdict_of(0.0, 0.03),
            Verdict::Inconclusive { .. }
        ));
    }

    #[test]
    fn a_real_but_tiny_difference_is_equivalent_not_faster() {
        assert_eq!(verdict_of(-0.01, 0.001), Verdict::Equivalent);
    }

    #[test]
    fn inconclusive_says_how_many_more_blocks() {
        // The distance to -2 % is about 0.0098. A deviation of 0.01 needs t(K-1) / sqrt(K) < 0.98, so K = 7.
        assert_eq!(
            verdict_of(-0.03, 0.02),
            Verdict::Inconclusive {
                further_blocks: Some(1),
                because: Because::Spread
            }
        );
        // An interval around the bound itself is never decided.
        assert_eq!(
            verdict_of(0.98_f64.ln(), 0.02),
            Verdict::Inconclusive {
                further_blocks: None,
                because: Because::Spread
            }
        );
    }

    #[test]
    fn resolution_is_not_settled_by_more_blocks() {
        let interval = Interval {
            estimate: -0.03,
            low: -0.23,
            high: 0.17,
        };
        let expected = Verdict::Inconclusive {
            further_blocks: None,
            because: Because::Resolution,
        };
        assert_eq!(judge(&interval, 0.19, 0.02, further), expected);
        // With steps of a thousandth, the blocks still decide.
        let verdict = judge(&interval, 0.001, 0.02, further);
        assert!(matches!(
            verdict,
            Verdict::Inconclusive {
                further_blocks: Some(_),
                because: Because::Spread
            }
        ));
    }
}
