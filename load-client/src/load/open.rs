//! The open loop: sends each request of the schedule when it is due, or as soon as possible after.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::load::plan::{Model, OpenLoop, Stage, Target};
use crate::load::runner::{self, Engine, Pacer, Step, now};
use crate::load::schedule::Schedule;
use crate::transport::{Ending, InFlight, Listener, Transport};

/// How soon a held-back request is tried again.
const PAUSE_WHEN_HELD_BACK: Duration = Duration::from_micros(100);
/// How soon a change from outside is seen while nothing is due.
const IDLE: Duration = Duration::from_millis(20);
/// An open loop has no users; [`crate::measure::summary::Sample::user`] is the request's place in the schedule modulo
/// this, so that scenarios with data by user find some, and not without end.
const USERS: u64 = 1000;
/// Due requests are counted up to here when a run is stopped before they were sent.
const MAX_COUNTED_UNSENT: u64 = 10_000_000;

impl<T: Transport> Listener for Engine<T> {
    fn ended(&self, flight: &InFlight, ending: Ending) {
        self.take(flight, ending);
    }
}

/// Sends the schedule to its end.
pub(super) async fn drive<T: Transport>(engine: &Arc<Engine<T>>, pacer: Pacer) {
    if let Model::Open(open) = &engine.plan.model {
        let mut dispatcher = Dispatcher::new(Arc::clone(engine), open);
        match pacer {
            Pacer::Thread => runner::by_thread(move || dispatcher.step()).await,
            #[cfg(test)]
            Pacer::Timer => runner::by_timer(move || dispatcher.step()).await,
        }
    }
}

struct Dispatcher<T> {
    engine: Arc<Engine<T>>,
    listener: Arc<dyn Listener>,
    schedule: Schedule,
    max_in_flight: usize,
    /// Requests sent.
    number: u64,
    /// Whether the next request was counted as held back.
    is_held_back: bool,
    /// Whether requests are late because one was held back, and the schedule was not caught up with since.
    is_behind: bool,
    /// Changes of the target that the schedule has followed.
    changes: u64,
    /// When each stage begins, and what it wants.
    stages: std::vec::IntoIter<(Duration, Target)>,
}

impl<T: Transport> Dispatcher<T> {
    fn new(engine: Arc<Engine<T>>, open: &OpenLoop) -> Self {
        Self {
            listener: Arc::<Engine<T>>::clone(&engine),
            schedule: engine.plan.schedule(),
            max_in_flight: open.max_in_flight,
            number: 0,
            is_held_back: false,
            is_behind: false,
            changes: engine.control.changes(),
            stages: beginnings(&engine.plan.stages).into_iter(),
            engine,
        }
    }

    /// Sends all that is due; answers how long to wait then.
    fn step(&mut self) -> Step {
        loop {
            let now = now();
            let elapsed = now.saturating_duration_since(self.engine.start);
            self.follow(elapsed);
            let due = self.schedule.peek();
            if self.is_over(elapsed, due) {
                self.engine.sending_ended();
                self.count_unsent(elapsed);
                return Step::Done;
            }
            match due.and_then(|due| self.engine.start.checked_add(due)) {
                Some(due) if due <= now => {
                    if !self.may_send() {
                        return Step::Wait(now + PAUSE_WHEN_HELD_BACK);
                    }
                    self.schedule.next();
                    self.send(due);
                }
                Some(due) => {
                    self.is_behind = false;
                    return Step::Wait(due.min(now + IDLE));
                }
                None => {
                    return Step::Wait(self.end().map_or(now + IDLE, |end| end.min(now + IDLE)));
                }
            }
        }
    }

    /// What is due is sent though the run time is over, for as long as a reply would be waited for.
    fn is_over(&self, elapsed: Duration, due: Option<Duration>) -> bool {
        let is_past = |end: Duration| match due {
            Some(_) => elapsed >= end.saturating_add(self.engine.plan.timeout),
            None => elapsed >= end,
        };
        self.engine.control.stop.is_cancelled() || self.engine.plan.run_time.is_some_and(is_past)
    }

    fn end(&self) -> Option<Instant> {
        let run_time = self.engine.plan.run_time?;
        self.engine.start.checked_add(run_time)
    }

    fn may_send(&mut self) -> bool {
        let is_full = self.engine.control.in_flight() >= self.max_in_flight;
        let is_recorded = self.engine.samples.has_room();
        if !is_full && is_recorded {
            self.is_held_back = false;
            return true;
        }
        self.is_behind = true;
        let is_new = !std::mem::replace(&mut self.is_held_back, true);
        if is_new && !is_recorded {
            self.engine.control.request_waits_for_recorder();
        }
        if is_new && self.engine.control.request_is_held_back() == 0 {
            let most = self.max_in_flight;
            tracing::warn!(
                most,
                "requests are held back from now on, see --max-in-flight"
            );
        }
        false
    }

    fn send(&mut self, due: Instant) {
        let user = u32::try_from(self.number % USERS).unwrap_or_default();
        self.number += 1;
        let listener = Arc::clone(&self.listener);
        let sent = self.engine.send(user, Some(due), listener);
        if !self.engine.is_warm_up(due) {
            let lag = sent.saturating_duration_since(due);
            self.engine.control.request_was_late(lag, self.is_behind);
        }
    }

    /// Follows the stages, and changes from outside.
    fn follow(&mut self, elapsed: Duration) {
        while let Some((start, target)) = self.stages.as_slice().first()
            && *start <= elapsed
        {
            self.engine.control.follow(*target);
            self.stages.next();
        }
        let changes = self.engine.control.changes();
        if std::mem::replace(&mut self.changes, changes) != changes
            && let Some(Target::Rate(rate)) = self.engine.control.target()
        {
            self.schedule.set_rate(elapsed, rate);
        }
    }

    fn count_unsent(&mut self, elapsed: Duration) {
        let mut unsent = 0;
        while unsent < MAX_COUNTED_UNSENT && self.schedule.peek().is_some_and(|due| due <= elapsed)
        {
            self.schedule.next();
            unsent += 1;
        }
        self.engine.control.requests_stay_unsent(unsent);
    }
}

fn beginnings(stages: &[Stage]) -> Vec<(Duration, Target)> {
    let mut start = Duration::ZERO;
    let mut beginning = |stage: &Stage| {
        let begins = start;
        start += stage.duration;
        (begins, stage.target)
    };
    stages.iter().map(&mut beginning).collect()
}
