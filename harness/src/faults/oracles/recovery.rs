//! After the fault the service is as fast as before.

use std::collections::BTreeMap;

use super::super::evidence::{Evidence, Span};
use super::Finding;

/// The share of the throughput before that counts as recovered.
const SHARE: f64 = 0.9;
/// What one look at the throughput spans, milliseconds.
const WINDOW: i64 = 1000;
const STEP: i64 = 100;
/// Far above a session time-out, a start and a backlog, on a machine that is busy with other things.
pub(in super::super) const LIMIT: i64 = 120_000;

/// Milliseconds from the end of the fault to the begin of the first second in which at least 90 % of the
/// throughput before was answered; `None` if there is no such second, or nothing to compare with.
pub(in super::super) fn recovery(evidence: &Evidence) -> Option<i64> {
    let (quiet, fault) = (evidence.quiet?, evidence.fault?);
    let mut first: BTreeMap<&str, i64> = BTreeMap::new();
    for answer in &evidence.answers {
        let at = first.entry(&answer.id).or_insert(answer.at);
        *at = (*at).min(answer.at);
    }
    let mut times: Vec<i64> = first.into_values().collect();
    times.sort_unstable();
    let answered = |span: Span| {
        let upto = |end: i64| times.partition_point(|at| *at < end);
        (upto(span.end) - upto(span.begin)) as f64
    };
    let length = (quiet.end - quiet.begin) as f64;
    let before = answered(quiet) / length * WINDOW as f64;
    if before.is_nan() || before <= 0.0 {
        return None;
    }
    let last = times.last()?;
    let mut begin = fault.end;
    while begin <= *last {
        let end = begin + WINDOW;
        if answered(Span { begin, end }) >= SHARE * before {
            return Some(begin - fault.end);
        }
        begin += STEP;
    }
    None
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
mod tests {
    use super::super::examples::reply;
    use super::*;

    /// One answer each 10 ms, but none in the gap.
    fn steady(gap: Span, until: i64) -> Evidence {
        let times = (0..until).step_by(10);
        let times = times.filter(|at| !(gap.begin..gap.end).contains(at));
        Evidence {
            answers: times.map(|at| reply(&at.to_string(), at)).collect(),
            quiet: Some(Span {
                begin: 0,
                end: 2000,
            }),
            fault: Some(Span {
                begin: 2000,
                end: 3000,
            }),
            ..Evidence::default()
        }
    }

    #[test]
    fn recovery_is_counted_from_the_end_of_the_fault() {
        let until = |end| recovery(&steady(Span { begin: 2000, end }, 20_000));
        assert_eq!(until(3000), Some(0));
        // The window may hold a tenth less.
        assert_eq!(until(5000), Some(1900));
    }

    #[test]
    fn no_recovery_is_a_finding() {
        let gap = Span {
            begin: 2000,
            end: 20_000,
        };
        assert!(recovered(&steady(gap, 20_000)).is_some());
        // Half of the throughput is no recovery.
        let mut evidence = steady(gap, 20_000);
        let slow = (3000..20_000).step_by(20);
        evidence
            .answers
            .extend(slow.map(|at| reply(&at.to_string(), at)));
        assert!(recovered(&evidence).is_some());
    }

    #[test]
    fn a_late_recovery_is_a_finding_and_duplicates_are_no_throughput() {
        let gap = Span {
            begin: 2000,
            end: 3000 + LIMIT + 5000,
        };
        let evidence = steady(gap, gap.end + 5000);
        assert!(recovered(&evidence).unwrap().text.contains("more than"));
        let mut repeated = steady(gap, gap.end);
        let again = (3000..gap.end).step_by(10);
        repeated.answers.extend(again.map(|at| reply("0", at)));
        assert_eq!(recovery(&repeated), None);
    }

    #[test]
    fn without_a_quiet_part_there_is_no_figure() {
        assert_eq!(recovery(&Evidence::default()), None);
    }
}
