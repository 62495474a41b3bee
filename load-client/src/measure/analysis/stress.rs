//! The step at which a stress run breaks.

use serde::Serialize;

use crate::load::shape::Span;
use crate::measure::summary::StageResult;

/// Between which loads the limit lies.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BreakingPoint {
    /// The last stage that held.
    pub held: Option<Span>,
    /// The first stage that broke, and nothing if all held.
    pub broke: Option<Span>,
    /// How it broke.
    pub reason: Option<String>,
    /// All this for a reader.
    pub sentence: String,
}

/// Finds the first stage that breaks a threshold. `broken` tells how each stage does. `None` when no stage was begun.
pub(crate) fn breaking_point(
    stages: &[StageResult],
    broken: &[Option<String>],
) -> Option<BreakingPoint> {
    let all = stages.iter().zip(broken);
    let begun: Vec<_> = all.filter(|(stage, _)| stage.requests > 0).collect();
    let first = begun.iter().position(|(_, reason)| reason.is_some());
    let held = match first {
        Some(index) => index.checked_sub(1).map(|last| begun[last].0),
        None => Some(begun.last()?.0),
    };
    let broke = first.map(|index| begun[index].0);
    let reason = first.and_then(|index| begun[index].1.clone());
    let name = |stage: &StageResult| format!("{} ({})", stage.span.name, stage.span.target);
    let sentence = match (held, broke, &reason) {
        (Some(held), None, _) => format!("all stages held, up to {}", name(held)),
        (held, Some(broke), Some(reason)) => {
            let held = held.map_or("none".to_owned(), name);
            format!(
                "broke at {}: {reason}; the last that held: {held}",
                name(broke)
            )
        }
        _ => return None,
    };
    Some(BreakingPoint {
        held: held.map(|stage| stage.span.clone()),
        broke: broke.map(|stage| stage.span.clone()),
        reason,
        sentence,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::analysis::tests::stage;

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
            "broke at step 3 (100/s): 70.000 ms, the limit is p95<50ms; the last that held: step 2 (100/s)"
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
}
