//! When a user sends its next request. Pure.

use std::time::{Duration, Instant};

use crate::load::plan::Pause;
use crate::stats::SplitMix64;

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
