//! The verdict on an interval, against a threshold of what matters in practice.

use serde::Serialize;

use crate::stats::{PairedInterval, blocks_for_half_width};

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
/// been widened by `hidden` on either side, which more blocks would not take away.
pub(super) fn judge(
    interval: &PairedInterval,
    deviation: f64,
    hidden: f64,
    blocks: u64,
    threshold: f64,
) -> Verdict {
    let (floor, ceiling) = ((1.0 - threshold).ln(), threshold.ln_1p());
    if interval.high < floor {
        Verdict::Faster
    } else if interval.low > ceiling {
        Verdict::Slower
    } else if interval.low > floor && interval.high < ceiling {
        Verdict::Equivalent
    } else {
        let distance = distance_to_decision(interval.mean, floor, ceiling) - hidden;
        let further_blocks = blocks_for_half_width(deviation, distance)
            .map(|needed| needed.saturating_sub(blocks).max(1));
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

/// How narrow the half-interval round `mean` must get to lie on one side of every bound.
fn distance_to_decision(mean: f64, floor: f64, ceiling: f64) -> f64 {
    if mean < floor {
        floor - mean
    } else if mean > ceiling {
        mean - ceiling
    } else {
        (mean - floor).min(ceiling - mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict_of(mean: f64, half: f64) -> Verdict {
        let interval = PairedInterval {
            mean,
            low: mean - half,
            high: mean + half,
        };
        judge(&interval, 0.01, 0.0, 6, 0.02)
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
        let interval = PairedInterval {
            mean: -0.03,
            low: -0.23,
            high: 0.17,
        };
        let expected = Verdict::Inconclusive {
            further_blocks: None,
            because: Because::Resolution,
        };
        assert_eq!(judge(&interval, 0.01, 0.19, 6, 0.02), expected);
        // Steps of a thousandth leave it to the blocks.
        let verdict = judge(&interval, 0.01, 0.001, 6, 0.02);
        assert!(matches!(
            verdict,
            Verdict::Inconclusive {
                further_blocks: Some(_),
                because: Because::Spread
            }
        ));
    }
}
