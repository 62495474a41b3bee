//! The board that every browser sees: one state, one history, one set of figures. The owner of the runs writes it, and
//! each browser gets the changes since its last event.
//!
//! Memory is bounded: the history is thinned out, and nothing is stored for a browser that does not read. A writer
//! never waits for browsers, because they get copies.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::response::sse::{Event, KeepAlive};
use futures_util::{Stream, StreamExt, stream};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use crate::distributed::WorkerView;
use crate::measure::history::{Bin, Moment};
use crate::measure::summary::Summary;
use crate::web::StartOrder;
use crate::web::past::{Log, RunHistory, RunMark, RunMoment};

/// Time without an event after which `ping` is sent, so that the page can tell a quiet server from a lost one.
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// Most moments that are sent one by one. A browser that has missed more gets the whole history.
const MAX_MISSED: usize = 64;

/// The board. Clones share it.
#[derive(Clone)]
pub(crate) struct Board(watch::Sender<Contents>);

/// The content of the board at one instant. A copy is cheap.
#[derive(Debug, Clone, Default)]
pub(super) struct Contents {
    /// Number of changes, from 1.
    changes: u64,
    /// Number of the last change of state and log.
    told: u64,
    /// Number of the last change that made older history invalid.
    cleared: u64,
    pub(super) state: State,
    log: Arc<Log>,
    pub(super) history: Arc<RunHistory>,
    shown: Arc<Shown>,
}

/// The figures, if there are any, and their events. The events are rendered once for all browsers.
#[derive(Debug)]
struct Shown {
    figures: Option<Figures>,
    events: [Event; 2],
}

impl Default for Shown {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Shown {
    fn new(figures: Option<Figures>) -> Self {
        let own = figures.as_ref();
        let events = [
            event("summary", &own.map(|own| &own.summary)),
            event("histogram", &own.map(|own| &own.histogram)),
        ];
        Self { figures, events }
    }
}

/// The figures of the current or the last run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figures {
    pub summary: Summary,
    pub histogram: Vec<Bin>,
}

impl Board {
    /// Creates the board of a load that was not started yet.
    pub(crate) fn new(state: State) -> Self {
        Self(watch::Sender::new(Contents {
            changes: 1,
            told: 1,
            cleared: 1,
            state,
            ..Contents::default()
        }))
    }

    pub(crate) fn state(&self) -> State {
        self.0.borrow().state_now()
    }

    /// Returns a copy, so that making a file of it blocks nobody.
    pub(super) fn contents(&self) -> Contents {
        let contents = self.0.borrow().clone();
        Contents {
            state: contents.state_now(),
            ..contents
        }
    }

    /// Changes the state and returns the new one.
    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) -> State {
        let mut state = State::default();
        self.write(|own| state = own.change(change));
        state
    }

    /// Notes that the run begins to send: marks its start, and removes the figures of the run before.
    pub(crate) fn begin(&self) {
        self.write(|own| {
            let now = unix_ms();
            own.shown = Arc::default();
            own.change(|state| {
                // If the run was stopped at the same moment, it stays in that phase.
                if state.phase != Phase::Stopping {
                    state.phase = Phase::Running;
                }
                state.started_unix_ms = Some(now);
            });
            Arc::make_mut(&mut own.history).begin(RunMark {
                number: own.state.run,
                run_id: own.state.run_id.clone().unwrap_or_default(),
                started_unix_ms: now,
            });
            own.cleared = own.changes;
        });
    }

    /// Adds a moment, and replaces the figures.
    pub(crate) fn record(&self, moment: Moment, figures: Figures) {
        let shown = Arc::new(Shown::new(Some(figures)));
        self.write(|own| {
            Arc::make_mut(&mut own.history).push(RunMoment {
                change: own.changes,
                run: own.state.run,
                moment,
            });
            own.shown = shown;
        });
    }

    pub(crate) fn clear(&self) {
        self.write(|own| {
            let active = own.state.phase.is_active().then_some(own.state.run);
            Arc::make_mut(&mut own.history).clear(active);
            own.shown = Arc::default();
            let text = "the figures were reset and count from here".to_owned();
            Arc::make_mut(&mut own.log).push(unix_ms(), false, text);
            (own.told, own.cleared) = (own.changes, own.changes);
        });
    }

    fn write(&self, write: impl FnOnce(&mut Contents)) {
        self.0.send_modify(|contents| {
            contents.changes += 1;
            write(contents);
        });
    }

    /// Returns the events for one browser: first the whole board, then its changes, until `closed`. A browser that does
    /// not read for a while gets the current state, and the moments that it missed or the whole history. `place` is
    /// held as long as the browser listens.
    pub(super) fn feed(
        &self,
        place: OwnedSemaphorePermit,
        closed: CancellationToken,
    ) -> impl Stream<Item = Result<Event, Infallible>> + use<> {
        let mut contents = self.0.subscribe();
        contents.mark_changed();
        let reader = (contents, 0, place);
        let batches = stream::unfold(reader, move |(mut contents, read, place)| {
            let closed = closed.clone();
            async move {
                tokio::select! {
                    changed = contents.changed() => changed.ok()?,
                    // Send the end of the last run first, if this browser has not got it yet.
                    () = closed.cancelled() => contents.has_changed().ok()?.then_some(())?,
                }
                let present = contents.borrow_and_update().clone();
                let events = present.events_since(read).into_iter().map(Ok);
                Some((stream::iter(events), (contents, present.changes, place)))
            }
        });
        batches.flatten()
    }
}

