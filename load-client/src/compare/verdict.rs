//! The verdict on an interval, against a threshold of what matters in practice, and the sentence that tells it.

use serde::Serialize;

use crate::compare::effects::Effect;
use crate::compare::kinds::in_words;
use crate::compare::notices::Order;
use crate::compare::run;
use crate::compare::sides::coarsest;
use crate::compare::{Comparison, Metric};
use crate::stats::Interval;

/// What the blocks say about the median latency of the changed side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Verdict {
    /// The whole interval lies below minus the threshold: the changed side answers sooner.
    Faster,
    /// The whole interval lies above the threshold.
    Slower,
    /// The whole interval lies within the threshold (two one-sided tests: Schuirmann, Journal of
    /// Pharmacokinetics and Biopharmaceutics 15, 1987; the 95 % interval is stricter than TOST's
    /// 90 % one).
    Equivalent,
    /// The interval reaches over a threshold.
    Inconclusive {
        /// About how many more blocks would settle it, were the spread and the mean to stay;
        /// `None` when that is more than 10,000.
        further_blocks: Option<u64>,
        /// What keeps the interval wide.
        because: Because,
    },
}

/// What keeps an interval from a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Because {
    /// The blocks differ among themselves; more of them narrow the interval.
    Spread,
    /// The steps of the recorded latencies are too coarse; no number of blocks helps.
    Resolution,
}

impl Verdict {
    /// The verdict in one word.
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

/// Judges the interval of a mean log-ratio of latencies against `threshold` (0.02 is 2 %). The interval has
/// been widened by `hidden` on either side, which more blocks would not take away. `further` tells how many more make its
/// half-width fall below a distance.
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
        // How narrow the half-interval must get to lie on one side of either bound.
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

/// The answer in one plain sentence.
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
    // Paired like the latency it stands beside, so that the table below shows the same figure.
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

/// What two single runs, or too few blocks, or the pooled requests say where there is no verdict.
fn figures_without_verdict(comparison: &Comparison) -> Option<String> {
    let within = comparison.within_runs.as_ref();
    if let Some(median) = within.and_then(|within| within.median_change) {
        return Some(format!(
            " Between these two runs the median changed by {} ({} by resampling requests, which \
             leaves out what differs from run to run).",
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
            "Inconclusive: {interval}, which reaches over the ±{threshold} % threshold; {}",
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
        "the latencies are recorded in {}, which hides changes up to {:.1} %: more blocks do not help, finer \
         steps do",
        step.map_or_else(|| "coarse steps".to_owned(), run::in_words),
        effect.resolution * 100.0
    )
}

/// What went the other way, if anything did.
fn but(what: &str, other: Verdict, which: &str) -> String {
    match which {
        "" => String::new(),
        which => format!(" But {what} got {}: {which}.", other.name()),
    }
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

/// The ends of an interval of relative changes.
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

    /// After six blocks, whose log-ratios have the standard deviation 0.01.
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
        // Distance to -2 % is about 0.0098; sd 0.01 needs t(K-1) / sqrt(K) < 0.98, so K = 7.
        assert_eq!(
            verdict_of(-0.03, 0.02),
            Verdict::Inconclusive {
                further_blocks: Some(1),
                because: Because::Spread
            }
        );
        // A mean on the bound itself is never settled.
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
        // Steps of a thousandth leave it to the blocks.
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
