//! Counts the verdicts, and the wrong ones. Pure.

use load_client::compare::{Comparison, Metric, Verdict};
use load_client::stats::{Interval, paired_interval};
use serde::{Deserialize, Serialize};

use super::change::{Change, Measured};

/// The verdict of an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    Faster,
    Slower,
    Equivalent,
    Inconclusive,
    NoVerdict,
}

impl Answer {
    pub(super) const ALL: [(Self, &'static str); 5] = [
        (Self::Faster, "faster"),
        (Self::Slower, "slower"),
        (Self::Equivalent, "equivalent"),
        (Self::Inconclusive, "inconclusive"),
        (Self::NoVerdict, "no verdict"),
    ];

    fn of(verdict: Option<Verdict>) -> Self {
        match verdict {
            Some(Verdict::Faster) => Self::Faster,
            Some(Verdict::Slower) => Self::Slower,
            Some(Verdict::Equivalent) => Self::Equivalent,
            Some(Verdict::Inconclusive { .. }) => Self::Inconclusive,
            None => Self::NoVerdict,
        }
    }
}

/// One experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Trial {
    /// Seed of the order inside its blocks.
    pub(super) seed: u64,
    pub(super) answer: Answer,
    /// The change of the median over its blocks.
    pub(super) measured: Option<Measured>,
    /// The verdict in one sentence, or the reason why there is none.
    pub(super) conclusion: String,
}

impl Trial {
    pub(super) fn new(seed: u64, comparison: &Comparison) -> Self {
        Self {
            seed,
            answer: Answer::of(comparison.verdict),
            measured: median(comparison),
            conclusion: comparison.conclusion.clone(),
        }
    }
}

/// The change of the median over the blocks.
pub(super) fn median(comparison: &Comparison) -> Option<Measured> {
    let effect = comparison.blocks.as_ref()?.effect(Metric::P50)?;
    Some(Measured::of(effect))
}

/// The experiments with one change, and its true effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    /// The intended change.
    pub(super) change: Change,
    /// The busy loop of each request, in microseconds.
    pub(super) spin_us: f64,
    /// The true change, measured by longer runs than those of the experiments.
    pub(super) truth: Measured,
    /// The planned number of experiments.
    pub(super) planned: u32,
    pub(super) trials: Vec<Trial>,
}

impl Part {
    pub(super) fn count(&self, answer: Answer) -> usize {
        let same = self.trials.iter().filter(|trial| trial.answer == answer);
        same.count()
    }

    pub(super) fn wrong(&self, threshold: f64) -> usize {
        let wrong = |trial: &&Trial| self.is_wrong(trial.answer, threshold);
        self.trials.iter().filter(wrong).count()
    }

    /// Whether that answer is wrong here. A busy loop never makes the service faster, whatever was measured. How much
    /// slower it makes it is measured. An inconclusive answer is not wrong.
    pub(super) fn is_wrong(&self, answer: Answer, threshold: f64) -> bool {
        match answer {
            Answer::Faster => true,
            Answer::Slower => self.change.is_none(),
            Answer::Equivalent => self.truth.change > threshold,
            Answer::Inconclusive | Answer::NoVerdict => false,
        }
    }

    /// Whether the runs of the answer should be kept: it is wrong, or there is no verdict.
    pub(super) fn is_striking(&self, answer: Answer, threshold: f64) -> bool {
        answer == Answer::NoVerdict || self.is_wrong(answer, threshold)
    }

    /// The number of experiments whose interval contains the truth, and of those that have an interval.
    pub(super) fn covered(&self) -> (usize, usize) {
        let measured = || self.trials.iter().filter_map(|trial| trial.measured);
        let holding = measured().filter(|own| own.holds(self.truth.change));
        (holding.count(), measured().count())
    }

    /// The change over all experiments. Each experiment is one independent value. `None` for fewer than two.
    pub(super) fn pooled(&self) -> Option<Measured> {
        let measured = self.trials.iter().filter_map(|trial| trial.measured);
        let logs: Vec<f64> = measured.map(|own| own.change.ln_1p()).collect();
        let Interval {
            estimate,
            low,
            high,
        } = paired_interval(&logs, 0.95)?.map(f64::exp_m1);
        Some(Measured {
            change: estimate,
            low,
            high,
        })
    }
}

