//! How a service changes over a run: the drift over a soak, and the recovery from a spike.

use serde::Serialize;

use crate::load::plan::Span;
use crate::load::shape::SPIKE;
use crate::measure::history::Moment;
use crate::measure::memory::MemoryPoint;
use crate::measure::summary::Latency;
use crate::stats::{quantile, trend};

/// Length in seconds of the window behind each latency in the history. Closer moments share requests.
const WINDOW_SECONDS: f64 = 10.0;
/// The fewest points that are judged.
const FEWEST: usize = 8;
/// The most points that are compared pairwise. More points are thinned.
const MAX_POINTS: usize = 1000;
/// The trend must exceed what chance gives in 1 % of runs without a trend ...
const Z: f64 = 2.576;
/// ... and it must change the figure by this share over the run. Smaller changes do not matter.
const RELEVANT: f64 = 0.05;

/// How a figure changed over a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drift {
    /// Number of points that were judged.
    pub points: usize,
    /// Time between the first and the last point, in seconds.
    pub seconds: f64,
    /// The figure's median, in milliseconds or bytes.
    pub median: f64,
    /// Slope per hour, by Theil and Sen.
    pub per_hour: f64,
    /// The change over the whole time, as a share of the median.
    pub share: f64,
    /// Score of the Mann-Kendall test, in standard deviations.
    pub z: f64,
    /// Whether both rules are met: |z| is at least 2.576 (1 %), and |share| is at least 5 %.
    pub is_drift: bool,
    /// The result as a sentence.
    pub sentence: String,
}

/// Returns the windows of the history without the warm-up, with their moments in seconds.
fn windows(history: &[Moment]) -> impl Iterator<Item = (f64, &Latency)> {
    let measured = history.iter().filter(|moment| !moment.warm_up);
    measured.filter_map(|moment| Some((moment.seconds, moment.total.window.as_ref()?)))
}

/// Returns the drift of the median response time between two moments of a run, in seconds from its start. Uses windows
/// of ten seconds that do not overlap. `None` when there are too few windows.
pub(super) fn latency_drift(
    history: &[Moment],
    start_seconds: f64,
    end_seconds: f64,
) -> Option<Drift> {
    let mut last = start_seconds;
    let mut points = Vec::new();
    for (seconds, window) in windows(history) {
        // The first window must lie within the stage. The clocks may differ a little.
        if seconds - last >= WINDOW_SECONDS - 0.1 && seconds <= end_seconds + 0.1 {
            points.push((seconds, window.median_ms));
            last = seconds;
        }
    }
    drift(points, |median, per_hour| {
        format!("the median response time of {median:.3} ms changed by {per_hour:+.3} ms an hour")
    })
}

/// Returns the growth of the service's memory. `None` when there are too few readings.
pub(super) fn memory_growth(points: &[MemoryPoint]) -> Option<Drift> {
    let points = points
        .iter()
        .map(|point| (point.seconds, point.resident_bytes));
    drift(points.collect(), |median, per_hour| {
        let [median, per_hour] = [median, per_hour].map(|bytes| bytes / f64::from(1 << 20));
        format!("the service's memory of {median:.1} MiB changed by {per_hour:+.1} MiB an hour")
    })
}

/// Judges the points. `told` gets the median and the change per hour, and returns their sentence.
fn drift(mut points: Vec<(f64, f64)>, told: impl Fn(f64, f64) -> String) -> Option<Drift> {
    let stride = points.len().div_ceil(MAX_POINTS).max(1);
    points = points.into_iter().step_by(stride).collect();
    if points.len() < FEWEST {
        return None;
    }
    let found = trend(&points)?;
    let seconds = points.last()?.0 - points.first()?.0;
    let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    let median = quantile(&values, 0.5).filter(|median| *median > 0.0)?;
    let share = found.slope * seconds / median;
    let is_drift = found.z.abs() >= Z && share.abs() >= RELEVANT;
    let per_hour = found.slope * 3600.0;
    Some(Drift {
        points: points.len(),
        seconds,
        median,
        per_hour,
        share,
        z: found.z,
        is_drift,
        sentence: format!(
            "{}: {} ({:+.1} % over {seconds:.0} s; Mann-Kendall z {:+.1}; a drift needs 5 % and z 2.6)",
            if is_drift { "drift" } else { "no drift" },
            told(median, per_hour),
            100.0 * share,
            found.z
        ),
    })
}

/// The service has recovered when p95 is at most this many times the p95 before the spike.
const AS_BEFORE: f64 = 1.2;

/// The recovery from a spike.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recovery {
    /// Median of the p95 of the windows before the spike, in milliseconds.
    pub before_ms: f64,
    /// Largest p95 of a window from the spike on.
    pub worst_ms: f64,
    /// Time from the end of the spike until p95 stays within 1.2 times the p95 before the spike, in seconds. `None`
    /// when that did not happen within the run. Windows take ten seconds, so the figure may be up to ten seconds too
    /// large.
    pub seconds: Option<f64>,
    /// The result as a sentence.
    pub sentence: String,
}

