//! What happened to the load, in sentences that are made of what changed in its state. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

use crate::measure::summary::Row;
use crate::web::{Phase, State};

/// Entries kept; the oldest make room.
const MAX_ENTRIES: usize = 200;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Entry {
    unix_ms: u64,
    /// Something went wrong.
    is_bad: bool,
    text: String,
}

/// The last entries, the oldest first.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Log(VecDeque<Entry>);

impl Log {
    /// Notes what changed between two states, if that is worth a sentence; answers whether it was.
    pub(super) fn compare(&mut self, before: &State, after: &State, total: Option<&Row>) -> bool {
        let is_invalid = before.invalid.is_none() && after.invalid.is_some();
        let text = match &after.invalid {
            Some(reason) if is_invalid => Some(format!("run #{}: {reason}", after.run)),
            _ if before.phase != after.phase => ended_or_not(after, total),
            _ => edited(before, after),
        };
        let Some(text) = text else {
            return false;
        };
        let is_bad = is_invalid || after.phase == Phase::Failed;
        self.push(after.now_unix_ms, is_bad, text);
        true
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

/// What the new phase means.
fn ended_or_not(state: &State, total: Option<&Row>) -> Option<String> {
    let text = match state.phase {
        Phase::Ready => return None,
        Phase::Starting => format!("starts: {}", load(state)),
        Phase::Running => "is connected and sends".to_owned(),
        Phase::Stopping => "stops: it sends nothing more and waits for replies".to_owned(),
        Phase::Stopped if state.started_unix_ms.is_none() => {
            "was stopped before it sent a request".to_owned()
        }
        Phase::Stopped => total.map_or("ended".to_owned(), |total| {
            let (requests, failures) = (total.requests, total.failures);
            format!("ended: {requests} requests, of which {failures} failed")
        }),
        Phase::Failed => {
            let cause = state.error.as_deref().unwrap_or("the cause is not known");
            format!("failed: {cause}")
        }
    };
    Some(format!("run #{} {text}", state.run))
}

fn edited(before: &State, after: &State) -> Option<String> {
    let is_changed = (before.users, before.spawn_rate) != (after.users, after.spawn_rate);
    is_changed.then(|| {
        format!(
            "run #{} was edited: {}, {} started or ended per second",
            after.run,
            users(after.users),
            after.spawn_rate
        )
    })
}

fn load(state: &State) -> String {
    let load = match state.rate.as_str() {
        "" => format!(
            "{}, {} started per second",
            users(state.users),
            state.spawn_rate
        ),
        rate => rate.to_owned(),
    };
    match state.run_time_seconds.map(Duration::try_from_secs_f64) {
        Some(Ok(time)) => format!("{load}, for {}", humantime::format_duration(time)),
        _ => load,
    }
}

fn users(count: u32) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} user{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

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

    /// The sentence of a change, if there is one.
    fn sentence(before: &State, after: &State) -> Option<(bool, String)> {
        let mut log = Log::default();
        log.compare(before, after, None)
            .then(|| (log.0[0].is_bad, log.0[0].text.clone()))
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
