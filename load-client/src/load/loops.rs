//! The two loops that send: the closed one starts and ends users as they are wanted; the open one sends each request
//! of the schedule when it is due, or as soon as possible after.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};

use crate::load::plan::{Model, OpenLoop, Pause, Stage, Target};
use crate::load::runner::{self, Engine, Pacer, Step, now};
use crate::load::schedule::Schedule;
use crate::load::users::{Course, WaitTime};
use crate::measure::summary::Status;
use crate::transport::{Ending, InFlight, Listener, Transport};

/// Users that run, by number.
struct Users {
    tasks: JoinSet<u32>,
    /// What wakes those that run from their pauses.
    running: Vec<Option<Arc<Notify>>>,
}

/// Lets users run until the run is over, and the last of them has ended.
pub(super) async fn drive_closed<T: Transport>(engine: &Arc<Engine<T>>) {
    let mut users = Users {
        tasks: JoinSet::new(),
        running: Vec::new(),
    };
    let mut course = Course::new(&engine.plan);
    let mut changes = engine.control.changes();
    loop {
        let elapsed = engine.elapsed();
        let is_over = engine.plan.run_time.is_some_and(|end| end <= elapsed);
        if is_over || engine.control.stop.is_cancelled() {
            break;
        }
        if let Some(target) = course.follow(elapsed) {
            engine.control.follow(target);
        }
        if std::mem::replace(&mut changes, engine.control.changes()) != changes
            && let Some(Target::Users { users, spawn_rate }) = engine.control.target()
        {
            course.change(elapsed, users, spawn_rate);
        }
        let wanted = course.users(elapsed);
        if engine.control.allow(wanted) > wanted {
            users.dismiss_from(wanted);
        }
        users.start_missing(wanted, engine);
        let next = [course.next_change(elapsed), engine.plan.run_time];
        wait(engine, &mut users, next.into_iter().flatten().min()).await;
    }
    engine.sending_ended();
    engine.control.stop.cancel();
    while let Some(ended) = users.tasks.join_next().await {
        users.note(ended);
        engine.users_are(users.tasks.len());
    }
}

