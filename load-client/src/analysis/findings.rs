//! All that the analyses find in one run.

use serde::Serialize;

use super::{
    BreakingPoint, Drift, Limit, Recovery, breaking_point, latency_drift, memory_growth, recovery,
};
use crate::memory::MemoryPoint;
use crate::moment::Moment;
use crate::shape::Span;
use crate::summary::StageResult;

/// What a run shows beyond its figures. A part is `None` when the run cannot tell.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Findings {
    /// Whether response times drifted, in the longest stage or the whole run.
    pub drift: Option<Drift>,
    /// Whether the service's memory grew.
    pub memory: Option<Drift>,
    /// The stage that broke a limit; only with limits.
    pub breaking_point: Option<BreakingPoint>,
    /// How the service came back from a stage named `spike`.
    pub recovery: Option<Recovery>,
}

impl Findings {
    /// Looks for all of it.
    #[must_use]
    pub fn of(
        history: &[Moment],
        stages: &[StageResult],
        memory: &[MemoryPoint],
        limits: &[Limit],
    ) -> Self {
        let spans: Vec<Span> = stages.iter().map(|stage| stage.span.clone()).collect();
        let length = |span: &&Span| span.end_seconds - span.start_seconds;
        let longest = spans
            .iter()
            .max_by(|one, other| length(one).total_cmp(&length(other)));
        let (start, end) = longest.map_or((0.0, f64::INFINITY), |span| {
            (span.start_seconds, span.end_seconds)
        });
        let breaking = |stage: &StageResult| broken_limit(limits, stage);
        Self {
            drift: latency_drift(history, start, end),
            memory: memory_growth(memory),
            breaking_point: match limits {
                [] => None,
                _ => breaking_point(stages, breaking),
            },
            recovery: recovery(history, &spans),
        }
    }

    /// A sentence for each finding.
    #[must_use]
    pub fn sentences(&self) -> Vec<&str> {
        let drifts = [&self.drift, &self.memory].into_iter().flatten();
        let drifts = drifts.map(|drift| &*drift.sentence);
        let breaking = self.breaking_point.iter().map(|point| &*point.sentence);
        let recovery = self.recovery.iter().map(|recovery| &*recovery.sentence);
        drifts.chain(breaking).chain(recovery).collect()
    }
}

/// How a stage breaks the first of the limits that it breaks.
#[must_use]
pub(crate) fn broken_limit(limits: &[Limit], stage: &StageResult) -> Option<String> {
    limits.iter().find_map(|limit| limit.broken_by(stage))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tests::{latency, moment, stage};

    #[test]
    fn what_a_run_cannot_tell_is_not_told() {
        let nothing = Findings::of(&[], &[], &[], &[]);
        assert_eq!(nothing, Findings::default());
        let history: Vec<_> = (0..200)
            .map(|second| moment(f64::from(second), Some(latency(5.0, 9.0))))
            .collect();
        let limit = "p95<50ms".parse().unwrap();
        let stages = [stage("step 1", 9.0, 0), stage("step 2", 90.0, 0)];
        let found = Findings::of(&history, &stages, &[], &[limit]);
        assert!(found.drift.is_none(), "a stage of one second");
        assert_eq!(found.sentences().len(), 1);
        let plain = Findings::of(&history, &[], &[], &[]);
        assert!(plain.sentences()[0].starts_with("no drift"));
    }
}
