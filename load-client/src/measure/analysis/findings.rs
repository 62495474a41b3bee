//! All that the analyses find in one run.

use serde::Serialize;

use super::{
    BreakingPoint, Drift, Recovery, breaking_point, latency_drift, memory_growth, recovery,
};
use crate::load::shape::Span;
use crate::measure::memory::MemoryPoint;
use crate::measure::moment::Moment;
use crate::measure::summary::StageResult;

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
    /// Looks for all of it. `broken` tells how each stage breaks a limit, if there are limits.
    #[must_use]
    pub fn of(
        history: &[Moment],
        stages: &[StageResult],
        memory: &[MemoryPoint],
        broken: Option<&[Option<String>]>,
    ) -> Self {
        let spans: Vec<Span> = stages.iter().map(|stage| stage.span.clone()).collect();
        let length = |span: &&Span| span.end_seconds - span.start_seconds;
        let longest = spans
            .iter()
            .max_by(|one, other| length(one).total_cmp(&length(other)));
        let (start, end) = longest.map_or((0.0, f64::INFINITY), |span| {
            (span.start_seconds, span.end_seconds)
        });
        Self {
            drift: latency_drift(history, start, end),
            memory: memory_growth(memory),
            breaking_point: broken.and_then(|broken| breaking_point(stages, broken)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::analysis::tests::{latency, moment, stage};

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
}
