//! The two loops that send. The closed loop starts and ends users. The open loop sends each request of the schedule
//! when it is due, or as soon as possible after that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep_until, timeout_at};

use crate::load::plan::{Pause, Target};
use crate::load::runner::{Engine, now};
use crate::load::schedule::Schedule;
use crate::load::users::{Course, WaitTime};
use crate::measure::summary::Status;
use crate::transport::{Ending, InFlight, Listener, Transport};

/// The users of a closed loop. A user may be wanted again after its dismissal. If it has not ended yet, it goes on.
/// Otherwise it starts anew.
struct Users<T> {
    engine: Arc<Engine<T>>,
    pause: Pause,
    tasks: JoinSet<u32>,
    /// Wakes the running users from their pauses, by their numbers.
    running: Vec<Option<Arc<Notify>>>,
    /// Users with numbers below this are wanted.
    wanted: Arc<AtomicU32>,
    /// Users that have ended since the number was last set.
    ended: Vec<u32>,
}

/// Runs users until the run is over and the last of them has ended.
pub(super) async fn drive_closed<T: Transport>(engine: &Arc<Engine<T>>, pause: Pause) {
    let mut users = Users {
        engine: Arc::clone(engine),
        pause,
        tasks: JoinSet::new(),
        running: Vec::new(),
        wanted: Arc::default(),
        ended: Vec::new(),
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
        users.set_number(course.users(elapsed));
        let next = [course.next_change(elapsed), engine.plan.run_time];
        let next = next.into_iter().flatten().min();
        let next = next.and_then(|next| engine.start.checked_add(next));
        tokio::select! {
            () = sleep_until(next.unwrap_or_else(now).into()), if next.is_some() => {}
            () = engine.control.stop.cancelled() => {}
            Ok(()) = changes.changed() => {
                if let Some(Target::Users { users, spawn_rate }) = *changes.borrow() {
                    course.change(engine.elapsed(), users, spawn_rate);
                }
            }
            Some(ended) = users.tasks.join_next() => users.note(ended),
        }
    }
    engine.sending_ended();
    engine.control.stop.cancel();
    users.set_number(0);
    while let Some(ended) = users.tasks.join_next().await {
        users.note(ended);
    }
}

impl<T: Transport> Users<T> {
    /// Dismisses the users that are not wanted any more, and starts those that are missing.
    fn set_number(&mut self, wanted: u32) {
        let last = self.wanted.swap(wanted, Ordering::Relaxed);
        for user in wanted..last {
            // A user must not stay for a long pause. Users of other clients are not in this list.
            if let Some(Some(woken)) = self.running.get(user as usize) {
                woken.notify_one();
            }
        }
        let ended = std::mem::take(&mut self.ended).into_iter();
        let ended = ended.filter(|user| *user < wanted);
        let share = self.engine.plan.share;
        ended
            .chain(last..wanted)
            .filter(|user| share.has(u64::from(*user)))
            .for_each(|user| self.start(user));
        self.engine.users_are(self.tasks.len());
    }

    /// Starts a user, unless it is running.
    fn start(&mut self, user: u32) {
        let length = self.running.len().max(user as usize + 1);
        self.running.resize(length, None);
        let running = &mut self.running[user as usize];
        if running.is_none() {
            let woken = Arc::<Notify>::default();
            *running = Some(Arc::clone(&woken));
            let (engine, wanted) = (Arc::clone(&self.engine), Arc::clone(&self.wanted));
            self.tasks
                .spawn(closed_loop(user, engine, self.pause, wanted, woken));
        }
    }

    fn note(&mut self, ended: Result<u32, JoinError>) {
        match ended {
            Ok(user) => {
                self.running[user as usize] = None;
                self.ended.push(user);
            }
            // This is a bug of ours. Figures without the requests of that user would mislead.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_cancelled) => {}
        }
        self.engine.users_are(self.tasks.len());
    }
}

/// Pause of a user whose request could not be sent. Without the pause, the users would flood a broken broker, and the
/// CSV would get thousands of equal failures per second.
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

/// Runs a user as long as it is wanted, and returns its number. The user checks this again when it is woken from a
/// pause.
async fn closed_loop<T: Transport>(
    user: u32,
    engine: Arc<Engine<T>>,
    pause: Pause,
    wanted: Arc<AtomicU32>,
    woken: Arc<Notify>,
) -> u32 {
    let stop = &engine.control.stop;
    let is_wanted = || user < wanted.load(Ordering::Relaxed) && !stop.is_cancelled();
    let pause_until = async |until: Instant| {
        while until > now() && is_wanted() {
            let _ = timeout_at(until.into(), woken.notified()).await;
        }
    };
    let mut wait_time = WaitTime::new(pause, user);
    let turn = Arc::new(Turn {
        engine: Arc::clone(&engine),
        ended: Notify::new(),
        transport_is_broken: AtomicBool::new(false),
    });
    let (mut planned, mut is_held_back) = (None, false);
    while is_wanted() {
        if !engine.samples.has_room() {
            if !std::mem::replace(&mut is_held_back, true) {
                engine.control.count_wait_for_recorder();
            }
            pause_until(now() + PAUSE_FOR_RECORDER).await;
            continue;
        }
        is_held_back = false;
        let Some(sent) = engine.send(user, planned, Arc::<Turn<T>>::clone(&turn)) else {
            break;
        };
        if wait_time.is_paced() {
            engine.note_lag(planned.unwrap_or(sent), sent, false);
        }
        planned = None;
        turn.ended.notified().await;
        // Yields now and then, because a transport that ends requests at once would keep this thread busy for ever.
        tokio::task::consume_budget().await;
        if turn.transport_is_broken.load(Ordering::Relaxed) {
            pause_until(now() + PAUSE_AFTER_BROKEN_TRANSPORT).await;
        } else if let Some(next) = wait_time.next(sent, now()) {
            pause_until(next).await;
            planned = wait_time.planned(next, now());
        }
    }
    user
}

