//! Evaluates runs with a shape: the drift over a soak, the breaking point of a stress, and the recovery from a spike.

mod drift;

use serde::Serialize;

use self::drift::{Drift, Recovery, latency_drift, memory_growth, recovery};
use crate::load::plan::Span;
use crate::load::search::Capacity;
use crate::measure::history::Moment;
use crate::measure::memory::MemoryPoint;
use crate::measure::summary::StageResult;

/// The findings of a run beyond its figures. A part is `None` when the run does not show it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Findings {
    /// Whether response times drifted, in the longest stage or the whole run.
    pub drift: Option<Drift>,
    /// Whether the service's memory grew.
    pub memory: Option<Drift>,
    /// The first stage that broke a limit, if there are limits.
    pub breaking_point: Option<BreakingPoint>,
    /// The highest rate that held, if the run searched for it.
    pub capacity: Option<Capacity>,
    /// The recovery of the service after a stage named `spike`.
    pub recovery: Option<Recovery>,
}

impl Findings {
    /// Looks for all findings. `broken` says how each stage breaks a limit, if there are limits.
    #[must_use]
    pub fn of(
        history: &[Moment],
        stages: &[StageResult],
        memory: &[MemoryPoint],
        broken: Option<&[Option<String>]>,
    ) -> Self {
        let spans: Vec<&Span> = stages.iter().map(|stage| &stage.span).collect();
        let length = |span: &Span| span.end_seconds - span.start_seconds;
        let longest = spans.iter();
        let longest = longest.max_by(|one, other| length(one).total_cmp(&length(other)));
        let (start, end) = longest.map_or((0.0, f64::INFINITY), |span| {
            (span.start_seconds, span.end_seconds)
        });
        Self {
            drift: latency_drift(history, start, end),
            memory: memory_growth(memory),
            capacity: None,
            breaking_point: broken.and_then(|broken| breaking_point(stages, broken)),
            recovery: recovery(history, &spans),
        }
    }

    /// Returns a sentence for each finding.
    #[must_use]
    pub fn sentences(&self) -> Vec<&str> {
        let found = [
            self.drift.as_ref().map(|own| &*own.sentence),
            self.memory.as_ref().map(|own| &*own.sentence),
            self.breaking_point.as_ref().map(|own| &*own.sentence),
            self.capacity.as_ref().map(|own| &*own.sentence),
            self.recovery.as_ref().map(|own| &*own.sentence),
        ];
        found.into_iter().flatten().collect()
    }
}

/// The loads between which the limit lies.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BreakingPoint {
    /// The last stage that held.
    pub held: Option<Span>,
    /// The first stage that broke a limit. `None` if all held.
    pub broke: Option<Span>,
    /// How it broke the limit.
    pub reason: Option<String>,
    /// The result as a sentence.
    pub sentence: String,
}

/// Finds the first stage that breaks a limit. `broken` says how each stage does. `None` when no stage has begun.
fn breaking_point(stages: &[StageResult], broken: &[Option<String>]) -> Option<BreakingPoint> {
    let all = stages.iter().zip(broken);
    let begun = all.filter(|(stage, _)| stage.requests > 0);
    let begun: Vec<_> = begun.map(|(stage, reason)| (&stage.span, reason)).collect();
    let holding = begun.iter().take_while(|(_, reason)| reason.is_none());
    let held = holding.last().map(|(span, _)| *span);
    let broke = begun
        .iter()
        .find_map(|(span, reason)| Some((*span, reason.as_ref()?)));
    let name = |span: &Span| format!("{} ({})", span.name, span.target);
    let sentence = match broke {
        None => format!("all stages held, up to {}", name(held?)),
        Some((broke, reason)) => format!(
            "broke at {}: {reason}; the last stage that held: {}",
            name(broke),
            held.map_or("none".to_owned(), name)
        ),
    };
    Some(BreakingPoint {
        held: held.cloned(),
        broke: broke.map(|(span, _)| span.clone()),
        reason: broke.map(|(_, reason)| reason.clone()),
        sentence,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::load::plan::Span;
    use crate::measure::history::{Moment, MomentRow};
    use crate::measure::summary::{Latency, Percentile, Rates, StageResult};

    #[test]
    fn what_a_run_cannot_tell_is_not_told() {
        let nothing = Findings::of(&[], &[], &[], None);
        assert_eq!(nothing, Findings::default());
        let history: Vec<_> = (0..200)
            .map(|second| moment(f64::from(second), Some(latency(5.0, 9.0))))
            .collect();
        let broken = [None, Some("90.000 ms".to_owned())];
        let stages = [stage("step 1", 9.0, 0), stage("step 2", 90.0, 0)];
        let found = Findings::of(&history, &stages, &[], Some(&broken));
        assert!(found.drift.is_none(), "a stage of one second");
        assert_eq!(found.sentences().len(), 1);
        let plain = Findings::of(&history, &[], &[], None);
        assert!(plain.sentences()[0].starts_with("no drift"));
    }

    fn found(p95s: &[f64]) -> Option<BreakingPoint> {
        let stages: Vec<_> = p95s
            .iter()
            .enumerate()
            .map(|(index, p95)| stage(&format!("step {}", index + 1), *p95, 0))
            .collect();
        let broken = p95s
            .iter()
            .map(|p95| (*p95 >= 50.0).then(|| format!("{p95:.3} ms, the limit is p95<50ms")));
        breaking_point(&stages, &broken.collect::<Vec<_>>())
    }

    #[test]
    fn the_limit_lies_between_two_steps() {
        let found = found(&[5.0, 8.0, 70.0, 20.0]).unwrap();
        assert_eq!(found.held.unwrap().name, "step 2");
        assert_eq!(
            found.sentence,
            "broke at step 3 (100/s): 70.000 ms, the limit is p95<50ms; the last stage that held: step 2 (100/s)"
        );
    }

    #[test]
    fn all_or_none_may_hold() {
        let all = found(&[5.0, 8.0]).unwrap();
        assert_eq!(
            (all.broke, all.held.unwrap().name),
            (None, "step 2".to_owned())
        );
        let none = found(&[90.0, 8.0]).unwrap();
        assert_eq!(none.held, None);
        assert!(none.sentence.ends_with("held: none"), "{}", none.sentence);
        assert_eq!(found(&[]), None);
    }

    pub(crate) fn latency(median_ms: f64, p95_ms: f64) -> Latency {
        Latency {
            count: 1000,
            mean_ms: median_ms,
            min_ms: median_ms,
            max_ms: p95_ms,
            median_ms,
            percentiles: vec![Percentile {
                quantile: 0.95,
                ms: p95_ms,
            }],
        }
    }

    pub(crate) fn moment(seconds: f64, window: Option<Latency>) -> Moment {
        Moment {
            seconds,
            unix_seconds: 0,
            users: 1,
            warm_up: false,
            kinds: Vec::new(),
            total: MomentRow {
                name: "Aggregated".to_owned(),
                rates: Rates::default(),
                window,
                requests: 0,
                failures: 0,
            },
        }
    }

    pub(crate) fn span(name: &str, start_seconds: f64, end_seconds: f64) -> Span {
        Span {
            name: name.to_owned(),
            target: "100/s".to_owned(),
            start_seconds,
            end_seconds,
        }
    }

    pub(crate) fn stage(name: &str, p95_ms: f64, failures: u64) -> StageResult {
        StageResult {
            span: span(name, 0.0, 1.0),
            requests: 1000,
            failures,
            throughput: Some(100.0),
            response: Some(latency(p95_ms / 2.0, p95_ms)),
        }
    }
}