/// The 95 % interval of the share `count` of `total`. `None` if `total` is zero.
///
/// This is the score interval of E. B. Wilson, "Probable inference, the law of succession, and statistical inference"
/// (Journal of the American Statistical Association 22, 1927).
pub(super) fn share_interval(count: usize, total: usize) -> Option<(f64, f64)> {
    /// The 97.5th percentile of the standard normal distribution.
    const Z: f64 = 1.959_963_984_540_054;
    if total == 0 {
        return None;
    }
    let (count, total) = (count as f64, total as f64);
    let share = count / total;
    let middle = share + Z * Z / (2.0 * total);
    let half = Z * (share * (1.0 - share) / total + Z * Z / (4.0 * total * total)).sqrt();
    let scale = 1.0 + Z * Z / total;
    Some((
        (middle - half).max(0.0) / scale,
        ((middle + half) / scale).min(1.0),
    ))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A part whose experiments gave these answers, with these changes, each with an interval of one percentage point
    /// either way.
    pub(in crate::simulate) fn part(change: &str, truth: f64, answers: &[(Answer, f64)]) -> Part {
        let around = |change: f64| Measured {
            change,
            low: change - 0.01,
            high: change + 0.01,
        };
        let change: Change = change.parse().unwrap();
        Part {
            change,
            spin_us: change.spin(4.0, 10).as_secs_f64() * 1e6,
            truth: match change.is_none() {
                true => Measured::NO_CHANGE,
                false => around(truth),
            },
            planned: 20,
            trials: answers
                .iter()
                .map(|(answer, change)| Trial {
                    seed: 1,
                    answer: *answer,
                    measured: Some(around(*change)),
                    conclusion: String::new(),
                })
                .collect(),
        }
    }

    #[test]
    fn a_side_that_is_not_there_and_a_change_that_is_denied_are_wrong() {
        use Answer::{Equivalent, Faster, Inconclusive, NoVerdict, Slower};
        for (change, truth, right, wrong) in [
            (
                "aa",
                0.0,
                &[Equivalent, Inconclusive, NoVerdict][..],
                &[Faster, Slower][..],
            ),
            (
                "3%",
                0.031,
                &[Slower, Inconclusive, NoVerdict],
                &[Faster, Equivalent],
            ),
            // The true change was smaller than the intended one.
            ("3%", 0.012, &[Slower, Equivalent], &[Faster]),
            // A measurement on the wrong side does not mean that a busy loop is fast.
            ("3%", -0.002, &[Slower, Equivalent], &[Faster]),
        ] {
            let part = part(change, truth, &[]);
            for answer in right {
                assert!(!part.is_wrong(*answer, 0.02), "{change} {truth} {answer:?}");
            }
            for answer in wrong {
                assert!(part.is_wrong(*answer, 0.02), "{change} {truth} {answer:?}");
            }
        }
    }

    #[test]
    fn wrong_and_missing_verdicts_are_striking() {
        let part = part("aa", 0.0, &[]);
        for (answer, expected) in [
            (Answer::Slower, true),
            (Answer::NoVerdict, true),
            (Answer::Equivalent, false),
            (Answer::Inconclusive, false),
        ] {
            assert_eq!(part.is_striking(answer, 0.02), expected, "{answer:?}");
        }
    }

    #[test]
    fn answers_are_counted_and_intervals_held_against_the_truth() {
        let mut part = part(
            "3%",
            0.03,
            &[
                (Answer::Slower, 0.035),
                (Answer::Equivalent, 0.0),
                (Answer::Slower, 0.025),
            ],
        );
        let counts = Answer::ALL.map(|(answer, _)| part.count(answer));
        assert_eq!(counts, [0, 2, 1, 0, 0]);
        assert_eq!((part.wrong(0.02), part.covered()), (1, (2, 3)));
        part.trials[0].measured = None;
        assert_eq!(part.covered(), (1, 2));
    }

    #[test]
    fn the_experiments_together_tell_the_change_by_their_spread() {
        let two = [(Answer::Slower, 0.21), (Answer::Slower, 1.0 / 1.21 - 1.0)];
        let pooled = part("30%", 0.3, &two).pooled().unwrap();
        // Ratios are averaged as logarithms, so these two cancel.
        assert!(pooled.change.abs() < 1e-12 && pooled.low < -0.5 && pooled.high > 1.0);
        assert_eq!(part("30%", 0.3, &two[..1]).pooled(), None);
    }

    #[test]
    fn shares_have_wilsons_interval() {
        // SciPy: binomtest(0, 50).proportion_ci(method="wilson"), and so on.
        for (count, total, low, high) in [
            (0, 50, 0.0, 0.071_348),
            (1, 50, 0.003_539, 0.104_954),
            (20, 20, 0.838_875, 1.0),
        ] {
            let (own_low, own_high) = share_interval(count, total).unwrap();
            assert!(
                (own_low - low).abs() < 1e-5 && (own_high - high).abs() < 1e-5,
                "{own_low} {own_high}"
            );
        }
        assert_eq!(share_interval(0, 0), None);
    }
}
