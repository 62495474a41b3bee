//! For how long the whole client stood still: stopped by a signal, paused with its machine, or not given a
//! processor. Whatever should have happened meanwhile happened late, and no other reading tells.

use std::time::Duration;

/// Shorter gaps between two looks are what a busy machine does to any thread.
pub(crate) const SHORTEST_STALL: Duration = Duration::from_millis(100);
/// More are not kept; by then the run is lost.
const MAX_KEPT: usize = 10_000;

/// Collects the gaps between looks that should come one soon after the other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stalls {
    last: Duration,
    gaps: Vec<(Duration, Duration)>,
}

impl Stalls {
    /// Notes a look at this moment from the start of the run, `pause` after the one before if nothing stood
    /// still.
    pub(crate) fn look(&mut self, now: Duration, pause: Duration) {
        let due = self.last + pause;
        if now.saturating_sub(due) >= SHORTEST_STALL && self.gaps.len() < MAX_KEPT {
            self.gaps.push((due, now));
        }
        self.last = now;
    }

    /// The time that was lost between these moments, and the longest part of it.
    #[must_use]
    pub(crate) fn between(&self, start: Duration, end: Duration) -> Stalled {
        let within = self.gaps.iter().map(|(from, to)| {
            let (from, to) = ((*from).max(start), (*to).min(end));
            to.saturating_sub(from)
        });
        within.fold(Stalled::default(), |sum, gap| Stalled {
            total: sum.total + gap,
            longest: sum.longest.max(gap),
        })
    }
}

/// Time that was lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stalled {
    /// All of it.
    pub total: Duration,
    /// The longest part.
    pub longest: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_count_as_far_as_they_lie_in_the_window() {
        let at = Duration::from_millis;
        let mut stalls = Stalls::default();
        for now in [20, 60, 1080, 1100, 1119, 2119 + 20, 2160] {
            stalls.look(at(now), at(20));
        }
        let stalled = |total, longest| Stalled {
            total: at(total),
            longest: at(longest),
        };
        assert_eq!(stalls.between(at(0), at(5000)), stalled(2000, 1000));
        assert_eq!(stalls.between(at(580), at(1639)), stalled(1000, 500));
        assert_eq!(stalls.between(at(1080), at(1139)), Stalled::default());
    }

    #[test]
    fn what_a_busy_machine_does_is_no_stall() {
        let mut stalls = Stalls::default();
        for now in 0..100 {
            stalls.look(Duration::from_millis(now * 90), Duration::from_millis(20));
        }
        let all = stalls.between(Duration::ZERO, Duration::MAX);
        assert_eq!(all, Stalled::default());
    }
}