impl Contents {
    pub(super) fn figures(&self) -> Option<&Figures> {
        self.shown.figures.as_ref()
    }

    /// Changes the state, notes the change in the log, and returns the new state.
    fn change(&mut self, change: impl FnOnce(&mut State)) -> State {
        let before = self.state.clone();
        change(&mut self.state);
        let after = self.state_now();
        let total = self.shown.figures.as_ref().map(|own| &own.summary.total);
        Arc::make_mut(&mut self.log).compare(&before, &after, total);
        self.told = self.changes;
        after
    }

    /// Returns the events after change number `read`; 0 is for a browser that has read nothing.
    fn events_since(&self, read: u64) -> Vec<Event> {
        let mut events = Vec::new();
        if self.told > read {
            events.push(event("state", &self.state_now()));
            events.push(event("log", &*self.log));
        }
        let missed = self.history.after(read);
        let is_whole = self.cleared > read || missed.len() > MAX_MISSED;
        if is_whole {
            // This replaces all moments of the browser.
            events.push(event("history", &*self.history));
        } else {
            events.extend(missed.iter().map(|moment| event("moment", moment)));
        }
        // Figures arrive with moments, and disappear with the history.
        if is_whole || !missed.is_empty() {
            events.extend(self.shown.events.clone());
        }
        events
    }

    fn state_now(&self) -> State {
        State {
            now_unix_ms: unix_ms(),
            ..self.state.clone()
        }
    }
}

fn event(name: &str, data: &impl Serialize) -> Event {
    let event = Event::default().event(name).json_data(data);
    event.expect("only maps with keys that are not strings fail, and there are none")
}

/// Keeps a quiet connection open, and shows the page that it is.
pub(super) fn keep_alive() -> KeepAlive {
    let ping = Event::default().event("ping").data("");
    KeepAlive::new().interval(PING_INTERVAL).event(ping)
}

/// Returns the present time in milliseconds since 1970.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    // 2^64 ms are 584 million years. A clock before 1970 counts as 1970.
    since.unwrap_or_default().as_millis() as u64
}

/// The phase of the load.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// No run was started yet.
    #[default]
    Ready,
    /// Connecting; nothing was sent yet.
    Starting,
    Running,
    /// Sends nothing more, and waits for requests in flight.
    Stopping,
    /// The last run ended as it should.
    Stopped,
    /// The last run could not be started or ended early; [`State::error`] says why.
    Failed,
}

impl Phase {
    /// Returns whether a run is going on, from connecting to its last reply.
    pub(crate) fn is_active(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Stopping)
    }
}

/// The state of the load, as every browser sees it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct State {
    pub phase: Phase,
    /// The number of the current or the last run, from 1; 0 before the first run.
    pub run: u32,
    pub run_id: Option<String>,
    /// The planned number of users.
    pub users: u32,
    pub spawn_rate: f64,
    /// Requests per second of an open loop, as on the command line; empty for a closed loop.
    pub rate: String,
    /// The kinds of request of the current or the last run, in the order of its figures.
    pub mix: Vec<Share>,
    /// Seconds from the start to the last send; `None` without an end.
    pub run_time_seconds: Option<f64>,
    /// When the run started to send, in milliseconds since 1970.
    pub started_unix_ms: Option<u64>,
    /// When the last request ended, in milliseconds since 1970.
    pub ended_unix_ms: Option<u64>,
    /// The server's present time in milliseconds since 1970. A browser's clock may differ.
    pub now_unix_ms: u64,
    pub error: Option<String>,
    /// Why the figures of the last run must not be used.
    pub invalid: Option<String>,
    /// The workers of the current or the last run; empty if this program sends.
    pub workers: Vec<WorkerView>,
    pub target: Target,
    /// The proposed values of a new run.
    pub defaults: StartOrder,
    pub offers: Offers,
}

/// The target of the load.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Target {
    /// `host:port`, comma separated.
    pub brokers: String,
    pub topic: String,
    /// Topic of the replies; `None` when only publishing.
    pub reply_topic: Option<String>,
}

/// A kind of request, and its planned share of the load.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Share {
    pub name: String,
    /// The share of all requests, from 0 to 1.
    pub planned: f64,
}

/// What the page may offer, besides starting and stopping.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Offers {
    /// Whether the users of a running load can be changed.
    pub edit: bool,
    /// Whether a new run may have a rate of requests (open loop).
    pub rate: bool,
    /// Files under `/download/`.
    pub downloads: Vec<&'static str>,
}
