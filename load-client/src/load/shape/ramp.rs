//! How many users of a closed loop are wanted at a moment.

use std::time::Duration;

/// Users on their way from one number to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ramp {
    /// When the way began, from the start of the run.
    pub(crate) start: Duration,
    /// Users at that moment.
    pub(crate) from: u32,
    /// Users wanted in the end.
    pub(crate) to: u32,
    /// Users started per second; above 0.
    pub(crate) start_rate: f64,
    /// Users ended per second; `None` ends all that are too many at once.
    pub(crate) end_rate: Option<f64>,
}

impl Ramp {
    /// Users wanted at a moment: evenly spaced, the first at once.
    #[must_use]
    pub(crate) fn at(&self, elapsed: Duration) -> u32 {
        let seconds = elapsed.saturating_sub(self.start).as_secs_f64();
        // The slack absorbs the rounding of the moments that `next_change` gives; casts saturate.
        let steps = |rate: f64| ((seconds * rate + 1e-6).floor() as u32).saturating_add(1);
        if self.to >= self.from {
            return self
                .to
                .min(self.from.saturating_add(steps(self.start_rate)));
        }
        let ended = self.end_rate.map_or(u32::MAX, steps);
        self.to.max(self.from.saturating_sub(ended))
    }

    /// When the next user starts or ends; `None` when all have.
    #[must_use]
    pub(crate) fn next_change(&self, elapsed: Duration) -> Option<Duration> {
        let now = self.at(elapsed);
        if now == self.to {
            return None;
        }
        let rate = if self.to > self.from {
            self.start_rate
        } else {
            self.end_rate?
        };
        let steps = f64::from(now.abs_diff(self.from));
        // Rates so low that the moment does not fit a Duration mean "never within this run".
        let after = Duration::try_from_secs_f64(steps / rate).unwrap_or(Duration::MAX);
        Some(self.start.saturating_add(after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(ramp: Ramp) -> Vec<(u64, u32)> {
        let mut changes = vec![(0, ramp.at(Duration::ZERO))];
        while let Some(next) = ramp.next_change(Duration::from_millis(changes.last().unwrap().0)) {
            changes.push((next.as_millis() as u64, ramp.at(next)));
        }
        changes
    }

    #[test]
    fn users_start_evenly_spaced() {
        let ramp = Ramp {
            start: Duration::ZERO,
            from: 0,
            to: 4,
            start_rate: 2.0,
            end_rate: None,
        };
        assert_eq!(changes(ramp), [(0, 1), (500, 2), (1000, 3), (1500, 4)]);
        assert_eq!(ramp.at(Duration::from_secs(60)), 4);
    }

    #[test]
    fn users_end_at_once_or_evenly_spaced() {
        let mut ramp = Ramp {
            start: Duration::ZERO,
            from: 3,
            to: 0,
            start_rate: 1.0,
            end_rate: None,
        };
        assert_eq!(changes(ramp), [(0, 0)]);
        ramp.end_rate = Some(4.0);
        assert_eq!(changes(ramp), [(0, 2), (250, 1), (500, 0)]);
    }

    #[test]
    fn a_ramp_that_begins_later_counts_from_there() {
        let ramp = Ramp {
            start: Duration::from_secs(7),
            from: 2,
            to: 3,
            start_rate: 0.1,
            end_rate: None,
        };
        assert_eq!(ramp.at(Duration::from_secs(7)), 3);
        assert_eq!(ramp.next_change(Duration::from_secs(7)), None);
    }
}
