//! What is known of one run, the names of both sides, and the steps in which latencies are recorded.
//!
//! A median of whole milliseconds stands for any within a step. The bounds of what that hides are those of the worst
//! case (Manski, *Partial Identification of Probability Distributions*, 2003, section 1.4): they do not shrink with more
//! requests or blocks, because every block may err to the same side.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use serde::Serialize;

use crate::compare::Warning;
use crate::stats::{Interval, SortedSample};

/// The measured requests of one run, without its warm-up.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Run {
    /// Where the run came from, usually its file name.
    pub label: String,
    /// What was asked for: request type and name of each kind of request.
    pub(crate) kinds: BTreeSet<String>,
    /// Latencies of the requests that were answered well, in milliseconds.
    pub latencies_ms: Vec<f64>,
    /// Whether they are in the order of sending; what depends on that order is left out otherwise.
    pub(crate) is_ordered: bool,
    /// The same run for each kind of request alone; empty unless there is more than one.
    pub(crate) parts: BTreeMap<String, Run>,
    /// Requests that failed: time-outs, send errors, error replies.
    pub failures: u64,
    /// Ok replies per second over the measured window; `None` when the file has no timestamps.
    pub throughput: Option<f64>,
    /// Whether the throughput is over the time from the first to the last request, because nothing tells the
    /// window that was asked for.
    pub window_is_guessed: bool,
    /// Requests left out because they were sent during the warm-up.
    pub(crate) warm_up: u64,
    /// Requests still in flight when the run was cut short: neither answered nor failed.
    pub(crate) censored: u64,
    /// How the run went over its time, warm-up included; empty when the file has no timestamps.
    pub(crate) timeline: Vec<TimeBin>,
    /// What was tolerated while reading, one sentence each.
    pub(crate) warnings: Vec<Warning>,
    /// Why its figures must not be used, if its load client said so.
    pub invalid: Vec<String>,
    /// When it started, if its summary or its time stamps say so.
    pub started: Option<SystemTime>,
    /// When its file was last written.
    pub(crate) written: Option<SystemTime>,
    /// The identifier that its summary gives it.
    pub(crate) run_id: Option<String>,
    /// A digest of its file's requests; runs that share it are copies.
    pub(crate) digest: Option<u64>,
}

impl Run {
    /// A run of good replies, with nothing else to tell.
    #[must_use]
    pub fn new(label: String, latencies_ms: Vec<f64>) -> Self {
        Self {
            label,
            latencies_ms,
            is_ordered: true,
            ..Self::default()
        }
    }
}

/// A stretch of a run's time, for charts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct TimeBin {
    /// Its middle, in seconds from the first request.
    pub(crate) seconds: f64,
    /// Median of the replies to what was sent in it, in milliseconds.
    pub(crate) median_ms: f64,
    /// Their 95th percentile.
    pub(crate) p95_ms: f64,
    /// Whether it belongs to the warm-up.
    pub(crate) warm_up: bool,
}

/// One of the two sides of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// What is compared against.
    Baseline,
    /// What was changed.
    Changed,
}

impl Side {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Baseline => Self::Changed,
            Self::Changed => Self::Baseline,
        }
    }
}

impl std::fmt::Display for Side {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Baseline => "baseline",
            Self::Changed => "changed",
        })
    }
}

/// Letters of a side's name: more would make its columns too wide.
const LONGEST_NAME: usize = 40;
/// What a name may have beside letters, digits and blanks: nothing that is markup in any of the outputs.
const SIGNS: &str = "._-+/:=,";

/// The names of both sides; `baseline` and `changed` unless others are given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names([String; 2]);

/// Why a side cannot be called so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It is empty, long, or has signs that no name has.
    #[error("takes 1 to {LONGEST_NAME} letters, digits, blanks or signs of {SIGNS}")]
    Unfit,
    /// Nobody could tell the sides apart.
    #[error("both sides are called {0:?}: give each a name of its own")]
    Same(String),
}

