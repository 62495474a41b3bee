//! The service is as fast after the fault as before.

use std::collections::BTreeMap;
use std::iter::successors;

use super::super::evidence::{Evidence, Outcome, Span};
use super::Finding;

/// The share of the earlier throughput that counts as recovered.
const SHARE: f64 = 0.9;
/// A reply counts if it comes within this time, in milliseconds. A later one belongs to a backlog.
const PROMPT: i64 = 1000;
/// Time between the starts of two spans, in milliseconds.
const STEP: i64 = 100;
/// Longest recovery, in milliseconds. Far above a session timeout, a start and a backlog on a busy machine.
pub(in super::super) const LIMIT: i64 = 120_000;

/// Milliseconds from the end of the fault until the throughput is back. `None` if it does not come back, or if there is
/// nothing to compare with.
///
/// The throughput is back in a span as long as the quiet part, if at least 90 % as many requests were both due in it
/// and answered well within a second. The first such span counts that begins after the group is complete again, because
/// the rebalance is part of the recovery. If good spans lead up to it without a gap, the first of these counts.
///
/// A request that was due before a span does not count in it. A backlog may come in one burst, before the fault or
/// after it. If it counted, the earlier throughput could be too high to reach, or a service that answers half of its
/// requests could look good for a second.
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

/// The due time and the reply time of each request with a prompt good reply, in order of the due time.
fn served(evidence: &Evidence, begin: i64) -> Vec<(i64, i64)> {
    let mut first: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for answer in &evidence.answers {
        // A service that only refuses has no throughput.
        if !matches!(answer.outcome, Outcome::Reply { status: 200, .. }) {
            continue;
        }
        // A load client waits for its replies, so its requests have no rate.
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

/// The number of requests that were due and answered in a span.
fn within(served: &[(i64, i64)], span: Span) -> usize {
    let upto = |end: i64| served.partition_point(|(due, _)| *due < end);
    let (begin, end) = (upto(span.begin), upto(span.end));
    // Requests that were due a second before the end are answered by then, because only prompt replies are here.
    let sure = upto(span.end - PROMPT).max(begin);
    let rest = served.get(sure..end).unwrap_or_default();
    sure - begin + rest.iter().filter(|(_, at)| *at < span.end).count()
}

/// Checks that the recovery is within the limit.
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
