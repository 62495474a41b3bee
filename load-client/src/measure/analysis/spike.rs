//! How long after a spike the service is as fast again as before.

use serde::Serialize;

use crate::load::shape::Span;
use crate::measure::moment::Moment;
use crate::stats::quantile;

/// As fast as before: at most this many times the p95 before the spike.
const AS_BEFORE: f64 = 1.2;
/// Length of the window that a moment's p95 is of, in seconds.
const WINDOW_SECONDS: f64 = 10.0;

/// The way back from a spike.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recovery {
    /// Median of the p95 of the windows before the spike, in milliseconds.
    pub before_ms: f64,
    /// Largest p95 of a window from the spike on.
    pub worst_ms: f64,
    /// From the end of the spike to the first window from which on p95 stays within 1.2 times that before, in
    /// seconds; `None` when it did not within the run. Windows are of ten seconds, so it is up to ten seconds
    /// more than it took.
    pub seconds: Option<f64>,
    /// All this for a reader.
    pub sentence: String,
}

/// Finds the recovery from the stage named `spike`. `None` without such a stage, one before it and one
/// after it, and where windows have too few replies for a p95.
#[must_use]
pub(crate) fn recovery(history: &[Moment], spans: &[Span]) -> Option<Recovery> {
    let index = spans.iter().position(|span| span.name == "spike")?;
    let (before, spike) = (spans.get(index.checked_sub(1)?)?, &spans[index]);
    spans.get(index + 1)?;
    let p95s = history.iter().filter(|moment| !moment.warm_up);
    let p95s: Vec<(f64, f64)> = p95s
        .filter_map(|moment| {
            let window = moment.total.window.as_ref()?;
            Some((moment.seconds, window.percentile(0.95)?))
        })
        .collect();
    let within = |from: f64, to: f64| {
        let inside = p95s.iter().filter(move |(at, _)| (from..to).contains(at));
        inside.map(|(_, p95)| *p95)
    };
    // A window that reaches back beyond the stage is not of the stage.
    let from = (before.start_seconds + WINDOW_SECONDS).min(spike.start_seconds - 1.0);
    let before: Vec<f64> = within(from, spike.start_seconds).collect();
    let before_ms = quantile(&before, 0.5)?;
    let worst_ms = within(spike.start_seconds, f64::INFINITY).reduce(f64::max)?;
    let after: Vec<_> = p95s
        .iter()
        .filter(|(at, _)| *at >= spike.end_seconds)
        .collect();
    let slow = |(_, p95): &&(f64, f64)| *p95 > AS_BEFORE * before_ms;
    let recovered = match after.iter().rposition(slow) {
        None => after.first(),
        Some(last_slow) => after.get(last_slow + 1),
    };
    let seconds = recovered.map(|(at, _)| at - spike.end_seconds);
    let told = match seconds {
        Some(seconds) => format!("recovered within {seconds:.0} s (windows of 10 s)"),
        None => "did not recover within the run".to_owned(),
    };
    Some(Recovery {
        before_ms,
        worst_ms,
        seconds,
        sentence: format!(
            "{told}: p95 was {before_ms:.3} ms before the spike and {worst_ms:.3} ms at its worst"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::analysis::tests::{latency, moment, span};

    fn spans() -> [Span; 3] {
        [
            span("base", 0.0, 60.0),
            span("spike", 60.0, 90.0),
            span("recovery", 90.0, 150.0),
        ]
    }

    /// 10 ms, 100 ms from the spike on, and again 11 ms from `recovered` on, but for one relapse.
    fn history(recovered: u32, relapse: u32) -> Vec<Moment> {
        let second = |second: u32| {
            let is_slow = (60..recovered).contains(&second) || second == relapse;
            let p95 = match second {
                0..60 => 10.0,
                _ if is_slow => 100.0,
                _ => 11.0,
            };
            moment(f64::from(second), Some(latency(5.0, p95)))
        };
        (0..150).map(second).collect()
    }

    #[test]
    fn the_time_to_recover_counts_from_the_end_of_the_spike() {
        let found = recovery(&history(110, 0), &spans()).unwrap();
        assert_eq!((found.before_ms, found.worst_ms), (10.0, 100.0));
        assert_eq!(found.seconds, Some(20.0));
        let at_once = recovery(&history(80, 0), &spans()).unwrap();
        assert_eq!(at_once.seconds, Some(0.0));
    }

    #[test]
    fn a_relapse_is_no_recovery() {
        let found = recovery(&history(110, 130), &spans()).unwrap();
        assert_eq!(found.seconds, Some(41.0));
        let never = recovery(&history(150, 0), &spans()).unwrap();
        assert_eq!(never.seconds, None);
        assert!(
            never.sentence.starts_with("did not recover"),
            "{}",
            never.sentence
        );
    }

    #[test]
    fn undefined_without_a_spike_or_without_figures() {
        assert_eq!(recovery(&history(110, 0), &spans()[..2]), None);
        assert_eq!(recovery(&history(110, 0), &spans()[1..]), None);
        let silent: Vec<_> = (0..150).map(|at| moment(f64::from(at), None)).collect();
        assert_eq!(recovery(&silent, &spans()), None);
    }
}
