//! The result of a run: its parts, and whether their figures may be used. Pure.

use serde::Serialize;

use super::{Course, RunLog};
use crate::load::Share;
use crate::load::plan::{Model, Plan};
use crate::measure::interval::IntervalRecord;
use crate::measure::selfcheck::{Finding, Validity};
use crate::report::run_file::{OfWorker, RunPart, RunRead, validity as of_parts};

/// Returns the parts of a run in order, one for each worker that was ready, with their measurements. All of them began
/// when the log appended the order to start; the clocks of their machines do not matter.
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

/// Returns whether the figures of a run may be used. A run that lost a worker and went on is partial: its figures are
/// true, but a part of the load is missing.
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
        let reason = "the run has not ended: it goes on, or its coordinator is gone".to_owned();
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
            format!("all workers are lost: {}", lost.join(", ")),
            "start a new run",
        );
    }
    let partial = format!("{} was lost, and the run went on", lost.join(", "));
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

/// The requests that a lost worker did not send.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Lost {
    #[serde(skip)]
    pub(crate) name: String,
    /// The part of the worker, such as `2/3`.
    #[serde(skip)]
    pub(crate) segment: String,
    /// Requests that it had sent at its last beat, which came each second.
    pub(crate) sent: u64,
    /// The rest of its schedule. `None` in a closed loop and with several loads, because these have no schedule.
    pub(crate) never_sent: Option<NeverSent>,
}

/// Requests of a schedule, by their numbers in the schedule of all workers, counted from 0.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct NeverSent {
    pub(crate) count: u64,
    pub(crate) first: Option<u64>,
    pub(crate) last: Option<u64>,
    /// The numbers of these requests; only the first million.
    pub(crate) numbers: Vec<u64>,
}

/// Most numbers in a report.
const MOST_NUMBERS: usize = 1_000_000;

impl Lost {
    /// Returns a sentence for a reader.
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
                "{text}; it did not send {count} more, numbers {first} to {last} of the schedule (--json has each)"
            ),
            _ => text,
        }
    }
}

/// Returns the requests of a plan that lost workers did not send.
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

/// Returns the requests of a part after the first `sent`, or `None` without a schedule that ends.
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
