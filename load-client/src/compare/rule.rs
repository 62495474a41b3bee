//! The rule of judging the blocks: what counts as a difference, and whether the comparison looks once or after each
//! block.

use serde::Serialize;

use super::verdict::{Verdict, judge};
use super::{Blocks, Metric, Options};
use crate::stats::{
    Interval, anytime_half_width, anytime_interval, blocks_for_half_width, paired_half_width,
    paired_interval, variance,
};

/// The share of intervals that miss the truth.
const ALPHA: f64 = 0.05;
/// Standard deviation of the prior of the effect size, in standard deviations of a block's log-ratio. Three blocks have
/// a finite interval only from 2.5 on.
const TAU: f64 = 3.0;
/// Each quantile other than the median gets this fraction of the error.
const QUANTILES: f64 = 4.0;

/// Fewer blocks allow no verdict of a single look. Four leave Student's t three degrees of freedom, so one odd block
/// decides, and the exact sign-flip test cannot separate chance from change (p is at least 0.125).
const FEWEST_ONCE: u64 = 5;
/// With this many blocks every sequence has a finite interval.
const BOUNDED: u64 = 50;

/// How the blocks are judged. All fields are fixed before the first block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rule {
    /// The relative change that counts as a difference.
    pub(crate) threshold: f64,
    /// Whether the comparison looks after each block, and may end because of the result.
    pub(crate) is_sequential: bool,
    /// How many sides are compared with this baseline.
    pub(crate) comparisons: u32,
}

impl Rule {
    /// Returns the interval of the mean log-ratio of a figure.
    pub(super) fn interval(self, metric: Metric, log_ratios: &[f64]) -> Option<Interval> {
        match self.is_sequential {
            true => anytime_interval(log_ratios, self.alpha(metric), TAU),
            false => paired_interval(log_ratios, 1.0 - self.alpha(metric)),
        }
    }

    /// Returns how often the interval of a figure may miss the truth. Mean and throughput only restate the quantiles.
    fn alpha(self, metric: Metric) -> f64 {
        let shared = match metric {
            Metric::P90 | Metric::P95 | Metric::P99 if self.is_sequential => QUANTILES,
            _ => 1.0,
        };
        ALPHA / shared / f64::from(self.comparisons)
    }

    /// Returns how many blocks shrink the half-width of that interval below `target`, if their standard deviation stays
    /// the same. `None` when that takes more than 10,000.
    pub(super) fn blocks_for(self, metric: Metric, deviation: f64, target: f64) -> Option<u64> {
        blocks_for_half_width(target, |count| match self.is_sequential {
            true => anytime_half_width(deviation, count, self.alpha(metric), TAU),
            false => paired_half_width(deviation, count, self.alpha(metric)),
        })
    }

    /// Returns the fewest blocks that allow a verdict. In a sequence, all figures must have a finite interval, so that
    /// a better median cannot hide a worse tail.
    pub(super) fn fewest_blocks(self) -> u64 {
        if !self.is_sequential {
            return FEWEST_ONCE;
        }
        let is_bounded = |count: &u64| {
            let half = |metric| anytime_half_width(1.0, *count, self.alpha(metric), TAU);
            half(Metric::P50).is_some() && half(Metric::P99).is_some()
        };
        (2..BOUNDED).find(is_bounded).unwrap_or(BOUNDED)
    }

    /// Judges these log-ratios of a figure. The steps of the clock may hide a part of them, up to `hidden`.
    pub(super) fn judge(
        self,
        metric: Metric,
        log_ratios: &[f64],
        hidden: f64,
    ) -> Option<(Interval, Verdict)> {
        let interval = self.interval(metric, log_ratios)?.widened(hidden);
        let deviation = variance(log_ratios)?.sqrt();
        let count = log_ratios.len() as u64;
        let further = |distance| {
            let needed = self.blocks_for(metric, deviation, distance)?;
            Some(needed.saturating_sub(count).max(1))
        };
        let judged = match metric {
            // Judged like a latency, where less is better.
            Metric::Throughput => interval.negated(),
            _ => interval,
        };
        Some((interval, judge(&judged, hidden, self.threshold, further)))
    }
}

