//! Steers and watches a run from outside, while it goes on.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::load::plan::Target;
use crate::measure::interval::LagRecord;
use crate::measure::recorder::nanoseconds;
use crate::measure::summary::{Lag, Latency};
use crate::measure::tally::Latencies;

/// Steers one run. All clones steer the same run.
#[derive(Debug, Clone, Default)]
pub struct Control {
    /// Cancelled to send nothing more. The run still waits for the requests in flight, up to the time-out.
    pub stop: CancellationToken,
    /// Cancelled to wait for nothing. Requests in flight are recorded as censored.
    pub abort: CancellationToken,
    load: Arc<Load>,
    counts: Arc<Counts>,
}

/// One load of a run.
#[derive(Debug, Default)]
struct Load {
    /// `None` before the load has begun. Its receivers get the changes from outside, but not those of the stages.
    target: watch::Sender<Option<Target>>,
    in_flight: AtomicUsize,
    presence: Mutex<Presence>,
}

/// The counts of all loads together.
#[derive(Debug, Default)]
struct Counts {
    /// The loads that have begun.
    loads: Mutex<Vec<Arc<Load>>>,
    lag: Mutex<LagTally>,
    sent: AtomicU64,
    held_back: AtomicU64,
    unsent: AtomicU64,
    /// Requests that the recorder held back.
    behind_recorder: AtomicU64,
    is_exhausted: AtomicBool,
}

/// How late requests were sent.
#[derive(Debug, Default)]
struct LagTally {
    all: Latencies,
    /// Without the requests that were held back, and those delayed behind them.
    own: Latencies,
}

/// The users of a closed loop over the measured window.
#[derive(Debug, Default)]
struct Presence {
    warm_up: Duration,
    /// The time up to which the users are added up.
    until: Duration,
    users: usize,
    user_seconds: f64,
    /// When sending ended, and with it the measured window.
    end: Option<Duration>,
}

impl Presence {
    fn add_up(&mut self, at: Duration) {
        if self.end.is_none() {
            let span = at.saturating_sub(self.until);
            self.user_seconds += self.users as f64 * span.as_secs_f64();
            self.until = self.until.max(at);
        }
    }
}

impl Load {
    /// Returns the active users of a closed loop, or the requests in flight of an open loop.
    fn active(&self) -> usize {
        match *self.target.borrow() {
            Some(Target::Rate(_)) => self.in_flight.load(Ordering::Acquire),
            _ => lock(&self.presence).users,
        }
    }
}

impl Control {
    /// Returns the present target. `None` before the run has begun, and with several loads.
    pub(crate) fn target(&self) -> Option<Target> {
        *self.load.target.borrow()
    }

    /// Sets the number of users of a closed loop, and how many start or end per second. A spawn rate that is not above
    /// 0 changes nothing. A user that is taken away ends after its request in flight. The target holds until the next
    /// stage.
    ///
    /// An open loop takes `users` as requests per second.
    pub(crate) fn set_target(&self, users: u32, spawn_rate: f64) {
        self.change(|target| match target {
            Target::Rate(_) => Target::Rate(f64::from(users)),
            Target::Users { .. } if spawn_rate.is_finite() && spawn_rate > 0.0 => {
                Target::Users { users, spawn_rate }
            }
            unchanged @ Target::Users { .. } => unchanged,
        });
    }

    /// Sets the requests per second of an open loop (0 or more). The target holds until the next stage. A closed loop
    /// ignores it.
    pub(crate) fn set_rate(&self, per_second: f64) {
        self.change(|target| match target {
            Target::Rate(_) => Target::Rate(per_second),
            users @ Target::Users { .. } => users,
        });
    }

    /// Adds users, or removes users if `more` is below 0. An open loop takes them as requests per second.
    pub(crate) fn add_users(&self, more: i32) {
        self.change(|target| match target {
            Target::Users { users, spawn_rate } => Target::Users {
                users: users.saturating_add_signed(more),
                spawn_rate,
            },
            Target::Rate(rate) => Target::Rate((rate + f64::from(more)).max(0.0)),
        });
    }

