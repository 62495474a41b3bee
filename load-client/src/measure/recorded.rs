//! The recorded data of a run. Samples are collected in intervals, and intervals become figures.

use std::time::Duration;

use crate::load::plan::Plan;
use crate::measure::history::{History, Moment};
use crate::measure::interval::Interval;
use crate::measure::recorder::nanoseconds;
use crate::measure::summary::Sample;
use crate::measure::tally::{StageTally, Tally};
use crate::measure::window::ThroughputWindow;

/// The figures of a run, and the samples since the last look.
pub(crate) struct Recorded {
    pub(crate) tally: Tally,
    pub(crate) stages: StageTally,
    pub(crate) history: History<Moment>,
    pub(crate) was_reset: bool,
    open: Option<Interval>,
    has_ended: bool,
    /// `None` when nobody takes intervals.
    kept: Option<Kept>,
}

/// The intervals to be passed on. All looks within one second give one interval.
#[derive(Default)]
struct Kept {
    count: u64,
    last: Option<Interval>,
    ready: Vec<Handed>,
}

/// A message to the outlet.
pub(crate) enum Handed {
    Interval(Box<Interval>),
    /// The intervals so far do not count any more.
    Forget,
}

impl Kept {
    fn keep(&mut self, interval: Interval) {
        match &mut self.last {
            Some(last) if last.second == interval.second => last.join(&interval),
            _ => {
                self.close();
                self.last = Some(interval);
            }
        }
    }

    fn close(&mut self) {
        if let Some(mut last) = self.last.take() {
            last.number = self.count;
            self.count += 1;
            self.ready.push(Handed::Interval(Box::new(last)));
        }
    }
}

impl Recorded {
    /// Begins the figures of a run with these kinds of request. If `keeps` is set, it also keeps the intervals to pass
    /// on.
    pub(crate) fn new(names: &[String], plan: &Plan, keeps: bool) -> Self {
        let (warm_up, end) = (nanoseconds(plan.warm_up), plan.run_time.map(nanoseconds));
        let window = ThroughputWindow::over(warm_up, end.unwrap_or(u64::MAX));
        let window = window.waiting_at_most(nanoseconds(plan.timeout));
        Self {
            tally: Tally::new(names).within(window),
            stages: StageTally::new(names, plan.spans(), warm_up),
            history: History::default(),
            was_reset: false,
            open: None,
            has_ended: false,
            kept: keeps.then(Kept::default),
        }
    }

    /// Records one sample, `elapsed` after the start of the run. An interval covers at most one second.
    pub(crate) fn record(&mut self, sample: &Sample, elapsed: Duration, active: u32) {
        let second = elapsed.as_secs();
        if self.open.as_ref().is_some_and(|own| own.second != second) {
            self.cut(active);
        }
        let open = self.open.get_or_insert_with(|| {
            let frame = self.stages.frame(self.tally.window());
            Interval::begin(second, &frame)
        });
        open.record(sample, elapsed);
    }

    /// Adds the samples since the last look to the figures. `active` is the present number of users.
    pub(crate) fn cut(&mut self, active: u32) {
        let Some(mut interval) = self.open.take() else {
            return;
        };
        interval.users = active;
        self.tally.add(&interval);
        self.stages.add(&interval);
        if let Some(kept) = &mut self.kept {
            kept.keep(interval);
        }
    }

    /// Ends the measured window.
    pub(crate) fn end_by(&mut self, end_ns: u64, active: u32) {
        self.cut(active);
        self.tally.end_by(end_ns);
        self.stages.end_by(end_ns);
        self.has_ended = true;
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Returns the intervals of the seconds before this one, to pass on.
    pub(crate) fn handed_on(&mut self, second: u64) -> Vec<Handed> {
        let Some(kept) = &mut self.kept else {
            return Vec::new();
        };
        if kept.last.as_ref().is_some_and(|last| last.second < second) {
            kept.close();
        }
        std::mem::take(&mut kept.ready)
    }

    /// Notes that the figures were reset.
    pub(crate) fn forget(&mut self) {
        if let Some(kept) = &mut self.kept {
            kept.last = None;
            kept.ready = vec![Handed::Forget];
        }
    }
}
