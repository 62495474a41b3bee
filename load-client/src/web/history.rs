//! The moments of the runs so far, in bounded memory.

use serde::Serialize;

use crate::measure::moment::Moment;

/// Moments kept: over an hour at one a second. When there are more, they are thinned out, the old
/// ones more than the new ones, so that a week fits and a chart still shows its course.
const MAX_MOMENTS: usize = 4096;
/// A moment is dropped if the next one kept is nearer to it than this part of its age. With 400 a week
/// needs about 3300 moments, and an hour ago is shown at every nine seconds.
const PARTS_OF_AGE: u64 = 400;
/// Runs whose start is marked.
const MAX_RUNS: usize = 100;

/// The start of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct RunMark {
    /// Counted from 1.
    pub number: u32,
    /// Its id.
    pub run_id: String,
    /// When it started to send, in milliseconds since 1970.
    pub started_unix_ms: u64,
}

/// A moment, and the run that it belongs to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct RunMoment {
    /// The run, counted from 1.
    pub run: u32,
    /// Its moment.
    #[serde(flatten)]
    pub moment: Moment,
}

/// What is kept.
#[derive(Debug, Default)]
pub(super) struct History {
    runs: Vec<RunMark>,
    /// Each with its event's number.
    moments: Vec<(u64, RunMoment)>,
}

impl History {
    pub(super) fn begin(&mut self, run: RunMark) {
        if self.runs.len() == MAX_RUNS {
            let oldest = self.runs.remove(0).number;
            self.moments.retain(|(_, moment)| moment.run > oldest);
        }
        self.runs.push(run);
    }

    pub(super) fn push(&mut self, number: u64, moment: RunMoment) {
        if self.moments.len() >= MAX_MOMENTS {
            self.thin_out(moment.moment.unix_seconds);
        }
        self.moments.push((number, moment));
    }

    fn thin_out(&mut self, now: u64) {
        let mut next_kept = now;
        let first = self.moments.first().map(|(number, _)| *number);
        self.moments.reverse();
        self.moments.retain(|(number, own)| {
            let seconds = own.moment.unix_seconds;
            let age = now.saturating_sub(seconds);
            let is_far = next_kept.saturating_sub(seconds) >= (age / PARTS_OF_AGE).max(1);
            let is_kept = is_far || Some(*number) == first;
            if is_kept {
                next_kept = seconds;
            }
            is_kept
        });
        self.moments.reverse();
        // After months, or with a clock that stands still, that is not enough.
        let excess = self.moments.len().saturating_sub(MAX_MOMENTS * 9 / 10);
        self.moments.drain(..excess);
    }

    /// Forgets all but the mark of a run that goes on.
    pub(super) fn clear(&mut self, active: Option<u32>) {
        self.moments.clear();
        self.runs.retain(|run| Some(run.number) == active);
    }

    pub(super) fn runs(&self) -> &[RunMark] {
        &self.runs
    }

    pub(super) fn moments(&self) -> impl Iterator<Item = &RunMoment> {
        self.moments.iter().map(|(_, moment)| moment)
    }

    /// The moments whose event has a higher number.
    pub(super) fn after(&self, number: u64) -> impl Iterator<Item = &(u64, RunMoment)> {
        let start = self.moments.partition_point(|(own, _)| *own <= number);
        self.moments[start..].iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::tests::moment;

    fn mark(number: u32) -> RunMark {
        RunMark {
            number,
            run_id: number.to_string(),
            started_unix_ms: 0,
        }
    }

    #[test]
    fn a_week_fits_and_shows_its_whole_course() {
        let mut history = History::default();
        history.begin(mark(1));
        let week = 7 * 24 * 3600;
        for second in 0..week {
            history.push(second, moment(1, second));
        }
        assert!(history.moments.len() <= MAX_MOMENTS);
        let seconds: Vec<f64> = history.moments().map(|own| own.moment.seconds).collect();
        assert_eq!(seconds[0], 0.0);
        assert_eq!(seconds.last().copied(), Some((week - 1) as f64));
        assert!(seconds.is_sorted());
        for two in seconds.windows(2) {
            let age = week as f64 - two[0];
            assert!(two[1] - two[0] <= 2.0 + age / 50.0, "{two:?}");
        }
        assert!(
            seconds
                .windows(2)
                .rev()
                .take(300)
                .all(|two| two[1] - two[0] == 1.0)
        );
    }

    #[test]
    fn a_clock_that_stands_still_does_not_fill_memory() {
        let mut history = History::default();
        for number in 0..20_000 {
            history.push(number, moment(1, 7));
        }
        assert!(history.moments.len() <= MAX_MOMENTS);
    }

    #[test]
    fn the_oldest_run_makes_room() {
        let mut history = History::default();
        for number in 1..=150 {
            history.begin(mark(number));
            history.push(u64::from(number), moment(number, 0));
        }
        assert_eq!(history.runs().len(), MAX_RUNS);
        assert_eq!(history.moments().next().unwrap().run, 51);
        assert_eq!(history.after(148).count(), 2);
        history.clear(Some(150));
        assert_eq!((history.runs().len(), history.moments().count()), (1, 0));
    }
}