    fn change(&self, change: impl FnOnce(Target) -> Target) {
        self.load
            .target
            .send_modify(|target| *target = target.map(change));
    }

    /// Returns the active users, plus the requests in flight of open loops.
    pub(crate) fn active(&self) -> u32 {
        let active = lock(&self.counts.loads)
            .iter()
            .map(|load| load.active())
            .sum::<usize>();
        u32::try_from(active).unwrap_or(u32::MAX)
    }

    /// Returns the requests in flight, 0 with several loads.
    pub(crate) fn in_flight(&self) -> usize {
        self.load.in_flight.load(Ordering::Acquire)
    }

    /// Returns how late requests were sent so far. `None` for a closed loop, and before the first measured request.
    #[must_use]
    pub fn lag(&self) -> Option<Lag> {
        let (held_back, unsent) = self.late_or_never();
        lock(&self.counts.lag).all.lag(held_back, unsent)
    }

    /// Returns the same lag, for a file.
    pub(crate) fn lag_record(&self) -> LagRecord {
        let (held_back, unsent) = self.late_or_never();
        LagRecord::new(&lock(&self.counts.lag).all, held_back, unsent)
    }

    /// Returns the numbers of requests that were held back, and of those that were never sent.
    fn late_or_never(&self) -> (u64, u64) {
        let counts = [&self.counts.held_back, &self.counts.unsent];
        let [held_back, unsent] = counts.map(|count| count.load(Ordering::Relaxed));
        (held_back, unsent)
    }

    /// Returns how late requests were sent that nothing held back. This lag is the fault of the client itself. `None`
    /// before the first measured request.
    pub(crate) fn own_lag(&self) -> Option<Latency> {
        lock(&self.counts.lag).own.summary()
    }

    /// Returns when sending ended, from the start of the run. `None` while it goes on.
    pub(crate) fn ended(&self) -> Option<Duration> {
        let loads = lock(&self.counts.loads);
        let ends = loads.iter().map(|load| lock(&load.presence).end);
        ends.reduce(|one, other| Some(one?.max(other?))).flatten()
    }

    /// Returns whether the run ended because nothing was left to send.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.counts.is_exhausted.load(Ordering::Relaxed)
    }

    /// Returns the mean users of a closed loop over the measured window. `None` before its end, and with several loads.
    pub(crate) fn mean_users(&self) -> Option<f64> {
        let presence = lock(&self.load.presence);
        let window = presence.end?.saturating_sub(presence.warm_up);
        (!window.is_zero()).then(|| presence.user_seconds / window.as_secs_f64())
    }

    /// Returns the number of requests sent so far, including those of the warm-up.
    pub(crate) fn sent(&self) -> u64 {
        self.counts.sent.load(Ordering::Relaxed)
    }

    /// Returns how often a request waited because the recorder was too far behind.
    pub(crate) fn held_back_by_recorder(&self) -> u64 {
        self.counts.behind_recorder.load(Ordering::Relaxed)
    }
}

/// Calls of the run itself.
impl Control {
    /// Returns the control of one of several loads. The load ends with the run at the latest, and may end before it.
    pub(super) fn part(&self) -> Self {
        Self {
            stop: self.stop.child_token(),
            abort: self.abort.child_token(),
            load: Arc::default(),
            counts: Arc::clone(&self.counts),
        }
    }

    pub(crate) fn begin(&self, target: Target, warm_up: Duration) {
        *lock(&self.load.presence) = Presence {
            warm_up,
            until: warm_up,
            ..Presence::default()
        };
        self.follow(target);
        lock(&self.counts.loads).push(Arc::clone(&self.load));
    }

    /// Notes the target of a stage that begins.
    pub(super) fn follow(&self, target: Target) {
        self.load.target.send_if_modified(|own| {
            *own = Some(target);
            false
        });
    }

    /// Subscribes to later changes of the target from outside.
    pub(super) fn changes(&self) -> watch::Receiver<Option<Target>> {
        self.load.target.subscribe()
    }

