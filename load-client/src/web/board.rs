//! What every browser sees: one state, one history, one set of figures. Whoever owns the runs writes
//! it, each browser reads it from where it stands.
//!
//! Memory is bounded: the history is thinned out, and a browser that does not read its events misses
//! them and is told the whole anew.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::sync::broadcast;

use crate::measure::history::{Bin, Moment};
use crate::measure::summary::Summary;
use crate::web::StartOrder;
use crate::web::api::DOWNLOADS;
use crate::web::events::{Event, Position, RunHistory, RunMark, RunMoment};
use crate::web::log::Log;

/// Events that a browser may be behind before it is told the whole anew.
const BACKLOG: usize = 64;

/// The board. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Board(Arc<Mutex<Inner>>);

struct Inner {
    /// Tells this server's events from those of the one before it on the same port.
    server: u64,
    live: broadcast::Sender<Event>,
    /// The number of the last event.
    number: u64,
    /// The number of the last event that made older history invalid.
    cleared: u64,
    state: State,
    history: RunHistory,
    figures: Option<Figures>,
    log: Log,
}

/// The figures of the present or the last run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figures {
    pub summary: Summary,
    pub histogram: Vec<Bin>,
}

/// All that the board holds, at one instant.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Snapshot {
    pub state: State,
    pub runs: Vec<RunMark>,
    pub moments: Vec<RunMoment>,
    pub figures: Option<Figures>,
}

impl Board {
    /// A board of a load that was not started yet.
    pub(crate) fn new(state: State) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            server: unix_ms(),
            live: broadcast::Sender::new(BACKLOG),
            number: 0,
            cleared: 0,
            state,
            history: RunHistory::default(),
            figures: None,
            log: Log::default(),
        })))
    }

    pub(crate) fn state(&self) -> State {
        self.lock().state_now()
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let inner = self.lock();
        Snapshot {
            state: inner.state_now(),
            runs: inner.history.runs().to_vec(),
            moments: inner.history.moments().cloned().collect(),
            figures: inner.figures.clone(),
        }
    }

    /// Changes the state; answers the new one.
    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) -> State {
        let inner = &mut *self.lock();
        let before = inner.state.clone();
        change(&mut inner.state);
        let state = inner.state_now();
        inner.tell(Event::state(&state));
        if inner.note(&before) {
            inner.tell(Event::log(&inner.log));
        }
        state
    }

    /// A run begins to send: its start is marked, the figures of the one before it are gone.
    pub(crate) fn begin(&self, run: RunMark) {
        let inner = &mut *self.lock();
        let before = inner.state.clone();
        // Told to stop in the same instant, it still stops.
        if inner.state.phase != Phase::Stopping {
            inner.state.phase = Phase::Running;
        }
        inner.state.run = run.number;
        inner.state.run_id = Some(run.run_id.clone());
        inner.state.started_unix_ms = Some(run.started_unix_ms);
        inner.history.begin(run);
        inner.figures = None;
        inner.note(&before);
        inner.tell_all();
    }

    /// The run as it stands.
    pub(crate) fn record(&self, moment: Moment, figures: Figures) {
        let inner = &mut *self.lock();
        let run = inner.state.run;
        let moment = RunMoment { run, moment };
        inner.tell(Event::moment(&moment));
        inner.history.push(inner.number, moment);
        for event in Event::figures(Some(&figures)) {
            inner.tell(event);
        }
        inner.figures = Some(figures);
    }

    pub(crate) fn clear(&self) {
        let inner = &mut *self.lock();
        let active = inner.state.phase.is_active().then_some(inner.state.run);
        inner.history.clear(active);
        inner.figures = None;
        let text = "the figures were reset: they count from here".to_owned();
        inner.log.push(unix_ms(), false, text);
        inner.tell_all();
    }

    /// What happened up to now, from a position on if it is known, and what happens from now on.
    pub(super) fn subscribe(
        &self,
        position: Option<Position>,
    ) -> (Vec<Event>, broadcast::Receiver<Event>) {
        let inner = self.lock();
        let known = position.filter(|position| {
            let is_of_now = (inner.cleared..=inner.number).contains(&position.number);
            position.server == inner.server && is_of_now
        });
        let mut events = match known {
            Some(position) => {
                let missed = inner.history.after(position.number);
                let event = |(number, moment): &(u64, RunMoment)| {
                    Event::moment(moment).at(inner.server, *number)
                };
                missed.map(event).collect()
            }
            None => vec![Event::history(&inner.history)],
        };
        let present = [Event::state(&inner.state_now()), Event::log(&inner.log)];
        events.splice(0..0, present);
        let [summary, failures, histogram] = Event::figures(inner.figures.as_ref());
        // Only the last one has the position: who has not read that far has not read all.
        let last = histogram.at(inner.server, inner.number);
        events.extend([summary, failures, last]);
        (events, inner.live.subscribe())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Tells all browsers everything anew, because what they know of the history is not so any more.
    fn tell_all(&mut self) {
        self.tell(Event::state(&self.state_now()));
        self.tell(Event::log(&self.log));
        self.tell(Event::history(&self.history));
        self.cleared = self.number;
        for event in Event::figures(self.figures.as_ref()) {
            self.tell(event);
        }
    }

    fn tell(&mut self, event: Event) {
        self.number += 1;
        // Without a browser nobody listens.
        let _ = self.live.send(event.at(self.server, self.number));
    }

    /// Notes what became of the state since `before`; answers whether there was something to note.
    fn note(&mut self, before: &State) -> bool {
        let after = self.state_now();
        let total = self.figures.as_ref().map(|own| &own.summary.total);
        self.log.compare(before, &after, total)
    }

    fn state_now(&self) -> State {
        State {
            now_unix_ms: unix_ms(),
            ..self.state.clone()
        }
    }
}