impl Names {
    /// Names the side compared against, and the one that was changed.
    ///
    /// # Errors
    ///
    /// When a name is empty, long or has unusual signs, or when both are the same.
    pub fn try_new(baseline: &str, changed: &str) -> Result<Self, NameError> {
        let (baseline, changed) = (side_name(baseline)?, side_name(changed)?);
        if baseline == changed {
            return Err(NameError::Same(baseline));
        }
        Ok(Self([baseline, changed]))
    }

    /// The baseline's name and the changed side's.
    pub(super) fn both(&self) -> [&str; 2] {
        self.0.each_ref().map(String::as_str)
    }
}

impl Default for Names {
    fn default() -> Self {
        Self([Side::Baseline, Side::Changed].map(|side| side.to_string()))
    }
}

/// Reads the name of one side.
pub(crate) fn side_name(text: &str) -> Result<String, NameError> {
    let name = text.trim();
    let is_fit = |own: char| own.is_alphanumeric() || own == ' ' || SIGNS.contains(own);
    if (1..=LONGEST_NAME).contains(&name.chars().count()) && name.chars().all(is_fit) {
        Ok(name.to_owned())
    } else {
        Err(NameError::Unfit)
    }
}

/// Powers of ten that are tried as the step, coarsest first.
const EXPONENTS: std::ops::RangeInclusive<i32> = -9..=2;
/// How far from a whole number of steps a value may lie, in steps: the rounding of its digits.
const SLACK: f64 = 1e-3;
/// Values closer than this share of themselves are one value that was rounded in other ways.
const SAME: f64 = 1e-9;

/// The step between the values that a sample can hold, such as 1.0 for whole milliseconds.
///
/// Two signs are looked for, and the coarser counts: the largest power of ten of which all values are
/// multiples, as digits cut off leave it; and, where at least half of the values are tied with another,
/// the smallest gap between tied values, as the ticks of a clock leave it. Ties are the mark of recorded
/// values that stand for a whole cell (Sheppard, "On the Calculation of the Most Probable Values of
/// Frequency-Constants, for Data Arranged According to Equidistant Division of a Scale", Proceedings of
/// the London Mathematical Society 29, 1898).
///
/// `None` when no step is seen: values of full precision, or nothing but zeroes.
pub(super) fn lattice_step(sample: &SortedSample) -> Option<f64> {
    if sample.max() == 0.0 && sample.min() == 0.0 {
        return None;
    }
    let decimal = decimal_step(sample.values());
    let tick = tick(sample.values());
    decimal.into_iter().chain(tick).reduce(f64::max)
}

fn decimal_step(values: &[f64]) -> Option<f64> {
    let is_multiple = |steps: f64| (steps - steps.round()).abs() < SLACK;
    let mut steps = EXPONENTS.rev().map(|exponent| 10.0_f64.powi(exponent));
    steps.find(|step| values.iter().all(|value| is_multiple(value / step)))
}

fn tick(sorted: &[f64]) -> Option<f64> {
    let groups = sorted.chunk_by(|one, other| other - one <= SAME * other.abs());
    let groups: Vec<&[f64]> = groups.collect();
    let tied: Vec<&[f64]> = groups
        .iter()
        .copied()
        .filter(|group| group.len() > 1)
        .collect();
    if tied.iter().map(|group| group.len()).sum::<usize>() * 2 < sorted.len() {
        return None;
    }
    let smallest_gap = |groups: &[&[f64]]| {
        let gaps = groups.windows(2).map(|pair| pair[1][0] - pair[0][0]);
        gaps.reduce(f64::min)
    };
    // A single tied value says only how far its neighbours are.
    smallest_gap(&tied).or_else(|| smallest_gap(&groups))
}

/// How far the logarithm of a value may lie from the truth because of the steps; `None` below half a step.
pub(super) fn hidden_at(value: f64, step: f64) -> Option<f64> {
    let half = step / 2.0;
    if half == 0.0 {
        return Some(0.0);
    }
    (value > half).then(|| ((value + half) / (value - half)).ln())
}

