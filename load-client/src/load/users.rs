//! How many users a closed loop wants over time, and when each of them sends its next request.

use std::time::{Duration, Instant};

use crate::load::plan::{Pause, Plan, Stage, Target};
use crate::stats::SplitMix64;

/// Follows the stages of a plan.
#[derive(Debug)]
pub(super) struct Course {
    stages: std::vec::IntoIter<Stage>,
    /// When the present stage ends. `None` after the last stage, and for a load without stages.
    stage_end: Option<Duration>,
    ramp: Ramp,
}

impl Course {
    pub(super) fn new(plan: &Plan) -> Self {
        let mut course = Self {
            stages: plan.stages.clone().into_iter(),
            stage_end: None,
            ramp: Ramp {
                start: Duration::ZERO,
                from: 0,
                to: plan.users,
                rate: Some(plan.spawn_rate),
            },
        };
        course.begin_stage(Duration::ZERO);
        course
    }

    /// Moves to the stage at this moment. Returns its target if the stage has just begun.
    pub(super) fn follow(&mut self, elapsed: Duration) -> Option<Target> {
        let mut begun = None;
        while let Some(end) = self.stage_end.filter(|end| *end <= elapsed) {
            begun = self.begin_stage(end);
        }
        begun
    }

    /// Follows a target from outside until the next stage. Users start and end at the spawn rate.
    pub(super) fn change(&mut self, elapsed: Duration, users: u32, spawn_rate: f64) {
        self.ramp = Ramp {
            start: elapsed,
            from: self.ramp.at(elapsed),
            to: users,
            rate: Some(spawn_rate),
        };
    }

    /// Returns the users wanted at a moment.
    pub(super) fn users(&self, elapsed: Duration) -> u32 {
        self.ramp.at(elapsed)
    }

    /// Returns the next moment at which the number of users changes.
    pub(super) fn next_change(&self, elapsed: Duration) -> Option<Duration> {
        let changes = [self.ramp.next_change(elapsed), self.stage_end];
        changes.into_iter().flatten().min()
    }

    fn begin_stage(&mut self, start: Duration) -> Option<Target> {
        let stage = self.stages.next();
        self.stage_end = stage.as_ref().map(|stage| start + stage.duration);
        let stage = stage?;
        if let Target::Users { users, spawn_rate } = stage.target {
            let from = match start {
                // Before the start nobody runs. A ramp would already count the first user.
                Duration::ZERO => 0,
                _ => self.ramp.at(start),
            };
            let slope = f64::from(users.abs_diff(from)) / stage.duration.as_secs_f64();
            let rate = match stage.ramp {
                true => Some(slope),
                false => (users >= from).then_some(spawn_rate),
            };
            self.ramp = Ramp {
                start,
                from,
                to: users,
                rate,
            };
        }
        Some(stage.target)
    }
}

/// A change from one number of users to another.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Ramp {
    /// When the change began, from the start of the run.
    start: Duration,
    /// Number of users at its start.
    from: u32,
    /// Number of users at its end.
    to: u32,
    /// Users started or ended per second, above 0. `None` makes the whole change at once.
    rate: Option<f64>,
}

impl Ramp {
    /// Returns the users wanted at a moment. They start at equal intervals, the first one at once.
    fn at(&self, elapsed: Duration) -> u32 {
        let seconds = elapsed.saturating_sub(self.start).as_secs_f64();
        let steps = self.rate.map_or(u32::MAX, |rate| {
            // The slack absorbs rounding in the moments that `next_change` returns. The casts saturate.
            ((seconds * rate + 1e-6).floor() as u32).saturating_add(1)
        });
        match self.to >= self.from {
            true => self.to.min(self.from.saturating_add(steps)),
            false => self.to.max(self.from.saturating_sub(steps)),
        }
    }

