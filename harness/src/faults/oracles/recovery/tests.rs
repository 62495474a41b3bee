//! Cases that are a recovery, and cases that only look like one.

use super::super::examples::{dead_letter, reply};
use super::*;

const END: i64 = 3000;
const UNTIL: i64 = 40_000;

/// One request every 10 ms. `answered` gets its due time, and returns the time of its reply.
fn load(answered: impl Fn(i64) -> Option<i64>) -> Evidence {
    load_until(UNTIL, answered)
}

fn load_until(until: i64, answered: impl Fn(i64) -> Option<i64>) -> Evidence {
    let span = |begin, end| Some(Span { begin, end });
    let mut evidence = Evidence {
        quiet: span(0, 2000),
        fault: span(2000, END),
        whole: Some(END),
        ..Evidence::default()
    };
    for due in (0..until).step_by(10) {
        evidence.due.insert(due.to_string(), due);
        let at = answered(due);
        evidence
            .answers
            .extend(at.map(|at| reply(&due.to_string(), at)));
    }
    evidence
}

/// Whether the request is one of the `served` in ten, in and after the fault.
fn share(due: i64, served: i64) -> bool {
    due < 2000 || due / 10 % 10 < served
}

#[test]
fn recovery_is_counted_from_the_end_of_the_fault() {
    let worked_off_at = |end: i64| {
        let evidence = load(|due| {
            Some(if due < 2000 {
                due + 5
            } else {
                due.max(end) + 5
            })
        });
        recovery(&evidence)
    };
    assert_eq!(worked_off_at(END), Some(0));
    // A second late is still prompt.
    assert_eq!(worked_off_at(4000), Some(0));
    // The span may begin a second earlier, and a tenth of its requests may be missing.
    assert_eq!(worked_off_at(9000), Some(4900));
}

#[test]
fn a_queue_that_stays_is_no_recovery() {
    // As many replies per second as before, but each one is 3 s late.
    let evidence = load(|due| Some(if due < 2000 { due } else { due + 3000 }));
    assert_eq!(recovery(&evidence), None);
}

#[test]
fn jitter_around_all_of_it_is_a_recovery() {
    // Up to 190 ms late, with a stall of 400 ms every five seconds.
    let evidence = load(|due| {
        let stall = due % 5000;
        let at = if stall < 400 { due - stall + 400 } else { due };
        Some(at + due * 7 % 190)
    });
    assert!(recovered(&evidence).is_none());
    assert!(recovery(&evidence).unwrap() < 1000);
}

#[test]
fn a_tenth_less_is_enough_and_more_is_not() {
    assert_eq!(recovery(&load(|due| share(due, 9).then_some(due))), Some(0));
    assert_eq!(recovery(&load(|due| share(due, 8).then_some(due))), None);
}

#[test]
fn a_backlog_that_is_worked_off_is_no_recovery_while_half_is_answered() {
    let evidence = load(|due| match due {
        ..2000 => Some(due),
        // The whole backlog at once, then every second request.
        2000..12_000 => Some(12_000),
        _ => share(due, 5).then_some(due),
    });
    assert_eq!(recovery(&evidence), None);
}

#[test]
fn what_begins_with_the_rebalance_after_the_fault_is_seen() {
    // Five good seconds, then half of the requests.
    let good = END + 5000;
    let mut evidence = load(|due| (due < good || share(due, 5)).then_some(due));
    evidence.whole = Some(good);
    assert_eq!(recovery(&evidence), None);
    evidence.whole = None;
    assert_eq!(recovery(&evidence), None);
}

#[test]
fn a_throughput_that_was_never_gone_has_no_recovery_to_wait_for() {
    let mut evidence = load(Some);
    evidence.whole = Some(END + 6000);
    assert_eq!(recovery(&evidence), Some(0));
    // With a gap in between, it is back after the gap.
    let mut evidence = load(|due| {
        let gap = END + 3000..END + 6000;
        (!gap.contains(&due)).then_some(due)
    });
    evidence.whole = Some(END + 7000);
    assert_eq!(recovery(&evidence), Some(5800));
}

#[test]
fn half_of_the_capacity_is_no_recovery() {
    // One request at a time, 20 ms each: the queue grows.
    let evidence = load(|due| Some(if due < 2000 { due } else { 2 * due - 2000 }));
    assert_eq!(recovery(&evidence), None);
}

#[test]
fn a_backlog_before_the_fault_does_not_raise_what_is_to_be_reached() {
    let mut evidence = load(|due| Some(due + 5));
    for number in 0..500 {
        let id = format!("early-{number}");
        evidence.due.insert(id.clone(), -1000);
        evidence.answers.push(reply(&id, 100));
    }
    assert_eq!(recovery(&evidence), Some(0));
}

#[test]
fn no_and_late_recoveries_are_findings() {
    let never = load(|due| (due < 2000).then_some(due));
    assert!(recovered(&never).unwrap().text.contains("not come back"));
    let back = END + LIMIT + 5000;
    let late = load_until(back + 5000, |due| {
        (due < 2000 || due >= back).then_some(due)
    });
    assert!(recovered(&late).unwrap().text.contains("more than"));
}

#[test]
fn neither_refusals_nor_dead_letters_nor_repetitions_are_throughput() {
    let silent = load(|due| (due < 2000).then_some(due));
    let with = |answer: &dyn Fn(i64) -> super::super::super::evidence::Answer| {
        let mut evidence = silent.clone();
        let times = (END..UNTIL).step_by(10);
        evidence.answers.extend(times.map(answer));
        recovery(&evidence)
    };
    let refusal = |due: i64| {
        let (status, order) = (503, None);
        let mut answer = reply(&due.to_string(), due);
        answer.outcome = Outcome::Reply { status, order };
        answer
    };
    assert_eq!(with(&|due| reply(&due.to_string(), due)), Some(0));
    assert_eq!(with(&refusal), None);
    assert_eq!(with(&|due| dead_letter(&due.to_string(), "cause")), None);
    assert_eq!(with(&|due| reply("0", due)), None);
    assert_eq!(with(&|due| reply("of a load client", due)), None);
}

#[test]
fn without_a_quiet_part_or_answers_there_is_no_figure() {
    assert_eq!(recovery(&Evidence::default()), None);
    assert_eq!(recovery(&load(|_| None)), None);
}
