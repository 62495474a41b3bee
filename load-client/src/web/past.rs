//! The past of the board: moments for the charts, and a log. The log has a sentence for each change of the state. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

use crate::measure::history::Moment;
use crate::measure::summary::Row;
use crate::web::{Phase, State};

/// Most moments that are kept: over an hour at one per second. More moments are thinned out, old ones more than new
/// ones, so that a week fits and a chart still shows its course.
const MAX_MOMENTS: usize = 4096;
/// A moment is dropped if the next kept moment is nearer than this part of its age. With 400, a week needs about 3300
/// moments, and the moments of an hour ago are nine seconds apart.
const PARTS_OF_AGE: u64 = 400;
/// Most runs whose start is marked.
const MAX_RUNS: usize = 100;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct RunMark {
    /// The number of the run, counted from 1.
    pub number: u32,
    pub run_id: String,
    /// When the run started to send, in milliseconds since 1970.
    pub started_unix_ms: u64,
}

/// A moment and its run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct RunMoment {
    /// The number of the board's change that added it.
    #[serde(skip)]
    pub change: u64,
    /// The run, counted from 1.
    pub run: u32,
    #[serde(flatten)]
    pub moment: Moment,
}

/// The kept starts and moments, the oldest first.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct RunHistory {
    pub runs: Vec<RunMark>,
    pub moments: Vec<RunMoment>,
}

impl RunHistory {
    pub(super) fn begin(&mut self, run: RunMark) {
        if self.runs.len() == MAX_RUNS {
            let oldest = self.runs.remove(0).number;
            self.moments.retain(|moment| moment.run > oldest);
        }
        self.runs.push(run);
    }

    pub(super) fn push(&mut self, moment: RunMoment) {
        if self.moments.len() >= MAX_MOMENTS {
            self.thin_out(moment.moment.unix_seconds);
        }
        self.moments.push(moment);
    }

    fn thin_out(&mut self, now: u64) {
        let mut next_kept = now;
        let first = self.moments.first().map(|own| own.change);
        self.moments.reverse();
        self.moments.retain(|own| {
            let seconds = own.moment.unix_seconds;
            let age = now.saturating_sub(seconds);
            let is_far = next_kept.saturating_sub(seconds) >= (age / PARTS_OF_AGE).max(1);
            let is_kept = is_far || Some(own.change) == first;
            if is_kept {
                next_kept = seconds;
            }
            is_kept
        });
        self.moments.reverse();
        // After months, or if the clock stands still, that is not enough.
        let excess = self.moments.len().saturating_sub(MAX_MOMENTS * 9 / 10);
        self.moments.drain(..excess);
    }

    /// Removes everything but the mark of a run that goes on.
    pub(super) fn clear(&mut self, active: Option<u32>) {
        self.moments.clear();
        self.runs.retain(|run| Some(run.number) == active);
    }

    /// Returns the moments after a change of the board.
    pub(super) fn after(&self, change: u64) -> &[RunMoment] {
        let start = self.moments.partition_point(|own| own.change <= change);
        &self.moments[start..]
    }
}

/// Most entries that are kept; the oldest are removed.
const MAX_ENTRIES: usize = 200;

/// One event of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Entry {
    unix_ms: u64,
    /// Whether something went wrong.
    is_bad: bool,
    text: String,
}

/// The last entries, the oldest first.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Log(VecDeque<Entry>);

impl Log {
    /// Notes the change between two states, if it deserves a sentence.
    pub(super) fn compare(&mut self, before: &State, after: &State, total: Option<&Row>) {
        let is_invalid = before.invalid.is_none() && after.invalid.is_some();
        let text = match &after.invalid {
            Some(reason) if is_invalid => Some(format!("run #{}: {reason}", after.run)),
            _ if before.phase != after.phase => ended_or_not(after, total),
            _ => edited(before, after),
        };
        if let Some(text) = text {
            let is_bad = is_invalid || after.phase == Phase::Failed;
            self.push(after.now_unix_ms, is_bad, text);
        }
    }

    pub(super) fn push(&mut self, unix_ms: u64, is_bad: bool, text: String) {
        if self.0.len() == MAX_ENTRIES {
            self.0.pop_front();
        }
        self.0.push_back(Entry {
            unix_ms,
            is_bad,
            text,
        });
    }
}

