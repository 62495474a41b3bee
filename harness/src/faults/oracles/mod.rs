//! What must be true of a round's evidence. Each oracle is a pure function from evidence to findings, and
//! is tested with evidence that it must object to: an oracle that cannot say no proves nothing.
//!
//! Sets of ids are compared, never counts: a count hides a loss behind a duplicate.

mod bounds;
mod commits;
mod lost;
mod orders;
mod recovery;
mod sequence;

pub(super) use bounds::{group, lag, memory, misbehaviour};
pub(super) use commits::{passed, replays};
pub(super) use lost::{given_up, kept, lost, lost_by_kafka, skipped, unanswered};
pub(super) use orders::orders;
pub(super) use recovery::{LIMIT as RECOVERY_LIMIT, recovered, recovery};
pub(super) use sequence::order_of_keys;

use serde::Serialize;

use super::evidence::{Evidence, Span};

/// Examples that a finding names.
const EXAMPLES: usize = 5;

/// Before a leader is alone in sync, producers may have waited so long, in milliseconds, for it to accept a record.
const ACCEPTED_LATE: i64 = 10_000;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Who objects.
    pub oracle: &'static str,
    /// To what.
    pub text: String,
}

impl Finding {
    fn new(oracle: &'static str, text: impl Into<String>) -> Self {
        Self {
            oracle,
            text: text.into(),
        }
    }
}

/// When replies were written that may be gone: with their topic, or with a leader that had accepted them alone.
fn replies_gone(evidence: &Evidence) -> impl Iterator<Item = Span> {
    let with_leader = evidence.alone.map(|alone| Span {
        begin: alone.begin - ACCEPTED_LATE,
        end: alone.end,
    });
    evidence.replies_gone.into_iter().chain(with_leader)
}

/// One finding for a list that should be empty: how many, and the first of them.
fn none_of(oracle: &'static str, what: &str, found: &[String]) -> Option<Finding> {
    if found.is_empty() {
        return None;
    }
    let shown: Vec<&str> = found.iter().take(EXAMPLES).map(String::as_str).collect();
    let more = if found.len() > EXAMPLES { ", ..." } else { "" };
    let text = format!("{} {what}: {}{more}", found.len(), shown.join(", "));
    Some(Finding::new(oracle, text))
}

#[cfg(test)]
pub(super) mod examples {
    use super::super::evidence::{Answer, Evidence, Order, Outcome, Record};

    pub(crate) fn record(id: &str, partition: i32, offset: i64) -> Record {
        Record {
            id: id.to_owned(),
            request: id.to_owned(),
            key: "k".to_owned(),
            partition,
            offset,
            foreign: false,
            at: offset,
        }
    }

    pub(crate) fn reply(id: &str, at: i64) -> Answer {
        Answer {
            id: id.to_owned(),
            outcome: Outcome::Reply {
                status: 200,
                order: Some(format!("order-{id}")),
            },
            at,
        }
    }

    pub(crate) fn dead_letter(id: &str, cause: &str) -> Answer {
        Answer {
            id: id.to_owned(),
            outcome: Outcome::DeadLetter {
                cause: cause.to_owned(),
            },
            at: 100,
        }
    }

    pub(crate) fn order(request: &str) -> Order {
        Order {
            id: format!("order-{request}"),
            request: request.to_owned(),
        }
    }

    /// Two records, `a` and `b`, each answered and stored.
    pub(crate) fn sound() -> Evidence {
        Evidence {
            accepted: ["a", "b"].map(str::to_owned).into(),
            records: vec![record("a", 0, 0), record("b", 0, 1)],
            answers: vec![reply("a", 10), reply("b", 11)],
            orders: vec![order("a"), order("b")],
            ..Evidence::default()
        }
    }
}
