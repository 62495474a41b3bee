//! What is left of a run: its parts, and whether their figures may be used. Pure.

use serde::Serialize;

use super::{Course, RunLog};
use crate::load::Share;
use crate::load::plan::{Model, Plan};
use crate::measure::interval::IntervalRecord;
use crate::measure::selfcheck::{Finding, Validity};
use crate::report::run_file::{OfWorker, RunPart, RunRead, validity as of_parts};

/// The parts of a run, each of a worker that was ready: in their order, with what they have measured. All began when the log
/// took the order to start, and not by the clocks of their machines.
pub(crate) fn parts(course: &Course, intervals: Vec<Vec<IntervalRecord>>) -> Vec<RunPart> {
    let (log, seats) = (&course.log, &course.seats);
    let of = u32::try_from(seats.len()).unwrap_or(u32::MAX);
    let began = log.start.map_or(0, |start| {
        let appended = u64::try_from(start.appended_ms).unwrap_or(0);
        appended.saturating_add(start.delay_ms)
    });
    let all = (0..).zip(seats).zip(intervals);
    let parts = all.filter_map(|((index, seat), intervals)| {
        let mut header = log.ready.get(&seat.worker)?.header.clone();
        header.started_ms = began;
        header.segment = Share::new(index, of)?.to_string();
        let end = seat.done.as_ref().map(|done| done.end.clone());
        Some(RunPart {
            name: seat.name.clone(),
            title: format!("worker {}", seat.name),
            of_worker: Some(OfWorker {
                is_whole: seat.is_whole(),
                obeyed: seat.done.as_ref().is_some_and(|done| done.obeyed),
            }),
            read: RunRead {
                header,
                intervals,
                end,
            },
        })
    });
    parts.collect()
}

/// Whether the figures of a run may be used. One that has lost a worker and went on is partial: what it has is true, and not
/// all that was to be sent.
pub(crate) fn validity(log: &RunLog, parts: &[RunPart]) -> Validity {
    let invalid = |reason: String, advice: &str| Validity::Invalid {
        findings: vec![Finding {
            reason,
            advice: advice.to_owned(),
        }],
    };
    if let Some(reason) = &log.aborted {
        return invalid(reason.clone(), "start a new run");
    }
    if !log.finished {
        let reason = "the run has no end: it goes on, or its coordinator is gone".to_owned();
        return invalid(
            reason,
            "wait for it, or end it with `load-client run --resume`",
        );
    }
    let lost = parts.iter().filter(|part| part.read.end.is_none());
    let lost: Vec<&str> = lost.map(|part| part.title.as_str()).collect();
    if lost.is_empty() {
        return of_parts(parts);
    }
    if lost.len() == parts.len() {
        return invalid(
            format!("{}: nobody is left", lost.join(", ")),
            "start a new run",
        );
    }
    let partial = format!("{} was lost, and the run went on without", lost.join(", "));
    let there = parts.iter().filter(|part| part.read.end.is_some());
    match of_parts(there) {
        Validity::Invalid { mut findings } => {
            findings.push(Finding {
                reason: partial,
                advice: "see what is missing, or start a new run".to_owned(),
            });
            Validity::Invalid { findings }
        }
        _ => Validity::Partial { reason: partial },
    }
}

/// What a worker that was lost leaves undone.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Lost {
    #[serde(skip)]
    pub(crate) name: String,
    /// Such as `2/3`.
    #[serde(skip)]
    pub(crate) segment: String,
    /// Requests that it had sent at its last word, of which it had one each second.
    pub(crate) sent: u64,
    /// Those of the schedule behind them. `None` where users send, and of several loads: no schedule says what they would have
    /// sent.
    pub(crate) never_sent: Option<NeverSent>,
}

/// Requests of a schedule, by their numbers in the schedule of all workers, counted from 0.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct NeverSent {
    pub(crate) count: u64,
    pub(crate) first: Option<u64>,
    pub(crate) last: Option<u64>,
    /// Each of them; of more than a million, those that come first.
    pub(crate) numbers: Vec<u64>,
}

/// Numbers that a report has at most.
const MOST_NUMBERS: usize = 1_000_000;

impl Lost {
    /// For a person.
    pub(crate) fn line(&self) -> String {
        let (name, sent) = (&self.name, self.sent);
        let text = format!("worker {name} was lost after it had sent {sent} requests");
        match &self.never_sent {
            Some(NeverSent {
                count,
                first: Some(first),
                last: Some(last),
                ..
            }) => format!(
                "{text}; {count} were never sent, of the schedule's numbers {first} to {last} (--json has each)"
            ),
            _ => text,
        }
    }
}

/// What workers that were lost leave undone of a plan.
pub(crate) fn lost(course: &Course, plan: &Plan) -> Vec<Lost> {
    let of = u32::try_from(course.seats.len()).unwrap_or(u32::MAX);
    let seats = (0..).zip(&course.seats);
    let lost = seats.filter(|(_, seat)| seat.done.is_none());
    let lost = lost.filter_map(|(index, seat)| {
        let share = Share::new(index, of)?;
        Some(Lost {
            name: seat.name.clone(),
            segment: share.to_string(),
            sent: seat.beat.sent,
            never_sent: behind(plan, share, seat.beat.sent),
        })
    });
    lost.collect()
}

/// The requests of a part behind the first ones; `None` without a schedule that ends.
fn behind(plan: &Plan, share: Share, sent: u64) -> Option<NeverSent> {
    let has_schedule = matches!(plan.model, Model::Open(_)) && plan.loads.is_empty();
    plan.run_time.filter(|_| has_schedule)?;
    let plan = Plan {
        share,
        ..plan.clone()
    };
    let (mut schedule, mut own) = (plan.schedule(), 0);
    let mut never = NeverSent::default();
    while schedule.peek().is_some() {
        let number = schedule.number();
        if own >= sent {
            never.count += 1;
            never.first.get_or_insert(number);
            never.last = Some(number);
            if never.numbers.len() < MOST_NUMBERS {
                never.numbers.push(number);
            }
        }
        own += 1;
        schedule.next();
    }
    Some(never)
}