/// Returns the sentence for a new phase.
fn ended_or_not(state: &State, total: Option<&Row>) -> Option<String> {
    let text = match state.phase {
        Phase::Ready => return None,
        Phase::Starting => format!("starts: {}", load(state)),
        Phase::Running => "is connected and sends".to_owned(),
        Phase::Stopping => "stops sending and waits for replies".to_owned(),
        Phase::Stopped if state.started_unix_ms.is_none() => {
            "was stopped before it sent a request".to_owned()
        }
        Phase::Stopped => total.map_or("ended".to_owned(), |total| {
            let (requests, failures) = (total.requests, total.failures);
            format!("ended: {requests} requests, of which {failures} failed")
        }),
        Phase::Failed => {
            let cause = state.error.as_deref().unwrap_or("the cause is unknown");
            format!("failed: {cause}")
        }
    };
    Some(format!("run #{} {text}", state.run))
}

fn edited(before: &State, after: &State) -> Option<String> {
    let is_changed = (before.users, before.spawn_rate) != (after.users, after.spawn_rate);
    is_changed.then(|| {
        let users = users(after, "started or ended");
        format!("run #{} was edited: {users}", after.run)
    })
}

fn load(state: &State) -> String {
    let load = match state.rate.as_str() {
        "" => users(state, "started"),
        rate => rate.to_owned(),
    };
    match state.run_time_seconds.map(Duration::try_from_secs_f64) {
        Some(Ok(time)) => format!("{load}, for {}", humantime::format_duration(time)),
        _ => load,
    }
}

fn users(state: &State, what: &str) -> String {
    let plural = if state.users == 1 { "" } else { "s" };
    let (count, rate) = (state.users, state.spawn_rate);
    format!("{count} user{plural}, {rate} {what} per second")
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
        let mut history = RunHistory::default();
        history.begin(mark(1));
        let week = 7 * 24 * 3600;
        for second in 0..week {
            history.push(moment(1, second));
        }
        assert!(history.moments.len() <= MAX_MOMENTS);
        let seconds: Vec<f64> = history
            .moments
            .iter()
            .map(|own| own.moment.seconds)
            .collect();
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
        let mut history = RunHistory::default();
        for _ in 0..20_000 {
            history.push(moment(1, 7));
        }
        assert!(history.moments.len() <= MAX_MOMENTS);
    }

    #[test]
    fn the_oldest_run_makes_room() {
        let mut history = RunHistory::default();
        for number in 1..=150 {
            history.begin(mark(number));
            history.push(moment(number, number.into()));
        }
        assert_eq!(history.runs.len(), MAX_RUNS);
        assert_eq!(history.moments[0].run, 51);
        assert_eq!(history.after(148).len(), 2);
        history.clear(Some(150));
        assert_eq!((history.runs.len(), history.moments.len()), (1, 0));
    }

    fn state(phase: Phase) -> State {
        State {
            phase,
            run: 2,
            users: 4,
            spawn_rate: 0.5,
            started_unix_ms: Some(1),
            ..State::default()
        }
    }

    /// Returns the sentence of a change, if there is one.
    fn sentence(before: &State, after: &State) -> Option<(bool, String)> {
        let mut log = Log::default();
        log.compare(before, after, None);
        let entry = log.0.front()?;
        Some((entry.is_bad, entry.text.clone()))
    }

    #[test]
    fn the_life_of_a_run_is_told() {
        let ready = State::default();
        let mut starting = state(Phase::Starting);
        starting.run_time_seconds = Some(90.0);
        let told = |before: &State, after: &State| sentence(before, after).unwrap().1;
        let text = "run #2 starts: 4 users, 0.5 started per second, for 1m 30s";
        assert_eq!(told(&ready, &starting), text);
        starting.rate = "500/s".to_owned();
        assert_eq!(told(&ready, &starting), "run #2 starts: 500/s, for 1m 30s");
        let running = state(Phase::Running);
        assert_eq!(told(&starting, &running), "run #2 is connected and sends");
        let mut edited = running.clone();
        edited.users = 1;
        let text = "run #2 was edited: 1 user, 0.5 started or ended per second";
        assert_eq!(told(&running, &edited), text);
        assert_eq!(told(&running, &state(Phase::Stopped)), "run #2 ended");
    }

    #[test]
    fn what_went_wrong_is_marked() {
        let mut failed = state(Phase::Failed);
        failed.error = Some("no broker".to_owned());
        let text = "run #2 failed: no broker".to_owned();
        assert_eq!(
            sentence(&state(Phase::Starting), &failed),
            Some((true, text))
        );
        let mut invalid = state(Phase::Running);
        invalid.invalid = Some("too busy".to_owned());
        let text = "run #2: too busy".to_owned();
        assert_eq!(
            sentence(&state(Phase::Running), &invalid),
            Some((true, text))
        );
        assert_eq!(sentence(&invalid, &invalid), None);
    }

    #[test]
    fn old_entries_make_room() {
        let mut log = Log::default();
        (0..300).for_each(|number| log.push(number, false, String::new()));
        assert_eq!((log.0.len(), log.0[0].unix_ms), (MAX_ENTRIES, 100));
    }
}
