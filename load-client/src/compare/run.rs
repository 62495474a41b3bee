//! What is known of one run; the two sides of a comparison, and what they are called.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use serde::Serialize;

use crate::compare::Warning;

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