    /// Returns when the next user starts or ends, `None` after the last one.
    fn next_change(&self, elapsed: Duration) -> Option<Duration> {
        let now = self.at(elapsed);
        let rate = self.rate.filter(|_| now != self.to)?;
        let steps = f64::from(now.abs_diff(self.from));
        // If the rate is so low that the moment does not fit a `Duration`, it never comes within this run.
        let after = Duration::try_from_secs_f64(steps / rate).unwrap_or(Duration::MAX);
        Some(self.start.saturating_add(after))
    }
}

/// How late a timer of tokio may be. It counts in whole milliseconds.
const COARSENESS: Duration = Duration::from_millis(2);

/// The pauses of one user.
#[derive(Debug)]
pub(super) struct WaitTime {
    pause: Pause,
    random: SplitMix64,
    /// When the last request was due, if there is a pace.
    due: Option<Instant>,
}

impl WaitTime {
    pub(super) fn new(pause: Pause, user: u32) -> Self {
        let seed = match pause {
            Pause::Think { seed, .. } => seed,
            Pause::None | Pause::Pace(_) => 0,
        };
        Self {
            pause,
            random: SplitMix64::new(seed ^ (u64::from(user) << 32)),
            due: None,
        }
    }

    /// Returns when to send the request after the one sent at `sent` and ended at `now`. The moment may be in the past.
    /// `None` means at once.
    pub(super) fn next(&mut self, sent: Instant, now: Instant) -> Option<Instant> {
        match self.pause {
            Pause::None => None,
            Pause::Think { least, most, .. } => {
                Some(now + least + (most - least).mul_f64(self.random.unit()))
            }
            Pause::Pace(pace) => {
                // Counted from the planned moment, so that late timers do not add up.
                let next = self.due.unwrap_or(sent) + pace;
                self.due = Some(next.max(now));
                Some(next)
            }
        }
    }

    /// Returns whether the user has a plan of when to send.
    pub(super) fn is_paced(&self) -> bool {
        matches!(self.pause, Pause::Pace(_))
    }