/// Waits for whatever changes the users that run, or are wanted.
async fn wait<T: Transport>(engine: &Arc<Engine<T>>, users: &mut Users, next: Option<Duration>) {
    let next = async {
        match next.and_then(|next| engine.start.checked_add(next)) {
            Some(next) => tokio::time::sleep_until(next.into()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = next => {}
        () = engine.control.stop.cancelled() => {}
        () = engine.control.changed() => {}
        Some(ended) = users.tasks.join_next() => {
            users.note(ended);
            engine.users_are(users.tasks.len());
        }
    }
}

impl Users {
    fn start_missing<T: Transport>(&mut self, wanted: u32, engine: &Arc<Engine<T>>) {
        let length = self.running.len().max(wanted as usize);
        self.running.resize(length, None);
        let slots = self.running.iter_mut().zip(0..wanted);
        for (running, user) in slots.filter(|(running, _)| running.is_none()) {
            let dismissed = Arc::new(Notify::new());
            *running = Some(Arc::clone(&dismissed));
            self.tasks
                .spawn(closed_loop(user, Arc::clone(engine), dismissed));
        }
        engine.users_are(self.tasks.len());
    }

    /// Wakes users that are not wanted any more: a long pause must not keep them.
    fn dismiss_from(&self, wanted: u32) {
        let surplus = self.running.iter().skip(wanted as usize);
        surplus
            .flatten()
            .for_each(|dismissed| dismissed.notify_one());
    }

    fn note(&mut self, ended: Result<u32, JoinError>) {
        match ended {
            Ok(user) => self.running[user as usize] = None,
            // A bug of ours: figures without that user's requests would mislead.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_cancelled) => {}
        }
    }
}

/// Pause of a user whose request could not even be sent: without it a broken broker would be
/// hammered, and the CSV filled with thousands of equal failures a second.
const PAUSE_AFTER_BROKEN_TRANSPORT: Duration = Duration::from_millis(100);
/// Pause of a user while the recorder is too far behind.
const PAUSE_FOR_RECORDER: Duration = Duration::from_millis(10);

/// Wakes the user when its request has ended.
struct Turn<T> {
    engine: Arc<Engine<T>>,
    ended: Notify,
    transport_is_broken: AtomicBool,
}

impl<T: Transport> Listener for Turn<T> {
    fn ended(&self, flight: &InFlight, ending: Ending) {
        let status = self.engine.take(flight, ending);
        let is_broken = matches!(status, Status::SendError | Status::ConsumerFailure);
        self.transport_is_broken.store(is_broken, Ordering::Relaxed);
        self.ended.notify_one();
    }
}

/// Runs a user until it is not wanted any more; answers its number. `dismissed` wakes it from a pause to look
/// whether it is.
async fn closed_loop<T: Transport>(
    user: u32,
    engine: Arc<Engine<T>>,
    dismissed: Arc<Notify>,
) -> u32 {
    let pause = async |until| engine.pause(until, user, &dismissed).await;
    let mut wait_time = WaitTime::new(
        match &engine.plan.model {
            Model::Closed(pause) => pause,
            Model::Open(_) => &Pause::None,
        },
        user,
    );
    let turn = Arc::new(Turn {
        engine: Arc::clone(&engine),
        ended: Notify::new(),
        transport_is_broken: AtomicBool::new(false),
    });
    let (mut planned, mut is_held_back) = (None, false);
    while engine.control.wants(user) {
        if !engine.samples.has_room() {
            if !std::mem::replace(&mut is_held_back, true) {
                engine.control.request_waits_for_recorder();
            }
            pause(now() + PAUSE_FOR_RECORDER).await;
            continue;
        }
        is_held_back = false;
        let Some(sent) = engine.send(user, planned, Arc::<Turn<T>>::clone(&turn)) else {
            break;
        };
        if wait_time.is_paced() && !engine.is_warm_up(planned.unwrap_or(sent)) {
            let lag = planned.map_or(Duration::ZERO, |planned| sent - planned);
            engine.control.request_was_late(lag, false);
        }
        planned = None;
        turn.ended.notified().await;
        // A transport that ends requests at once must not keep this thread for itself.
        tokio::task::consume_budget().await;
        if turn.transport_is_broken.load(Ordering::Relaxed) {
            pause(now() + PAUSE_AFTER_BROKEN_TRANSPORT).await;
        } else if let Some(next) = wait_time.next(sent, now()) {
            pause(next).await;
            planned = wait_time.planned(next, now());
        }
    }
    user
}

impl<T: Transport> Engine<T> {
    /// Waits until then, or until the run stops or this user is not wanted any more.
    async fn pause(&self, until: Instant, user: u32, dismissed: &Notify) {
        while until > now() && self.control.wants(user) {
            tokio::select! {
                biased;
                () = self.control.stop.cancelled() => {}
                () = dismissed.notified() => {}
                () = tokio::time::sleep_until(until.into()) => {}
            }
        }
    }
}

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
pub(super) async fn drive_open<T: Transport>(engine: &Arc<Engine<T>>, pacer: Pacer) {
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
                let unsent = self.drop_due(elapsed);
                self.engine.control.requests_stay_unsent(unsent);
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
        let Some(sent) = self.engine.send(user, Some(due), listener) else {
            return;
        };
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
            // What a search leaves due at one rate must not burden the next.
            if self.engine.plan.search.is_some() {
                self.drop_due(elapsed);
            }
        }
    }

    /// Leaves out what is due; answers how many requests that are.
    fn drop_due(&mut self, elapsed: Duration) -> u64 {
        let mut unsent = 0;
        while unsent < MAX_COUNTED_UNSENT && self.schedule.peek().is_some_and(|due| due <= elapsed)
        {
            self.schedule.next();
            unsent += 1;
        }
        unsent
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
