//! Nothing is lost: each record is answered, and each answer is right.

use std::collections::BTreeSet;

use super::super::evidence::{Evidence, Outcome, Record};
use super::commits::is_in_a_lost_place;
use super::{ACCEPTED_LATE, Finding, none_of, replies_gone};

const NAME: &str = "lost";

/// Checks that each delivered record is in its topic at the end, unless the topic was created again since, or the
/// new leader lacks the record.
pub(in super::super) fn kept(evidence: &Evidence) -> Option<Finding> {
    let gone = gone(evidence).filter(|id| !is_lost_by_kafka(evidence, id));
    // Records from before the topic was deleted are gone with it. The schedule has their times.
    let went = |id: &&String| {
        let due = evidence.due.get(*id);
        let remade = evidence.requests_gone;
        remade.is_some_and(|gone| due.is_some_and(|due| *due <= gone.end))
    };
    let gone: Vec<String> = gone.filter(|id| !went(id)).cloned().collect();
    none_of("kept", "accepted requests are not in their topic", &gone)
}

fn gone(evidence: &Evidence) -> impl Iterator<Item = &String> {
    let there: BTreeSet<&str> = evidence.records.iter().map(|one| &*one.id).collect();
    let accepted = evidence.accepted.iter();
    accepted.filter(move |id| !there.contains(&***id))
}

/// Kafka permits that an unclean election loses records that only the old leader had.
fn is_lost_by_kafka(evidence: &Evidence, id: &str) -> bool {
    let alone = evidence.alone.zip(evidence.due.get(id));
    alone.is_some_and(|(alone, due)| (alone.begin - ACCEPTED_LATE..=alone.end).contains(due))
}

/// The number of records that were skipped because they took the offsets of lost ones.
pub(in super::super) fn skipped(evidence: &Evidence) -> usize {
    let answers = evidence.answers_by_record();
    let records = evidence.records.iter();
    let open = records.filter(|record| !answers.contains_key(&*record.id));
    open.filter(|record| is_in_a_lost_place(evidence, record))
        .count()
}

/// The number of accepted records that an unclean election lost.
pub(in super::super) fn lost_by_kafka(evidence: &Evidence) -> usize {
    gone(evidence)
        .filter(|id| is_lost_by_kafka(evidence, id))
        .count()
}

/// Records without any answer. Records with an order whose reply may be gone do not count.
pub(in super::super) fn unanswered(evidence: &Evidence) -> Vec<String> {
    let answers = evidence.answers_by_record();
    let stored: BTreeSet<&str> = evidence.orders.iter().map(|one| &*one.request).collect();
    let excused = |record: &Record| {
        let is_gone = replies_gone(evidence).any(|gone| record.at <= gone.end);
        is_gone && stored.contains(&*record.request) || is_in_a_lost_place(evidence, record)
    };
    let open = evidence
        .records
        .iter()
        .filter(|record| !answers.contains_key(&*record.id));
    open.filter(|record| !excused(record))
        .map(|record| format!("{} ({}/{})", record.id, record.partition, record.offset))
        .collect()
}

/// Checks that each record has an order and a reply, or a failure that names its cause: a dead letter or a 5xx reply.
pub(in super::super) fn lost(evidence: &Evidence) -> Vec<Finding> {
    let stored: BTreeSet<&str> = evidence.orders.iter().map(|one| &*one.id).collect();
    let mut without_order = Vec::new();
    let mut without_cause = Vec::new();
    let mut wrong = Vec::new();
    for answer in &evidence.answers {
        match &answer.outcome {
            Outcome::Reply { status: 200, order } => match order {
                Some(order) if stored.contains(&**order) => {}
                order => without_order.push(format!("{} (order {order:?})", answer.id)),
            },
            Outcome::Reply { status, .. } if (500..600).contains(status) => {}
            Outcome::Reply { status, .. } => wrong.push(format!("{} ({status})", answer.id)),
            Outcome::DeadLetter { cause } if cause.is_empty() => {
                without_cause.push(answer.id.clone());
            }
            Outcome::DeadLetter { .. } => {}
        }
    }
    let findings = [
        none_of(NAME, "records were never answered", &unanswered(evidence)),
        none_of(
            NAME,
            "replies name an order that is not stored",
            &without_order,
        ),
        none_of(NAME, "replies refuse a valid request", &wrong),
        none_of(NAME, "dead letters name no cause", &without_cause),
    ];
    findings.into_iter().flatten().collect()
}