/// Returns the verdict of blocks, given as natural logarithms of the changed median over the baseline's. `None` while
/// their interval is not finite. Of the options, only threshold and rule count.
#[must_use]
pub fn verdict_on(log_ratios: &[f64], options: &Options) -> Option<Verdict> {
    let judged = options.rule().judge(Metric::P50, log_ratios, 0.0)?;
    Some(judged.1)
}

/// A comparison that looks after each block: its rule, and the median after each block.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Sequence {
    /// Upper bound on how often any of its intervals misses the truth.
    alpha: f64,
    /// Standard deviation of the prior of the effect size.
    tau: f64,
    least_blocks: u64,
    /// Empty if a run has no median.
    pub(crate) looks: Vec<Look>,
}

/// The state after a number of blocks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Look {
    pub(crate) blocks: u64,
    /// Relative change of the median so far, with the sequence's 95 % interval.
    pub(crate) change: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Sequence {
    /// Returns `None` under a rule that looks once.
    pub(super) fn of(rule: Rule, blocks: Option<&Blocks>) -> Option<Self> {
        if !rule.is_sequential {
            return None;
        }
        let median = blocks.and_then(|blocks| blocks.effect(Metric::P50));
        let looks = median.map_or_else(Vec::new, |median| {
            let ratios = &median.log_ratios;
            let hidden = median.resolution.ln_1p();
            let all = 2..=ratios.len();
            all.filter_map(|count| {
                let interval = rule.interval(Metric::P50, &ratios[..count])?;
                let change = interval.widened(hidden).map(f64::exp_m1);
                Some(Look {
                    blocks: count as u64,
                    change: change.estimate,
                    low: change.low,
                    high: change.high,
                })
            })
            .collect()
        });
        Some(Self {
            alpha: rule.alpha(Metric::P50),
            tau: TAU,
            least_blocks: rule.fewest_blocks(),
            looks,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATIOS: [f64; 6] = [-0.36, -0.34, -0.35, -0.37, -0.33, -0.35];

    #[test]
    fn a_large_change_is_decided_after_three_blocks_and_not_before() {
        let options = Options {
            is_sequential: true,
            ..Options::default()
        };
        assert_eq!(verdict_on(&RATIOS[..2], &options), None);
        assert_eq!(verdict_on(&RATIOS[..3], &options), Some(Verdict::Faster));
    }

    #[test]
    fn a_verdict_waits_until_the_tail_has_a_bound() {
        let fewest = |comparisons| {
            let rule = Rule {
                threshold: 0.02,
                is_sequential: true,
                comparisons,
            };
            rule.fewest_blocks()
        };
        assert_eq!([1, 2, 3, 9].map(fewest), [4, 4, 5, 5]);
    }

    #[test]
    fn looking_after_each_block_takes_a_wider_interval_than_looking_once() {
        let of = |is_sequential, metric| {
            let rule = Rule {
                threshold: 0.02,
                is_sequential,
                comparisons: 1,
            };
            let interval = rule.interval(metric, &RATIOS).unwrap();
            interval.high - interval.low
        };
        assert!(of(true, Metric::P50) > of(false, Metric::P50));
        assert!(of(true, Metric::P99) > of(true, Metric::P50));
        assert!(of(false, Metric::P99) == of(false, Metric::P50));
    }

    #[test]
    fn further_blocks_follow_the_same_rule() {
        let near = [-0.03, 0.02, -0.01, 0.03, -0.04, 0.0];
        let further = |is_sequential| {
            let rule = Rule {
                threshold: 0.02,
                is_sequential,
                comparisons: 1,
            };
            match rule.judge(Metric::P50, &near, 0.0).unwrap().1 {
                Verdict::Inconclusive { further_blocks, .. } => further_blocks.unwrap(),
                other => panic!("{other:?}"),
            }
        };
        assert!(further(true) > further(false));
    }
}
