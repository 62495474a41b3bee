//! A run as a reader of the log sees it: the orders, and the measurements of each worker. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Beat, Done, Entry, Measured, Measurement, PROTOCOL, RunLog, WorkerView};
use crate::measure::interval::IntervalRecord;
use crate::measure::summary::Ended;

/// A run, as far as its records are read.
#[derive(Debug)]
pub(crate) struct Course {
    pub(super) run: String,
    pub(crate) log: RunLog,
    /// The workers of the plan, in order.
    pub(crate) seats: Vec<Seat>,
}

/// A worker, as others see it.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) worker: String,
    pub(crate) name: String,
    pub(crate) beat: Beat,
    /// When the worker was last heard, by the reader's clock.
    pub(crate) heard: Duration,
    /// Numbers of its intervals.
    numbers: BTreeSet<u64>,
    /// Requests of these intervals, without the warm-up.
    pub(crate) ended: Ended,
    pub(crate) done: Option<Box<Done>>,
    pub(crate) is_lost: bool,
}

impl Seat {
    fn new(worker: &str, name: &str, now: Duration) -> Self {
        Self {
            worker: worker.to_owned(),
            name: name.to_owned(),
            beat: Beat::default(),
            heard: now,
            numbers: BTreeSet::new(),
            ended: Ended::default(),
            done: None,
            is_lost: false,
        }
    }

    /// Returns whether all its measurements have arrived.
    pub(super) fn is_whole(&self) -> bool {
        let Some(done) = &self.done else { return false };
        self.numbers.len() as u64 == done.intervals && self.ended == done.ended
    }
}

impl Course {
    pub(crate) fn new(run: String) -> Self {
        Self {
            run,
            log: RunLog::default(),
            seats: Vec::new(),
        }
    }

    /// Takes the next record of the control log; `now` is the time since the reader began. Records of other runs change
    /// nothing.
    pub(crate) fn read(&mut self, entry: &Entry, now: Duration) {
        if entry.note.run != self.run || entry.note.version != PROTOCOL {
            return;
        }
        let (had_plan, had_start) = (self.log.plan.is_some(), self.log.start.is_some());
        self.log.apply(entry);
        let log = &self.log;
        if let (false, Some(plan)) = (had_plan, &log.plan) {
            let seat = |worker: &String| Seat::new(worker, log.name_of(worker), now);
            self.seats = plan.order.iter().map(seat).collect();
        }
        if let (false, Some(start)) = (had_start, log.start) {
            // Nobody is heard before the run begins.
            let begin = now + Duration::from_millis(start.delay_ms);
            self.seats.iter_mut().for_each(|seat| seat.heard = begin);
        }
    }

    /// Takes a record of the results. Returns the part of its worker and the new intervals. Records of other runs, and
    /// repeated records, change nothing.
    pub(crate) fn measured(
        &mut self,
        measurement: Measurement,
        now: Duration,
    ) -> Option<(usize, Vec<IntervalRecord>)> {
        if measurement.run != self.run || measurement.version != PROTOCOL {
            return None;
        }
        let part = self.log.part_of(&measurement.from)?;
        let ready = self.log.ready.get(&measurement.from)?;
        let kinds = ready.header.run.kinds.len();
        let seat = self.seats.get_mut(part)?;
        seat.heard = seat.heard.max(now);
        // A worker that is heard again was not lost.
        seat.is_lost = false;
        match measurement.says {
            Measured::Beat(beat) => {
                seat.beat = beat;
                None
            }
            Measured::Intervals(mut records) => {
                records.retain(|record| record.is_of(kinds) && seat.numbers.insert(record.number));
                let measured = records.iter().map(IntervalRecord::measured);
                measured.for_each(|own| seat.ended.add(own));
                Some((part, records))
            }
            Measured::Done(done) => {
                seat.done.get_or_insert(done);
                None
            }
        }
    }

    /// Returns the workers, as they are shown.
    pub(crate) fn views(&self, now: Duration, has_begun: bool) -> Vec<WorkerView> {
        let seats = self.seats.iter();
        seats
            .map(|seat| WorkerView::of(seat, now, has_begun))
            .collect()
    }
}