/// Checks that no record was given up because a topic or a broker refused its reply. Do not use it if the reply topic
/// was missing, because a reply to a missing topic is refused rightly.
pub(in super::super) fn given_up(evidence: &Evidence) -> Option<Finding> {
    let refused = evidence
        .answers
        .iter()
        .filter_map(|answer| match &answer.outcome {
            Outcome::DeadLetter { cause } if cause.contains("refused") => {
                Some(format!("{} ({cause})", answer.id))
            }
            _ => None,
        });
    let refused: Vec<String> = refused.collect();
    none_of(
        "given-up",
        "records were given up after a refusal",
        &refused,
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::evidence::{Commit, Span};
    use super::super::examples::{dead_letter, reply, sound};
    use super::*;

    #[test]
    fn a_sound_round_has_nothing_to_object_to() {
        assert_eq!(kept(&sound()), None);
        assert!(lost(&sound()).is_empty());
    }

    #[test]
    fn what_the_broker_took_and_has_not_is_found() {
        let mut evidence = sound();
        evidence.accepted.insert("c".to_owned());
        assert!(kept(&evidence).unwrap().text.starts_with("1 accepted"));
    }

    #[test]
    fn requests_go_with_their_topic_and_later_ones_do_not() {
        let mut evidence = sound();
        evidence.accepted.insert("c".to_owned());
        evidence.due.insert("c".to_owned(), 5);
        evidence.requests_gone = Some(Span { begin: 0, end: 5 });
        assert_eq!(kept(&evidence), None);
        evidence.due.insert("c".to_owned(), 6);
        assert!(kept(&evidence).is_some());
    }

    #[test]
    fn what_a_leader_accepted_alone_is_lost_by_kafka_and_nothing_else() {
        let mut evidence = sound();
        evidence.accepted.insert("c".to_owned());
        evidence.due.insert("c".to_owned(), 20_005);
        assert_eq!(lost_by_kafka(&evidence), 0);
        let alone = |begin, end| Some(Span { begin, end });
        evidence.alone = alone(20_000, 20_005);
        assert_eq!((kept(&evidence), lost_by_kafka(&evidence)), (None, 1));
        for other in [alone(20_000, 20_004), alone(40_000, 50_000)] {
            evidence.alone = other;
            assert!(kept(&evidence).is_some() && lost_by_kafka(&evidence) == 0);
        }
    }

    #[test]
    fn what_took_the_place_of_a_lost_record_below_a_commit_is_skipped() {
        let mut evidence = sound();
        evidence.answers.pop();
        let commit = |at| Commit {
            partition: 0,
            offset: 2,
            metadata: String::new(),
            at,
        };
        // `b` has offset 1, and was written at time 1.
        evidence.commits = vec![commit(0)];
        assert_eq!((unanswered(&evidence).len(), skipped(&evidence)), (1, 0));
        evidence.alone = Some(Span { begin: 0, end: 0 });
        assert_eq!((unanswered(&evidence).len(), skipped(&evidence)), (0, 1));
        evidence.commits = vec![commit(1)];
        assert_eq!((unanswered(&evidence).len(), skipped(&evidence)), (1, 0));
    }

    #[test]
    fn a_reply_may_be_lost_with_a_leader_that_had_accepted_it_alone_but_no_order() {
        let mut evidence = sound();
        evidence.answers.pop();
        assert_eq!(unanswered(&evidence).len(), 1);
        // `b` was written at time 1.
        evidence.alone = Some(Span { begin: 0, end: 1 });
        assert!(unanswered(&evidence).is_empty());
        evidence.alone = Some(Span { begin: 0, end: 0 });
        assert_eq!(unanswered(&evidence).len(), 1);
        evidence.alone = Some(Span { begin: 0, end: 1 });
        evidence.orders.pop();
        assert_eq!(unanswered(&evidence).len(), 1);
    }

    #[test]
    fn a_loss_is_found_behind_a_duplicate() {
        let mut evidence = sound();
        evidence.answers = vec![reply("a", 10), reply("a", 12)];
        assert_eq!(unanswered(&evidence), ["b (0/1)"]);
        assert_eq!(lost(&evidence).len(), 1);
    }

    #[test]
    fn a_reply_needs_its_order() {
        let mut evidence = sound();
        evidence.orders.pop();
        assert!(lost(&evidence)[0].text.contains("order-b"));
    }

    #[test]
    fn a_dead_letter_is_an_answer_if_it_names_its_cause() {
        let mut evidence = sound();
        evidence.orders.pop();
        evidence.answers[1] = dead_letter("b", "failed 8 times");
        assert!(lost(&evidence).is_empty());
        evidence.answers[1] = dead_letter("b", "");
        assert!(lost(&evidence)[0].text.contains("no cause"));
    }

    #[test]
    fn a_record_that_is_given_up_for_a_refusal_is_found() {
        let mut evidence = sound();
        evidence.answers[1] = dead_letter("b", "failed 8 times");
        assert_eq!(given_up(&evidence), None);
        evidence.answers[1] = dead_letter("b", "reply to `r` refused: too large");
        assert!(given_up(&evidence).unwrap().text.contains("b (reply"));
    }

    #[test]
    fn a_failure_of_the_service_is_an_answer_and_a_refusal_is_none() {
        let status = |status| {
            let mut evidence = sound();
            let order = None;
            evidence.answers[1].outcome = Outcome::Reply { status, order };
            lost(&evidence).len()
        };
        assert_eq!(status(503), 0);
        assert_eq!(status(422), 1);
        assert_eq!(status(404), 1);
    }

    #[test]
    fn replies_go_with_their_topic_but_orders_do_not() {
        let mut evidence = sound();
        evidence.answers.pop();
        evidence.replies_gone = Some(Span { begin: 0, end: 5 });
        assert!(lost(&evidence).is_empty());
        let mut without_order = evidence.clone();
        without_order.orders.pop();
        assert_eq!(lost(&without_order).len(), 1);
        // For requests after the topic was back, there is no such excuse.
        evidence.replies_gone = Some(Span { begin: 0, end: 0 });
        assert_eq!(unanswered(&evidence).len(), 1);
    }
}