/// Widens an interval of a relative change by what the steps hide, in logarithms.
pub(super) fn widened(interval: Interval, hidden: f64) -> Interval {
    Interval {
        low: (interval.low.ln_1p() - hidden).exp_m1(),
        high: (interval.high.ln_1p() + hidden).exp_m1(),
        ..interval
    }
}

/// A step in words: `steps of 1 ms`.
pub(super) fn in_words(step: f64) -> String {
    // Six digits are nanoseconds; more is the rounding of the search for the step.
    format!("steps of {} ms", (step * 1e6).round() / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_few_plain_words() {
        for name in [
            "serial",
            "one task per record",
            "v1.2-3+f00d",
            "Größe 2",
            &"x".repeat(40),
        ] {
            assert_eq!(side_name(&format!(" {name} ")).as_deref(), Ok(name));
        }
        for text in [
            "",
            "  ",
            "a\nb",
            "<b>",
            "a|b",
            "\u{1b}[31m",
            "@all",
            "a&b",
            &"x".repeat(41),
        ] {
            assert_eq!(side_name(text), Err(NameError::Unfit), "{text:?}");
        }
    }

    #[test]
    fn the_sides_are_told_apart() {
        let names = Names::try_new("serial", "tasks").unwrap();
        assert_eq!(names.both(), ["serial", "tasks"]);
        let same = Names::try_new("tasks", " tasks ").unwrap_err();
        assert!(
            same.to_string().contains("both sides are called \"tasks\""),
            "{same}"
        );
    }
}

#[cfg(test)]
mod resolution_tests {
    use super::*;
    use crate::stats::SplitMix64;

    fn drawn(count: usize, step: f64) -> SortedSample {
        let mut random = SplitMix64::new(11);
        let values = (0..count).map(|_| {
            let value = 4.0 + 8.0 * random.unit();
            if step > 0.0 {
                (value / step).round() * step
            } else {
                value
            }
        });
        SortedSample::new(&values.collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn resolution_is_found_by_digits_and_by_ties() {
        for step in [1.0, 0.1, 0.001, 10.0] {
            let found = lattice_step(&drawn(400, step)).unwrap();
            assert!((found - step).abs() < 1e-9, "{step}: {found}");
        }
        // Ticks of a clock, which are no power of ten.
        for step in [15.625 / 10.0, 1.0 / 3.0] {
            let found = lattice_step(&drawn(400, step)).unwrap();
            assert!((found - step).abs() < 1e-9, "{step}: {found}");
        }
    }

    #[test]
    fn stray_values_do_not_hide_the_ticks() {
        let mut values = drawn(400, 1.0).values().to_vec();
        values.extend(drawn(40, 0.0).values());
        let sample = SortedSample::new(&values).unwrap();
        assert_eq!(lattice_step(&sample), Some(1.0));
        let noisy: Vec<f64> = drawn(400, 1.0)
            .values()
            .iter()
            .enumerate()
            .map(noise)
            .collect();
        let found = lattice_step(&SortedSample::new(&noisy).unwrap()).unwrap();
        assert!((found - 1.0).abs() < 1e-6, "{found}");
    }

    fn noise((index, value): (usize, &f64)) -> f64 {
        value * (1.0 + 1e-13 * index as f64)
    }

    #[test]
    fn values_of_full_precision_have_no_step() {
        for count in [1, 20, 400, 20_000] {
            assert_eq!(lattice_step(&drawn(count, 0.0)), None, "{count}");
        }
        assert_eq!(lattice_step(&SortedSample::new(&[0.0; 9]).unwrap()), None);
    }

    #[test]
    fn one_value_has_the_step_of_its_digits() {
        let of = |value: f64| lattice_step(&SortedSample::new(&[value; 50]).unwrap());
        assert_eq!(of(4.0), Some(1.0));
        assert!((of(4.25).unwrap() - 0.01).abs() < 1e-12);
    }
}