/// The present, in milliseconds since 1970.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    // 2^64 ms are 584 million years; a clock before 1970 is 1970.
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// Where the load is in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// No run was started yet.
    #[default]
    Ready,
    /// Connecting; nothing was sent yet.
    Starting,
    Running,
    /// Sends nothing more, waits for the requests in flight.
    Stopping,
    /// The last run ended as it should.
    Stopped,
    /// The last run could not be started or ended early; [`State::error`] says why.
    Failed,
}

/// The state of the load, as every browser sees it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct State {
    /// Where the load is in its life.
    pub phase: Phase,
    /// The present or the last run, counted from 1; 0 before the first.
    pub run: u32,
    pub run_id: Option<String>,
    /// Users it is to have.
    pub users: u32,
    pub spawn_rate: f64,
    /// Requests per second of an open loop, as on the command line; empty for users.
    pub rate: String,
    /// The kinds of request of the present or the last run, in the order of its figures.
    pub mix: Vec<Share>,
    /// From its start to its last send, in seconds; `None` without an end.
    pub run_time_seconds: Option<f64>,
    /// When it started to send, in milliseconds since 1970.
    pub started_unix_ms: Option<u64>,
    /// When its last request ended, in milliseconds since 1970.
    pub ended_unix_ms: Option<u64>,
    /// The server's present, in milliseconds since 1970; a browser's clock may differ.
    pub now_unix_ms: u64,
    pub error: Option<String>,
    /// Why the figures of the last run must not be used.
    pub invalid: Option<String>,
    /// What the load is sent to.
    pub target: Target,
    /// What a new run is proposed to be.
    pub defaults: StartOrder,
    pub offers: Offers,
}

/// What the load is sent to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Target {
    /// `host:port`, comma separated.
    pub brokers: String,
    pub topic: String,
    /// Topic of the replies; `None` when only publishing.
    pub reply_topic: Option<String>,
}

/// A kind of request, and how much of the load it is to be.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Share {
    pub name: String,
    /// Its share of all requests, from 0 to 1.
    pub planned: f64,
}

/// What the page may offer beside starting and stopping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Offers {
    /// The users of a running load can be changed.
    pub edit: bool,
    /// A new run may have a rate of requests (open loop).
    pub rate: bool,
    /// Files under `/download/`.
    pub downloads: [&'static str; DOWNLOADS.len()],
}

impl Default for Offers {
    fn default() -> Self {
        Self {
            edit: true,
            rate: true,
            downloads: DOWNLOADS,
        }
    }
}

impl Phase {
    /// Whether a run is under way, from its connecting to its last reply.
    pub(crate) fn is_active(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Stopping)
    }
}