    /// Returns when the request that is sent `now` was planned, if there is a pace and something delayed it: a slow
    /// reply or a stalled client. A late timer does not count.
    pub(super) fn planned(&self, next: Instant, now: Instant) -> Option<Instant> {
        (self.is_paced() && now.saturating_duration_since(next) > COARSENESS).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Share;
    use crate::load::plan::Model;

    fn stage(seconds: u64, users: u32, ramp: bool) -> Stage {
        Stage {
            name: String::new(),
            duration: Duration::from_secs(seconds),
            target: Target::Users {
                users,
                spawn_rate: 10.0,
            },
            ramp,
        }
    }

    fn course(users: u32, stages: Vec<Stage>) -> Course {
        Course::new(&Plan {
            users,
            spawn_rate: 1.0,
            run_time: None,
            warm_up: Duration::ZERO,
            timeout: Duration::from_secs(30),
            model: Model::Closed(Pause::None),
            stages,
            search: None,
            loads: Vec::new(),
            share: Share::WHOLE,
        })
    }

    /// Returns the users at each full second.
    fn users(course: &mut Course, seconds: u64) -> Vec<u32> {
        let at = |second| {
            let elapsed = Duration::from_secs(second);
            course.follow(elapsed);
            course.users(elapsed)
        };
        (0..seconds).map(at).collect()
    }

    #[test]
    fn a_change_takes_users_away_at_its_rate() {
        let mut course = course(20, vec![]);
        let at = Duration::from_secs;
        course.change(at(30), 14, 2.0);
        let found: Vec<_> = [30, 31, 32, 33, 34]
            .map(|second| course.users(at(second)))
            .into();
        assert_eq!(found, [19, 17, 15, 14, 14]);
    }

    #[test]
    fn ramps_go_in_a_straight_line_and_holds_at_the_spawn_rate() {
        let stages = vec![
            stage(4, 8, true),
            stage(2, 8, false),
            stage(4, 0, true),
            stage(2, 20, false),
            stage(2, 1, false),
        ];
        assert_eq!(
            users(&mut course(0, stages), 14),
            [1, 3, 5, 7, 8, 8, 7, 5, 3, 1, 1, 11, 1, 1]
        );
    }

    #[test]
    fn a_change_from_outside_holds_until_the_next_stage() {
        let mut course = course(0, vec![stage(5, 3, false), stage(5, 4, false)]);
        assert_eq!(users(&mut course, 3), [1, 3, 3]);
        course.change(Duration::from_secs(3), 1, 1.0);
        assert_eq!(course.users(Duration::from_secs(4)), 1);
        assert!(course.follow(Duration::from_secs(5)).is_some());
        assert_eq!(course.users(Duration::from_secs(6)), 4);
    }

    #[test]
    fn without_stages_there_is_one_ramp() {
        let course = course(3, Vec::new());
        assert_eq!(course.users(Duration::ZERO), 1);
        let next = course.next_change(Duration::ZERO);
        assert_eq!(next, Some(Duration::from_secs(1)));
        assert_eq!(course.next_change(Duration::from_secs(2)), None);
    }

    fn changes(ramp: Ramp) -> Vec<(u64, u32)> {
        let mut changes = vec![(0, ramp.at(Duration::ZERO))];
        while let Some(next) = ramp.next_change(Duration::from_millis(changes.last().unwrap().0)) {
            changes.push((next.as_millis() as u64, ramp.at(next)));
        }
        changes
    }

    fn ramp(start_seconds: u64, from: u32, to: u32, rate: Option<f64>) -> Ramp {
        Ramp {
            start: Duration::from_secs(start_seconds),
            from,
            to,
            rate,
        }
    }

    #[test]
    fn users_start_evenly_spaced() {
        let ramp = ramp(0, 0, 4, Some(2.0));
        assert_eq!(changes(ramp), [(0, 1), (500, 2), (1000, 3), (1500, 4)]);
        assert_eq!(ramp.at(Duration::from_secs(60)), 4);
    }

    #[test]
    fn users_end_at_once_or_evenly_spaced() {
        assert_eq!(changes(ramp(0, 3, 0, None)), [(0, 0)]);
        let evenly = changes(ramp(0, 3, 0, Some(4.0)));
        assert_eq!(evenly, [(0, 2), (250, 1), (500, 0)]);
    }

    #[test]
    fn a_ramp_that_begins_later_counts_from_there() {
        let ramp = ramp(7, 2, 3, Some(0.1));
        assert_eq!(ramp.at(Duration::from_secs(7)), 3);
        assert_eq!(ramp.next_change(Duration::from_secs(7)), None);
    }

    const PACE: Duration = Duration::from_millis(10);

    #[test]
    fn a_pace_is_kept_and_begins_anew_after_a_long_request() {
        let mut wait_time = WaitTime::new(Pause::Pace(PACE), 0);
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        assert_eq!(wait_time.next(at(0), at(1)), Some(at(10)));
        assert_eq!(wait_time.next(at(11), at(13)), Some(at(20)), "a late timer");
        assert_eq!(wait_time.next(at(20), at(75)), Some(at(30)), "in the past");
        assert_eq!(wait_time.next(at(75), at(76)), Some(at(85)));
    }

    #[test]
    fn a_request_delayed_by_a_slow_reply_was_planned_earlier() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let paced = WaitTime::new(Pause::Pace(PACE), 0);
        assert_eq!(paced.planned(at(10), at(75)), Some(at(10)));
        assert_eq!(paced.planned(at(10), at(12)), None, "a late timer");
        let unpaced = WaitTime::new(Pause::None, 0);
        assert_eq!(unpaced.planned(at(10), at(75)), None);
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
            let mut wait_time = WaitTime::new(pause, user);
            let times = (0..200).map(move |_| wait_time.next(now, now).unwrap() - now);
            times.collect::<Vec<_>>()
        };
        assert!(times(0).iter().all(|time| (PACE..3 * PACE).contains(time)));
        assert!(times(0).iter().any(|time| *time < 2 * PACE));
        assert!(times(0).iter().any(|time| *time > 2 * PACE));
        assert_ne!(times(0), times(1));
    }
}
