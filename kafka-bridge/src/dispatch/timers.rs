//! The periodic work of the loop, and when each part is due. Pure: the caller has the clock.

use std::time::Duration;

use tokio::time::Instant;

use super::progress;

/// How often positions are committed even if they have not moved. A broker accepts commits from any member of the
/// group, whoever owns the partition. A late commit of a former owner, or one that the client repeats, moves the
/// position back. This commit moves it forward again, and keeps the offsets of idle partitions from expiring.
const COMMIT_AGAIN: Duration = Duration::from_secs(10);

/// Far enough never to come, and near enough for each clock.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// Returns `now` plus `wait`, or a far instant where the clock overflows.
pub(super) fn after(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait).unwrap_or_else(|| now + FAR)
}

/// A periodic timer. A late run delays the next ones.
#[derive(Debug)]
pub(super) struct Timer {
    period: Duration,
    due: Instant,
}

impl Timer {
    fn new(period: Duration, now: Instant) -> Self {
        Self {
            period,
            due: after(now, period),
        }
    }

    /// Returns whether the timer is due, and if so starts the next period.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = now >= self.due;
        if is_due {
            self.due = after(now, self.period);
        }
        is_due
    }
}

/// The timers of the loop.
#[derive(Debug)]
pub(super) struct Timers {
    pub(super) commit: Timer,
    /// When all positions count as uncommitted.
    pub(super) again: Timer,
    /// When observers get a report.
    pub(super) look: Timer,
}

impl Timers {
    pub(super) fn new(commit_interval: Duration, now: Instant) -> Self {
        Self {
            commit: Timer::new(commit_interval, now),
            again: Timer::new(COMMIT_AGAIN, now),
            look: Timer::new(progress::INTERVAL, now),
        }
    }

    /// Returns the next due time. The commit timer counts only if there is something to commit.
    pub(super) fn next(&self, has_commit: bool) -> Instant {
        let next = self.again.due.min(self.look.due);
        if has_commit {
            next.min(self.commit.due)
        } else {
            next
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_commit_waits_for_something_to_be_committed_and_no_longer() {
        let start = Instant::now();
        let mut timers = Timers::new(SECOND / 2, start);
        assert_eq!(timers.next(false), start + SECOND);
        assert_eq!(timers.next(true), start + SECOND / 2);
        // Overdue since nothing moved: the first record is committed at once, then all in turn.
        let late = start + 5 * SECOND;
        assert!(timers.next(true) < late && timers.commit.is_due(late));
        assert!(!timers.commit.is_due(late));
        assert_eq!(timers.commit.due, late + SECOND / 2);
    }

    #[test]
    fn each_timer_has_its_own_period_and_none_is_caught_up() {
        let start = Instant::now();
        let mut timers = Timers::new(SECOND, start);
        let late = start + 10 * SECOND;
        assert!(!timers.again.is_due(late - Duration::from_nanos(1)));
        assert!(timers.again.is_due(late) && timers.look.is_due(late));
        assert!(!timers.again.is_due(late) && !timers.look.is_due(late));
        assert_eq!(timers.next(false), late + SECOND);
    }
}