/// Time until a held-back request is tried again.
const PAUSE_WHEN_HELD_BACK: Duration = Duration::from_micros(100);
/// Time until a change from outside is noticed while nothing is due.
const IDLE: Duration = Duration::from_millis(20);
/// An open loop has no users. [`crate::measure::summary::Sample::user`] is the request's number in the schedule modulo
/// this, so that scenarios with data for each user need only a limited number of users.
const USERS: u64 = 1000;
/// Upper bound on counting the due requests that a stopped run did not send.
const MAX_COUNTED_UNSENT: u64 = 10_000_000;

impl<T: Transport> Listener for Engine<T> {
    fn ended(&self, flight: &InFlight, ending: Ending) {
        self.take(flight, ending);
    }
}

/// Sends the schedule of an open loop.
pub(super) struct Dispatcher<T> {
    engine: Arc<Engine<T>>,
    schedule: Schedule,
    /// The stages.
    course: Course,
    max_in_flight: usize,
    /// Whether the next request is already counted as held back.
    is_held_back: bool,
    /// Whether the log has said that requests of this load are held back.
    has_warned: bool,
    /// Whether requests are late because one was held back, and the schedule has not caught up since.
    is_behind: bool,
    /// Changes of the target that the schedule must follow.
    changes: watch::Receiver<Option<Target>>,
}

impl<T: Transport> Dispatcher<T> {
    pub(super) fn new(engine: Arc<Engine<T>>, max_in_flight: usize) -> Self {
        Self {
            schedule: engine.plan.schedule(),
            course: Course::new(&engine.plan),
            max_in_flight,
            is_held_back: false,
            has_warned: false,
            is_behind: false,
            changes: engine.control.changes(),
            engine,
        }
    }

    /// Sends all requests that are due. Returns the latest time of the next call, or `None` after the last request.
    pub(super) fn step(&mut self) -> Option<Instant> {
        loop {
            let now = now();
            let elapsed = now.saturating_duration_since(self.engine.start);
            self.follow(elapsed);
            let due = self.schedule.peek();
            if self.is_over(elapsed, due) {
                self.engine.sending_ended();
                let unsent = self.drop_due(elapsed);
                self.engine.control.count_unsent(unsent);
                return None;
            }
            if due.is_none_or(|due| due > elapsed) {
                self.is_behind = false;
                // The run may end before another request is due.
                let next = due.or(self.engine.plan.run_time);
                let next = next.and_then(|next| self.engine.start.checked_add(next));
                return Some(next.map_or(now + IDLE, |next| next.min(now + IDLE)));
            }
            if !self.may_send() {
                return Some(now + PAUSE_WHEN_HELD_BACK);
            }
            let number = self.schedule.number();
            if let Some(due) = self.schedule.next() {
                self.send(number, self.engine.start + due);
            }
        }
    }

    /// After the run time, requests that are already due are still sent, for as long as a reply may take.
    fn is_over(&self, elapsed: Duration, due: Option<Duration>) -> bool {
        let is_past = |end: Duration| match due {
            Some(_) => elapsed >= end.saturating_add(self.engine.plan.timeout),
            None => elapsed >= end,
        };
        self.engine.control.stop.is_cancelled() || self.engine.plan.run_time.is_some_and(is_past)
    }

    fn may_send(&mut self) -> bool {
        let is_full = self.engine.control.in_flight() >= self.max_in_flight;
        let is_recorded = self.engine.samples.has_room();
        if !is_full && is_recorded {
            self.is_held_back = false;
            return true;
        }
        self.is_behind = true;
        if std::mem::replace(&mut self.is_held_back, true) {
            return false;
        }
        self.engine.control.count_held_back();
        if !is_recorded {
            self.engine.control.count_wait_for_recorder();
        }
        // The recorder has its own count.
        if is_full && !std::mem::replace(&mut self.has_warned, true) {
            let most = self.max_in_flight;
            tracing::warn!(
                most,
                "requests are held back because too many are in flight, see --max-in-flight"
            );
        }
        false
    }

    fn send(&self, number: u64, due: Instant) {
        let user = u32::try_from(number % USERS).unwrap_or_default();
        let listener = Arc::<Engine<T>>::clone(&self.engine);
        if let Some(sent) = self.engine.send(user, Some(due), listener) {
            self.engine.note_lag(due, sent, self.is_behind);
        }
    }

    /// Follows the stages and the changes from outside.
    fn follow(&mut self, elapsed: Duration) {
        if let Some(target) = self.course.follow(elapsed) {
            self.engine.control.follow(target);
        }
        let has_changed = self.changes.has_changed().unwrap_or(false);
        let changed = has_changed.then(|| *self.changes.borrow_and_update());
        if let Some(Some(Target::Rate(rate))) = changed {
            self.schedule.set_rate(elapsed, rate);
            // The requests of one rate of a search must not burden the next rate.
            if self.engine.plan.search.is_some() {
                self.drop_due(elapsed);
            }
        }
    }

    /// Skips the requests that are due, and returns their number.
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
