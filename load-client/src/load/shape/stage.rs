//! The stages of a run: for how long which load is wanted.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::{Segment, show_rate};

/// What a stage wants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// A closed loop.
    Users {
        /// Number of users.
        users: u32,
        /// Users started per second; above 0. A ramp has its own.
        spawn_rate: f64,
    },
    /// An open loop, in requests per second.
    Rate(f64),
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Users { users, .. } => write!(formatter, "{users} user(s)"),
            Self::Rate(rate) => write!(formatter, "{}", show_rate(*rate)),
        }
    }
}

/// A part of the run with one target.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// What reports call it.
    pub name: String,
    /// How long it is.
    pub duration: Duration,
    /// What it wants, at its end if it is a ramp.
    pub target: Target,
    /// Whether the load goes in a straight line from the previous stage's target to its own.
    pub ramp: bool,
}

/// Where a stage lies in its run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Span {
    /// The stage's name.
    pub name: String,
    /// What it wants, in words.
    pub target: String,
    /// Its start, in seconds from the start of the run.
    pub start_seconds: f64,
    /// Its end.
    pub end_seconds: f64,
}

/// Where each stage lies.
#[must_use]
pub(crate) fn spans(stages: &[Stage]) -> Vec<Span> {
    let mut end = Duration::ZERO;
    let mut span = |stage: &Stage| {
        let start = end;
        end += stage.duration;
        Span {
            name: stage.name.clone(),
            target: match stage.ramp {
                true => format!("ramp to {}", stage.target),
                false => stage.target.to_string(),
            },
            start_seconds: start.as_secs_f64(),
            end_seconds: end.as_secs_f64(),
        }
    };
    stages.iter().map(&mut span).collect()
}

/// The rate over time that the stages of an open loop want. Stages of users want none.
#[must_use]
pub(crate) fn segments(stages: &[Stage]) -> Vec<Segment> {
    let mut last = 0.0;
    let mut segment = |stage: &Stage| {
        let to = match stage.target {
            Target::Rate(rate) => rate,
            Target::Users { .. } => 0.0,
        };
        let from = if stage.ramp { last } else { to };
        last = to;
        Segment {
            duration: Some(stage.duration),
            from,
            to,
        }
    };
    stages.iter().map(&mut segment).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_follow_each_other() {
        let stage = |name: &str, seconds, rate, ramp| Stage {
            name: name.to_owned(),
            duration: Duration::from_secs(seconds),
            target: Target::Rate(rate),
            ramp,
        };
        let stages = [stage("up", 10, 50.0, true), stage("hold", 30, 50.0, false)];
        let spans = spans(&stages);
        assert_eq!(
            (&*spans[0].target, &*spans[1].target),
            ("ramp to 50/s", "50/s")
        );
        assert_eq!((spans[1].start_seconds, spans[1].end_seconds), (10.0, 40.0));
        let segments = segments(&stages);
        assert_eq!((segments[0].from, segments[0].to), (0.0, 50.0));
        assert_eq!((segments[1].from, segments[1].to), (50.0, 50.0));
    }
}
