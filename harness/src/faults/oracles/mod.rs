//! The oracles, which check the evidence of a round. Each oracle is a pure function from evidence to findings. Its
//! tests have evidence in which it must find something: an oracle that finds nothing proves nothing.
//!
//! Oracles compare sets of ids, never counts: a count hides a loss behind a duplicate.

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

/// Most examples in a finding.
const EXAMPLES: usize = 5;

/// How long a producer may have waited, in milliseconds, until a leader accepted its record, before that leader was
/// alone in sync.
const ACCEPTED_LATE: i64 = 10_000;

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The oracle that found it.
    pub oracle: &'static str,
    /// What it found.
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

/// The times of replies that may be gone, with their topic or with a leader that was alone in sync.
fn replies_gone(evidence: &Evidence) -> impl Iterator<Item = Span> {
    let with_leader = evidence.alone.map(|alone| Span {
        begin: alone.begin - ACCEPTED_LATE,
        end: alone.end,
    });
    evidence.replies_gone.into_iter().chain(with_leader)
}

/// A finding for a list that should be empty: its length and its first elements.
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
