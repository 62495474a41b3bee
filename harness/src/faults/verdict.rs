//! The result of a round: its figures, and the findings of the oracles. Pure.

use std::collections::BTreeSet;

use serde::Serialize;

use super::evidence::{Evidence, Outcome};
use super::kind::Fault;
use super::oracles::{self, Finding};
use super::plan::Round;

/// The figures of one round.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Records that the broker accepted.
    pub requests: usize,
    /// Replies beyond the first of each record, as a share of the records.
    pub duplicates: f64,
    /// Records in the dead-letter topic without a reply.
    pub dead_lettered: usize,
    /// Records whose replies are all 5xx.
    pub failed: usize,
    /// Records with an order whose reply may be gone, with its deleted topic or with a leader that was alone in sync.
    pub replies_deleted: usize,
    /// Milliseconds from the end of the fault until the throughput is back at 90 %.
    pub recovery_ms: Option<i64>,
    /// Records without order and reply, dead letter or failure. This must be 0.
    pub lost: usize,
    /// Peak memory of an instance of the service, in bytes.
    pub service_memory: Option<u64>,
    /// Accepted requests that an unclean election lost, which Kafka permits.
    pub lost_by_kafka: usize,
    /// Accepted requests that took the offsets of lost ones below the committed offset, and were not read.
    pub skipped: usize,
    /// Instances that ended after an error that Kafka calls fatal, and were started again: fenced static members, and
    /// producers after an unclean election.
    pub told_to_end: u32,
    /// Committed offsets that were compared with the answers at that time.
    pub commits: usize,
}

/// A round and its result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// The plan.
    pub round: Round,
    /// The figures; `None` for a round that broke off.
    pub figures: Option<Figures>,
    /// The broken promises.
    pub findings: Vec<Finding>,
}

/// Asks all oracles that apply to this round.
#[must_use]
pub(super) fn judge(round: &Round, evidence: &Evidence) -> Verdict {
    let mut findings = oracles::lost(evidence);
    if evidence.replies_gone.is_none() {
        findings.extend(oracles::given_up(evidence));
    }
    findings.extend(oracles::orders(evidence));
    findings.extend(oracles::kept(evidence));
    findings.extend(oracles::passed(evidence));
    if !round.has(Fault::leaves_zombies) {
        findings.extend(oracles::replays(evidence));
    }
    // After an unclean election some records are read again from the beginning.
    let is_in_order = evidence.replies_gone.is_none() && evidence.alone.is_none();
    if round.dispatch == "keyed" && is_in_order {
        findings.extend(oracles::order_of_keys(evidence));
    }
    findings.extend(oracles::recovered(evidence));
    findings.extend(oracles::lag(evidence));
    findings.extend(oracles::group(evidence));
    findings.extend(oracles::memory(evidence));
    findings.extend(oracles::misbehaviour(evidence));
    Verdict {
        round: round.clone(),
        figures: Some(figures(evidence)),
        findings,
    }
}

/// The verdict of a round that broke off, which proves nothing.
#[must_use]
pub(super) fn broken_off(round: &Round, cause: &anyhow::Error) -> Verdict {
    Verdict {
        round: round.clone(),
        figures: None,
        findings: vec![Finding {
            oracle: "round",
            text: format!("the round broke off: {cause:#}"),
        }],
    }
}

fn figures(evidence: &Evidence) -> Figures {
    let (mut replied, mut failed, mut dead) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut replies = 0;
    for answer in &evidence.answers {
        match answer.outcome {
            Outcome::Reply { status: 200, .. } => replied.insert(&*answer.id),
            Outcome::Reply { .. } => failed.insert(&*answer.id),
            Outcome::DeadLetter { .. } => dead.insert(&*answer.id),
        };
        replies += usize::from(matches!(answer.outcome, Outcome::Reply { .. }));
    }
    let answered: BTreeSet<&str> = replied.union(&failed).copied().collect();
    let open = evidence
        .records
        .iter()
        .filter(|record| !answered.contains(&*record.id) && !dead.contains(&*record.id));
    let (open, lost) = (open.count(), oracles::unanswered(evidence).len());
    let services = evidence
        .memory
        .iter()
        .filter(|one| one.name.starts_with("service"));
    Figures {
        requests: evidence.records.len(),
        duplicates: (replies - answered.len()) as f64 / evidence.records.len().max(1) as f64,
        dead_lettered: dead.difference(&answered).count(),
        failed: failed.difference(&replied).count(),
        replies_deleted: open - lost - oracles::skipped(evidence),
        recovery_ms: oracles::recovery(evidence),
        lost,
        lost_by_kafka: oracles::lost_by_kafka(evidence),
        skipped: oracles::skipped(evidence),
        told_to_end: evidence.told_to_end,
        service_memory: services.map(|one| one.most).max(),
        commits: evidence.commits.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::oracles::examples::{dead_letter, record, reply, sound};
    use super::super::plan::plan;
    use super::*;

    #[test]
    fn figures_count_records_and_not_answers() {
        let mut evidence = sound();
        evidence.answers.push(reply("a", 12));
        evidence.records.push(record("c", 1, 0));
        evidence.answers.push(dead_letter("c", "cause"));
        evidence
            .answers
            .push(dead_letter("b", "again, after its reply"));
        evidence.records.push(record("d", 1, 1));
        let figures = figures(&evidence);
        assert_eq!((figures.requests, figures.dead_lettered), (4, 1));
        assert_eq!((figures.duplicates, figures.lost), (0.25, 1));
        assert_eq!((figures.failed, figures.replies_deleted), (0, 0));
    }

    #[test]
    fn order_is_asked_for_where_it_is_promised() {
        let mut evidence = sound();
        evidence.answers.reverse();
        let objects = |dispatch| {
            let mut round = plan(1, 1, &[Fault::KillStore]).remove(0);
            round.dispatch = dispatch;
            let verdict = judge(&round, &evidence);
            verdict
                .findings
                .iter()
                .any(|finding| finding.oracle == "order")
        };
        assert!(objects("keyed") && !objects("tasks"));
    }
}
