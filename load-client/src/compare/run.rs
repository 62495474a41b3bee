//! The data of one run, the names of both sides, and the steps in which latencies are recorded.
//!
//! A median in whole milliseconds stands for any value within a step. The bounds of what a step hides are those of the
//! worst case (Manski, *Partial Identification of Probability Distributions*, 2003, section 1.4). They do not shrink
//! with more requests or blocks, because every block may err in the same direction.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use serde::Serialize;

use crate::compare::Warning;
use crate::stats::{Interval, SortedSample};

/// The measured requests of one run, without its warm-up.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Run {
    /// Name of the run, usually its file name.
    pub label: String,
    /// Request type and name of each kind of request.
    pub(crate) kinds: BTreeSet<String>,
    /// Latencies of the requests that were answered well, in milliseconds.
    pub latencies_ms: Vec<f64>,
    /// Whether the latencies are in the order of sending. Otherwise all figures that depend on the order are left out.
    pub(crate) is_ordered: bool,
    /// The same run for each kind of request alone. Empty unless there is more than one kind.
    pub(crate) parts: BTreeMap<String, Run>,
    /// Requests that failed: time-outs, send errors, error replies.
    pub failures: u64,
    /// Good replies per second over the measured window. `None` when the file has no time stamps.
    pub throughput: Option<f64>,
    /// Whether the throughput covers the time from the first to the last request, because the measured window is not
    /// known.
    pub window_is_guessed: bool,
    /// Requests left out because they were sent during the warm-up.
    pub(crate) warm_up: u64,
    /// Requests still in flight when the run was cut short: neither answered nor failed.
    pub(crate) censored: u64,
    /// The course of the run over time, warm-up included. Empty when the file has no time stamps.
    pub(crate) timeline: Vec<TimeBin>,
    /// What the reader tolerated, one sentence each.
    pub(crate) warnings: Vec<Warning>,
    /// The load client's reasons why the figures must not be used, if it gave any.
    pub invalid: Vec<String>,
    /// When the run started, if its summary or its time stamps show it.
    pub started: Option<SystemTime>,
    /// When its file was last written.
    pub(crate) written: Option<SystemTime>,
    /// The identifier from its summary.
    pub(crate) run_id: Option<String>,
    /// A digest of its file's requests. Runs with the same digest are copies.
    pub(crate) digest: Option<u64>,
}

impl Run {
    /// Makes a run of good replies without any other data.
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
    /// Median of the replies to the requests sent in it, in milliseconds.
    pub(crate) median_ms: f64,
    /// Their 95th percentile, in milliseconds.
    pub(crate) p95_ms: f64,
    /// Whether it belongs to the warm-up.
    pub(crate) warm_up: bool,
}

/// One of the two sides of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The side that the other one is compared against.
    Baseline,
    /// The side with the change.
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

/// The longest name of a side, in characters. Longer names would make the columns too wide.
const LONGEST_NAME: usize = 40;
/// The characters besides letters, digits and spaces that a name may have. None is markup in any of the outputs.
const SIGNS: &str = "._-+/:=,";

/// The names of both sides; `baseline` and `changed` unless others are given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names([String; 2]);

/// The reason why a side cannot have a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is empty, too long, or has other characters.
    #[error("takes 1 to {LONGEST_NAME} letters, digits, spaces or characters of {SIGNS}")]
    Unfit,
    /// With equal names, nobody could tell the sides apart.
    #[error("both sides are called {0:?}: give them different names")]
    Same(String),
}

impl Names {
    /// Names the baseline and the changed side.
    ///
    /// # Errors
    ///
    /// Returns an error when a name is empty, too long or has other characters, or when both are the same.
    pub fn try_new(baseline: &str, changed: &str) -> Result<Self, NameError> {
        let (baseline, changed) = (side_name(baseline)?, side_name(changed)?);
        if baseline == changed {
            return Err(NameError::Same(baseline));
        }
        Ok(Self([baseline, changed]))
    }

    /// Returns the names of the baseline and of the changed side.
    pub(super) fn both(&self) -> [&str; 2] {
        self.0.each_ref().map(String::as_str)
    }
}

impl Default for Names {
    fn default() -> Self {
        Self([Side::Baseline, Side::Changed].map(|side| side.to_string()))
    }
}

/// Checks and returns the name of one side.
pub(crate) fn side_name(text: &str) -> Result<String, NameError> {
    let name = text.trim();
    let is_fit = |own: char| own.is_alphanumeric() || own == ' ' || SIGNS.contains(own);
    if (1..=LONGEST_NAME).contains(&name.chars().count()) && name.chars().all(is_fit) {
        Ok(name.to_owned())
    } else {
        Err(NameError::Unfit)
    }
}

/// The powers of ten that are tried as the step.
const EXPONENTS: std::ops::RangeInclusive<i32> = -9..=2;
/// How far a value may lie from a whole number of steps, in steps. This allows for the rounding of its digits.
const SLACK: f64 = 1e-3;
/// Values whose relative distance is smaller are one value that was rounded in different ways.
const SAME: f64 = 1e-9;

/// Returns the step between the values that a sample can hold, such as 1.0 for whole milliseconds.
///
/// The step is the larger of two candidates. The first is the largest power of ten of which all values are multiples,
/// as cut-off digits leave it. The second is the smallest gap between tied values, as the ticks of a clock leave it. It
/// counts only if at least half of the values are tied with another. Ties are the mark of recorded values that stand
/// for a whole cell (Sheppard, "On the Calculation of the Most Probable Values of Frequency-Constants, for Data
/// Arranged According to Equidistant Division of a Scale", Proceedings of the London Mathematical Society 29, 1898).
///
/// Returns `None` when there is no step: for values of full precision, or nothing but zeroes.
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
    // A single tied value only gives the distance to its neighbours.
    smallest_gap(&tied).or_else(|| smallest_gap(&groups))
}

/// Returns how far the logarithm of a value may lie from the truth because of the steps. `None` for a value that is not
/// above half a step.
pub(super) fn hidden_at(value: f64, step: f64) -> Option<f64> {
    let half = step / 2.0;
    if half == 0.0 {
        return Some(0.0);
    }
    (value > half).then(|| ((value + half) / (value - half)).ln())
}

/// Widens an interval of a relative change by what the steps hide, given as a logarithm.
pub(super) fn widened(interval: Interval, hidden: f64) -> Interval {
    Interval {
        low: (interval.low.ln_1p() - hidden).exp_m1(),
        high: (interval.high.ln_1p() + hidden).exp_m1(),
        ..interval
    }
}

/// Formats a step, such as `steps of 1 ms`.
pub(super) fn in_words(step: f64) -> String {
    // Six digits reach nanoseconds. More digits are rounding errors of the search for the step.
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
        // Ticks of a clock, which are not powers of ten.
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
