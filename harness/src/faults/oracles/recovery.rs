//! After the fault the service is as fast as before.

use std::collections::BTreeMap;
use std::iter::successors;

use super::super::evidence::{Evidence, Outcome, Span};
use super::Finding;

/// The share of the throughput before that counts as recovered.
const SHARE: f64 = 0.9;
/// How soon, in milliseconds, an answer comes that counts: beyond it, it is one of a backlog.
const PROMPT: i64 = 1000;
/// From one look to the next, milliseconds.
const STEP: i64 = 100;
/// Far above a session time-out, a start and a backlog, on a machine that is busy with other things.
pub(in super::super) const LIMIT: i64 = 120_000;

/// Milliseconds from the end of the fault until the throughput is back. It is back in a span, as long as the
/// quiet one, in which at least 90 % as many requests were both due and answered well, within a second, as in
/// the quiet one. The first such span counts that begins when the group is whole, since what follows from a
/// fault may follow from the rebalance after it; and those that lead up to it without a gap. `None` if there is
/// no such span, or nothing to compare with.
///
/// What was due before a span is not counted in it. A backlog may come in one burst, before the fault or after
/// it: counted, it makes the throughput before too high to be reached, or a service that answers half of
/// what comes look well for a second.
pub(in super::super) fn recovery(evidence: &Evidence) -> Option<i64> {
    let (quiet, fault) = (evidence.quiet?, evidence.fault?);
    let served = served(evidence, quiet.begin);
    let before = within(&served, quiet);
    if before == 0 {
        return None;
    }
    let length = quiet.end - quiet.begin;
    let (last, _) = *served.last()?;
    let is_back = |begin: &i64| {
        let end = begin + length;
        let span = Span { begin: *begin, end };
        within(&served, span) as f64 >= SHARE * before as f64
    };
    let steps = |from, by: i64| successors(Some(from), move |begin| Some(begin + by));
    let mut later = steps(evidence.whole?.max(fault.end), STEP).take_while(|begin| *begin <= last);
    let back = later.find(is_back)?;
    let earlier = steps(back, -STEP).take_while(|begin| *begin >= fault.end && is_back(begin));
    Some(earlier.last()? - fault.end)
}

/// When each request of the load was due and promptly answered well, in the order of the former.
fn served(evidence: &Evidence, begin: i64) -> Vec<(i64, i64)> {
    let mut first: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for answer in &evidence.answers {
        // A service that only refuses has no throughput.
        if !matches!(answer.outcome, Outcome::Reply { status: 200, .. }) {
            continue;
        }
        // Requests of a load client, which waits for its answers, say nothing of a rate.
        let Some(due) = evidence.due.get(&answer.id).filter(|due| **due >= begin) else {
            continue;
        };
        let (_, at) = first.entry(&answer.id).or_insert((*due, answer.at));
        *at = (*at).min(answer.at);
    }
    let prompt = |(due, at): &(i64, i64)| at - due <= PROMPT;
    let mut served: Vec<(i64, i64)> = first.into_values().filter(prompt).collect();
    served.sort_unstable();
    served
}

/// Requests that were due and answered in a span.
fn within(served: &[(i64, i64)], span: Span) -> usize {
    let upto = |end: i64| served.partition_point(|(due, _)| *due < end);
    let (begin, end) = (upto(span.begin), upto(span.end));
    // What was due a second before the end is answered: only what is prompt is here.
    let sure = upto(span.end - PROMPT).max(begin);
    let rest = served.get(sure..end).unwrap_or_default();
    sure - begin + rest.iter().filter(|(_, at)| *at < span.end).count()
}

/// Whether the recovery is within the limit.
pub(in super::super) fn recovered(evidence: &Evidence) -> Option<Finding> {
    match recovery(evidence) {
        Some(time) if time <= LIMIT => None,
        Some(time) => Some(Finding::new(
            "recovery",
            format!("took {time} ms, more than {LIMIT}"),
        )),
        None => Some(Finding::new(
            "recovery",
            "the throughput did not come back to 90 % of before".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests;
