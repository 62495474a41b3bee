//! The measurements of a client between two looks at it: counts and times, which add up over time and over clients. A
//! tally consists of intervals, and clients exchange them.

mod errors;
mod lag;
mod record;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::measure::summary::{Ended, Sample, Status};
use crate::measure::window::ThroughputWindow;

pub(crate) use errors::Errors;
pub(crate) use lag::LagRecord;
pub(crate) use record::{IntervalRecord, Packed, Unreadable};

/// The parts of a run: its measured window, and the places of its stages.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frame {
    pub(crate) window: ThroughputWindow,
    pub(crate) stages: Vec<StageFrame>,
}

/// The place of a stage, in nanoseconds from the start of the run.
#[derive(Debug, Clone)]
pub(crate) struct StageFrame {
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
    /// The measured part of the stage.
    pub(crate) window: ThroughputWindow,
}

/// The measurements since the last look.
#[derive(Debug, Clone)]
pub(crate) struct Interval {
    /// The number of the client's interval, from 0, once it is passed on.
    pub(crate) number: u64,
    /// Whole seconds from the start of the run.
    pub(crate) second: u64,
    /// Active users at its end, or requests in flight of an open loop.
    pub(crate) users: u32,
    pub(crate) parts: BTreeMap<(u16, Place), Part>,
    pub(crate) errors: Errors,
    /// The windows contain the counts of this interval alone.
    pub(crate) frame: Frame,
}

/// The part of the run that a request counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    WarmUp,
    /// The run, but none of its stages.
    Run,
    /// The run, and the stage for which it was planned.
    Stage(u16),
}

/// The measurements of one kind of request in one place.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Part {
    pub(crate) outcomes: BTreeMap<Status, u64>,
    /// Requests that were sent within the measured window.
    pub(crate) sent_within: Ended,
    /// Total length of the bodies of good replies, in bytes.
    pub(crate) bytes: u64,
    pub(crate) response: Times,
    pub(crate) service: Times,
}

/// Latencies in nanoseconds, with the number of occurrences of each.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Times {
    pub(crate) counts: Vec<(u64, u64)>,
    pub(crate) sum_ns: u128,
    pub(crate) bounds_ns: Option<(u64, u64)>,
}

impl Frame {
    /// Returns the same frame without counts.
    fn empty(&self) -> Self {
        let stage = |stage: &StageFrame| StageFrame {
            window: stage.window.from(0),
            ..stage.clone()
        };
        Self {
            window: self.window.from(0),
            stages: self.stages.iter().map(stage).collect(),
        }
    }

    /// Returns the place in which a request counts. A request planned for the very end of the run counts for the last
    /// stage.
    fn place(&self, sample: &Sample) -> Place {
        if sample.warm_up {
            return Place::WarmUp;
        }
        let over = |stage: &StageFrame| stage.end_ns <= sample.intended_ns;
        let last = self.stages.len().saturating_sub(1);
        let index = self.stages.partition_point(over).min(last);
        let stage = self.stages.get(index);
        match stage.filter(|stage| stage.start_ns <= sample.intended_ns) {
            Some(_) => Place::Stage(u16::try_from(index).unwrap_or(u16::MAX)),
            None => Place::Run,
        }
    }
}

impl Interval {
    /// Begins an interval of a run with this frame, `second` whole seconds after the start of the run.
    pub(crate) fn begin(second: u64, frame: &Frame) -> Self {
        Self {
            number: 0,
            second,
            users: 0,
            parts: BTreeMap::new(),
            errors: Errors::default(),
            frame: frame.empty(),
        }
    }

    /// Records one sample, `elapsed` after the start of the run.
    pub(crate) fn record(&mut self, sample: &Sample, elapsed: Duration) {
        self.frame.window.record(sample);
        if sample.status == Status::Ok
            && let Some(replied) = sample.replied_ns
            // The stage of the reply counts, not the stage in which the request was sent.
            && let Some(stage) = self.frame.stages.iter_mut().find(|stage| replied < stage.end_ns)
        {
            stage.window.record(sample);
        }
        if sample.status.is_failure() {
            self.errors.count(sample, elapsed.as_secs_f64());
        }
        let place = self.frame.place(sample);
        let within = self.frame.window.is_open_at(sample.sent_ns);
        let part = self.parts.entry((sample.kind, place)).or_default();
        part.record(sample, within);
    }
}

impl Interval {
    /// Adds the later measurements of the same second.
    pub(crate) fn join(&mut self, later: &Self) {
        self.users = later.users;
        self.errors.add(&later.errors);
        self.frame.window.add(&later.frame.window);
        let stages = &mut self.frame.stages;
        for (place, later) in later.frame.stages.iter().enumerate() {
            match stages.get_mut(place) {
                Some(own) => own.window.add(&later.window),
                // This stage began after the first look.
                None => stages.push(later.clone()),
            }
        }
        for (key, part) in &later.parts {
            self.parts.entry(*key).or_default().join(part);
        }
    }
}

impl Part {
    fn join(&mut self, later: &Self) {
        for (status, count) in &later.outcomes {
            *self.outcomes.entry(*status).or_default() += count;
        }
        self.sent_within.add(later.sent_within);
        self.bytes += later.bytes;
        self.response.join(&later.response);
        self.service.join(&later.service);
    }

    fn record(&mut self, sample: &Sample, within: bool) {
        *self.outcomes.entry(sample.status).or_default() += 1;
        if sample.status == Status::Censored {
            return;
        }
        if within {
            self.sent_within.count(sample.status.is_failure());
        }
        if let (Some(response), Some(service)) = (sample.response_ns(), sample.service_ns()) {
            self.response.record(response);
            self.service.record(service);
            self.bytes += u64::from(sample.reply_bytes);
        }
    }

    /// Returns the requests that ended. Censored requests do not count.
    pub(crate) fn ended(&self) -> Ended {
        ended(&self.outcomes)
    }

    pub(crate) fn censored(&self) -> u64 {
        self.outcomes.get(&Status::Censored).copied().unwrap_or(0)
    }
}

fn ended(outcomes: &BTreeMap<Status, u64>) -> Ended {
    let mut ended = Ended::default();
    for (status, count) in outcomes {
        if *status != Status::Censored {
            ended.add(Ended {
                requests: *count,
                failures: if status.is_failure() { *count } else { 0 },
            });
        }
    }
    ended
}

impl Times {
    fn record(&mut self, latency_ns: u64) {
        self.counts.push((latency_ns, 1));
        self.sum_ns += u128::from(latency_ns);
        self.bounds_ns = widened(self.bounds_ns, Some((latency_ns, latency_ns)));
    }

    fn join(&mut self, later: &Self) {
        self.counts.extend_from_slice(&later.counts);
        self.sum_ns += later.sum_ns;
        self.bounds_ns = widened(self.bounds_ns, later.bounds_ns);
    }
}

/// Returns bounds that include both.
pub(crate) fn widened(one: Option<(u64, u64)>, other: Option<(u64, u64)>) -> Option<(u64, u64)> {
    match (one, other) {
        (Some((low, high)), Some((other_low, other_high))) => {
            Some((low.min(other_low), high.max(other_high)))
        }
        (one, other) => one.or(other),
    }
}