/// Finds the recovery from the stage named `spike`. `None` without this stage, without a stage before and a stage after
/// it, and when the windows have too few replies for a p95.
pub(super) fn recovery(history: &[Moment], spans: &[&Span]) -> Option<Recovery> {
    let mut neighbours = spans.windows(3);
    let neighbours = neighbours.find(|three| three[1].name == SPIKE)?;
    let (before, spike) = (neighbours[0], neighbours[1]);
    let p95s = windows(history).filter_map(|(at, window)| Some((at, window.percentile(0.95)?)));
    let p95s: Vec<(f64, f64)> = p95s.collect();
    let within = |from: f64, to: f64| {
        let inside = p95s.iter().filter(move |(at, _)| (from..to).contains(at));
        inside.map(|(_, p95)| *p95)
    };
    // A window that begins before the stage is not of the stage.
    let from = (before.start_seconds + WINDOW_SECONDS).min(spike.start_seconds - 1.0);
    let before: Vec<f64> = within(from, spike.start_seconds).collect();
    let before_ms = quantile(&before, 0.5)?;
    let worst_ms = within(spike.start_seconds, f64::INFINITY).reduce(f64::max)?;
    let after = p95s.partition_point(|(at, _)| *at < spike.end_seconds);
    let after = &p95s[after..];
    let last_slow = after
        .iter()
        .rposition(|(_, p95)| *p95 > AS_BEFORE * before_ms);
    let recovered = after.get(last_slow.map_or(0, |last_slow| last_slow + 1));
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

    /// Makes a soak of an hour with a wobble, which rises by `rise_ms` in total.
    fn soak(rise_ms: f64) -> Vec<Moment> {
        let second = |second: u32| {
            let wobble = f64::from(second * 7919 % 100) / 100.0;
            let median = 10.0 + wobble + rise_ms * f64::from(second) / 3600.0;
            moment(f64::from(second), Some(latency(median, 2.0 * median)))
        };
        (0..3600).map(second).collect()
    }

    #[test]
    fn a_rise_is_found_and_a_wobble_is_none() {
        let rising = latency_drift(&soak(2.0), 0.0, 3600.0).unwrap();
        assert!(rising.is_drift, "{}", rising.sentence);
        assert!((rising.per_hour - 2.0).abs() < 0.1, "{}", rising.per_hour);
        let steady = latency_drift(&soak(0.0), 0.0, 3600.0).unwrap();
        assert!(!steady.is_drift, "{}", steady.sentence);
        assert!(
            steady.sentence.starts_with("no drift: "),
            "{}",
            steady.sentence
        );
    }

    #[test]
    fn a_certain_rise_that_nobody_feels_is_no_drift() {
        let slight = latency_drift(&soak(0.4), 0.0, 3600.0).unwrap();
        assert!(slight.z > 3.0 && !slight.is_drift, "{}", slight.sentence);
    }

    #[test]
    fn windows_do_not_overlap_and_lie_within_the_stage() {
        let found = latency_drift(&soak(0.0), 100.0, 300.0).unwrap();
        assert_eq!((found.points, found.seconds), (20, 190.0));
        assert_eq!(latency_drift(&soak(0.0), 0.0, 60.0), None, "six windows");
    }

    #[test]
    fn memory_that_grows() {
        let point = |index: u32| MemoryPoint {
            seconds: f64::from(index) * 5.0,
            resident_bytes: 1e8 + 1e6 * f64::from(index),
        };
        let points: Vec<_> = (0..100).map(point).collect();
        let growth = memory_growth(&points).unwrap();
        assert!(growth.is_drift && (growth.per_hour - 7.2e8).abs() < 1.0);
        assert!(
            growth.sentence.contains("+686.6 MiB an hour"),
            "{}",
            growth.sentence
        );
    }

    /// Returns the recovery of a run with those of these three stages that `kept` names.
    fn recovery_of(history: &[Moment], kept: std::ops::Range<usize>) -> Option<Recovery> {
        let spans = [
            span("base", 0.0, 60.0),
            span("spike", 60.0, 90.0),
            span("recovery", 90.0, 150.0),
        ];
        let spans: Vec<_> = spans[kept].iter().collect();
        recovery(history, &spans)
    }

    /// 10 ms before the spike, 100 ms from the spike on, and 11 ms from `recovered` on, except for one relapse.
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
        let found = recovery_of(&history(110, 0), 0..3).unwrap();
        assert_eq!((found.before_ms, found.worst_ms), (10.0, 100.0));
        assert_eq!(found.seconds, Some(20.0));
        let at_once = recovery_of(&history(80, 0), 0..3).unwrap();
        assert_eq!(at_once.seconds, Some(0.0));
    }

    #[test]
    fn a_relapse_is_no_recovery() {
        let found = recovery_of(&history(110, 130), 0..3).unwrap();
        assert_eq!(found.seconds, Some(41.0));
        let never = recovery_of(&history(150, 0), 0..3).unwrap();
        assert_eq!(never.seconds, None);
        assert!(
            never.sentence.starts_with("did not recover"),
            "{}",
            never.sentence
        );
    }

    #[test]
    fn undefined_without_a_spike_or_without_figures() {
        assert_eq!(recovery_of(&history(110, 0), 0..2), None);
        assert_eq!(recovery_of(&history(110, 0), 1..3), None);
        let silent: Vec<_> = (0..150).map(|at| moment(f64::from(at), None)).collect();
        assert_eq!(recovery_of(&silent, 0..3), None);
    }
}
