//! The closed loop: starts and ends users as they are wanted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};

use crate::load::plan::{Model, Pause, Target};
use crate::load::runner::{Engine, now};
use crate::load::users::Course;
use crate::measure::summary::Status;
use crate::stats::SplitMix64;
use crate::transport::{Ending, InFlight, Listener, Transport};

/// Users that run, by number.
struct Users {
    tasks: JoinSet<u32>,
    /// What wakes those that run from their pauses.
    running: Vec<Option<Arc<Notify>>>,
}

/// Lets users run until the run is over, and the last of them has ended.
pub(super) async fn drive<T: Transport>(engine: &Arc<Engine<T>>) {
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

// One user of a closed loop: sends a request, waits for its end, pauses, sends the next.

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
pub(super) async fn closed_loop<T: Transport>(
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
        let sent = engine.send(user, planned, Arc::<Turn<T>>::clone(&turn));
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

// When a user sends its next request. Pure.

/// How late a timer of tokio's may be, which counts in whole milliseconds.
const COARSENESS: Duration = Duration::from_millis(2);

/// The pauses of one user.
#[derive(Debug)]
pub(super) enum WaitTime {
    None,
    Think {
        least: Duration,
        most: Duration,
        random: SplitMix64,
    },
    Pace {
        pace: Duration,
        /// When the last request was to be sent.
        due: Option<Instant>,
    },
}

impl WaitTime {
    pub(super) fn new(pause: &Pause, user: u32) -> Self {
        match *pause {
            Pause::None => Self::None,
            Pause::Think { least, most, seed } => Self::Think {
                least,
                most,
                random: SplitMix64::new(seed ^ (u64::from(user) << 32)),
            },
            Pause::Pace(pace) => Self::Pace { pace, due: None },
        }
    }

    /// When the request after the one sent at `sent` and ended at `now` is to be sent, which may be in the past;
    /// `None` for at once.
    pub(super) fn next(&mut self, sent: Instant, now: Instant) -> Option<Instant> {
        match self {
            Self::None => None,
            Self::Think {
                least,
                most,
                random,
            } => {
                let spread = (*most - *least).mul_f64(random.unit());
                Some(now + *least + spread)
            }
            Self::Pace { pace, due } => {
                // From the planned moment, so that late timers do not add up.
                let next = due.unwrap_or(sent) + *pace;
                *due = Some(next.max(now));
                Some(next)
            }
        }
    }

    /// Whether there is a plan of when to send.
    pub(super) fn is_paced(&self) -> bool {
        matches!(self, Self::Pace { .. })
    }

    /// When a request that goes out `now` was to, if a pace says so: what a slow reply, or a client that was
    /// held up, kept from being sent was waiting. A late timer is neither.
    pub(super) fn planned(&self, next: Instant, now: Instant) -> Option<Instant> {
        (self.is_paced() && now.saturating_duration_since(next) > COARSENESS).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Duration = Duration::from_millis(10);

    #[test]
    fn a_pace_is_kept_and_begins_anew_after_a_long_request() {
        let mut wait_time = WaitTime::new(&Pause::Pace(PACE), 0);
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        assert_eq!(wait_time.next(at(0), at(1)), Some(at(10)));
        assert_eq!(wait_time.next(at(11), at(13)), Some(at(20)), "a late timer");
        assert_eq!(wait_time.next(at(20), at(75)), Some(at(30)), "in the past");
        assert_eq!(wait_time.next(at(75), at(76)), Some(at(85)));
    }

    #[test]
    fn what_a_slow_reply_held_up_was_to_be_sent_earlier() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let paced = WaitTime::new(&Pause::Pace(PACE), 0);
        assert_eq!(paced.planned(at(10), at(75)), Some(at(10)));
        assert_eq!(paced.planned(at(10), at(12)), None, "a late timer");
        assert_eq!(WaitTime::None.planned(at(10), at(75)), None);
    }

    #[test]
    fn think_times_lie_between_their_bounds_and_differ_by_user() {
        let pause = Pause::Think {
            least: PACE,
            most: 3 * PACE,
            seed: 1,
        };
        let now = Instant::now();
        let times = |user| {
            let mut wait_time = WaitTime::new(&pause, user);
            let times = (0..200).map(move |_| wait_time.next(now, now).unwrap() - now);
            times.collect::<Vec<_>>()
        };
        assert!(times(0).iter().all(|time| (PACE..3 * PACE).contains(time)));
        assert!(times(0).iter().any(|time| *time < 2 * PACE));
        assert!(times(0).iter().any(|time| *time > 2 * PACE));
        assert_ne!(times(0), times(1));
    }
}