    /// Notes how many users run from this moment on.
    pub(crate) fn users_are(&self, users: usize, at: Duration) {
        let mut presence = lock(&self.load.presence);
        presence.add_up(at);
        presence.users = users;
    }

    /// Ends the run because nothing is left to send.
    pub(crate) fn nothing_is_left(&self) {
        self.counts.is_exhausted.store(true, Ordering::Relaxed);
        self.stop.cancel();
    }

    /// Notes that nothing is sent any more. Only the first call counts.
    pub(crate) fn sending_ended(&self, at: Duration) {
        let mut presence = lock(&self.load.presence);
        presence.add_up(at);
        presence.end.get_or_insert(at);
    }

    pub(super) fn request_begins(&self) {
        self.counts.sent.fetch_add(1, Ordering::Relaxed);
        self.load.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn request_ended(&self) {
        self.load.in_flight.fetch_sub(1, Ordering::Release);
    }

    pub(super) fn request_was_late(&self, lag: Duration, was_held_back: bool) {
        let mut tally = lock(&self.counts.lag);
        tally.all.record(nanoseconds(lag));
        if !was_held_back {
            tally.own.record(nanoseconds(lag));
        }
    }

    pub(super) fn count_wait_for_recorder(&self) {
        self.counts.behind_recorder.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_held_back(&self) {
        self.counts.held_back.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_unsent(&self, count: u64) {
        self.counts.unsent.fetch_add(count, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code panics while it holds one of these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_change_within_their_model() {
        let control = Control::default();
        control.add_users(3);
        assert_eq!(control.target(), None);
        let five = Target::Users {
            users: 5,
            spawn_rate: 2.0,
        };
        control.begin(five, Duration::ZERO);
        control.add_users(-10);
        control.set_rate(7.0);
        let users = |users, spawn_rate| Some(Target::Users { users, spawn_rate });
        assert_eq!(control.target(), users(0, 2.0));
        control.set_target(9, 0.0);
        control.set_target(9, f64::NAN);
        assert_eq!(control.target(), users(0, 2.0));
        control.set_target(9, 3.0);
        assert_eq!(control.target(), users(9, 3.0));
        control.begin(Target::Rate(5.0), Duration::ZERO);
        control.add_users(10);
        assert_eq!(control.target(), Some(Target::Rate(15.0)));
        control.set_target(3, 1.0);
        assert_eq!(control.target(), Some(Target::Rate(3.0)));
        control.add_users(-10);
        assert_eq!(control.target(), Some(Target::Rate(0.0)));
    }

    #[test]
    fn users_are_averaged_over_the_measured_window() {
        let control = Control::default();
        let second = Duration::from_secs;
        control.begin(Target::Rate(1.0), second(2));
        control.users_are(8, second(0));
        control.users_are(4, second(1));
        control.users_are(6, second(4));
        assert_eq!((control.mean_users(), control.ended()), (None, None));
        control.sending_ended(second(6));
        control.users_are(0, second(9));
        control.sending_ended(second(10));
        // 4 users for two seconds, then 6 for two seconds.
        assert_eq!(control.mean_users(), Some(5.0));
        assert_eq!(control.ended(), Some(second(6)));
    }

    #[test]
    fn lag_is_summed_up() {
        let control = Control::default();
        assert_eq!(control.lag(), None);
        (1..=1000).for_each(|index| control.request_was_late(Duration::from_micros(index), false));
        let lag = control.lag().unwrap();
        assert_eq!(lag.requests, 1000);
        assert!((lag.p50_ms - 0.5).abs() < 1e-3 && (lag.p99_ms - 0.99).abs() < 1e-3);
        assert!((lag.max_ms - 1.0).abs() < 1e-3, "{lag:?}");
        assert_eq!(lag.warning(), None);
        control.count_held_back();
        assert!(
            control
                .lag()
                .unwrap()
                .warning()
                .unwrap()
                .contains("--max-in-flight")
        );
    }
}
