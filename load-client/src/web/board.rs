//! What every browser sees: one state, one history, one set of figures. Whoever owns the runs writes
//! it, and each browser is sent what has changed since it was sent something last.
//!
//! Memory is bounded: the history is thinned out, and nothing is stored for a browser that does not read. Who writes
//! does not wait for browsers: what they are sent is made of copies.

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

/// An event `ping` is sent after this time without another, so that the page can tell a quiet server
/// from a lost one.
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// Moments that are sent one by one. A browser that has missed more is sent the whole history.
const MAX_MISSED: usize = 64;

/// The board. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Board(watch::Sender<Contents>);

/// All that the board holds, at one instant. A copy is cheap.
#[derive(Debug, Clone, Default)]
pub(super) struct Contents {
    /// Counts the changes from 1.
    changes: u64,
    /// The last change of state and log.
    told: u64,
    /// The last change that made older history invalid.
    cleared: u64,
    pub(super) state: State,
    log: Arc<Log>,
    pub(super) history: Arc<RunHistory>,
    shown: Arc<Shown>,
}

/// The figures, if there are any, and the events that tell them. They are rendered once for all browsers.
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

/// The figures of the present or the last run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figures {
    pub summary: Summary,
    pub histogram: Vec<Bin>,
}

impl Board {
    /// A board of a load that was not started yet.
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

    /// A copy, so that nobody waits for whoever makes a file of it.
    pub(super) fn contents(&self) -> Contents {
        let contents = self.0.borrow().clone();
        Contents {
            state: contents.state_now(),
            ..contents
        }
    }

    /// Changes the state; answers the new one.
    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) -> State {
        let mut state = State::default();
        self.write(|own| state = own.change(change));
        state
    }

    /// The run of the state begins to send: its start is marked, the figures of the one before it are gone.
    pub(crate) fn begin(&self) {
        self.write(|own| {
            let now = unix_ms();
            own.shown = Arc::default();
            own.change(|state| {
                // Told to stop in the same instant, it still stops.
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

    /// The run as it stands.
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
            let text = "the figures were reset: they count from here".to_owned();
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

    /// What one browser is sent: first the whole, then what changes, until `closed`. One that does not read for
    /// a while is sent the present, and the moments that it missed or the whole history. `place` is held for as
    /// long as it listens.
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
                    // How the last run ended is told before the end, also when nobody was woken for it yet.
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

    /// Changes the state, and notes what that means in the log; answers the new one.
    fn change(&mut self, change: impl FnOnce(&mut State)) -> State {
        let before = self.state.clone();
        change(&mut self.state);
        let after = self.state_now();
        let total = self.shown.figures.as_ref().map(|own| &own.summary.total);
        Arc::make_mut(&mut self.log).compare(&before, &after, total);
        self.told = self.changes;
        after
    }

    /// What a browser does not know that has read up to a change; 0 is nothing yet.
    fn events_since(&self, read: u64) -> Vec<Event> {
        let mut events = Vec::new();
        if self.told > read {
            events.push(event("state", &self.state_now()));
            events.push(event("log", &*self.log));
        }
        let missed = self.history.after(read);
        let is_whole = self.cleared > read || missed.len() > MAX_MISSED;
        if is_whole {
            // Replaces all moments that the browser knows.
            events.push(event("history", &*self.history));
        } else {
            events.extend(missed.iter().map(|moment| event("moment", moment)));
        }
        // Figures come with moments, and go with the history.
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
    event.expect("only maps with keys that are no text cannot be written, and there are none")
}

/// Keeps a quiet connection open, and known to be so.
pub(super) fn keep_alive() -> KeepAlive {
    let ping = Event::default().event("ping").data("");
    KeepAlive::new().interval(PING_INTERVAL).event(ping)
}

/// The present, in milliseconds since 1970.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    // 2^64 ms are 584 million years; a clock before 1970 is 1970.
    since.unwrap_or_default().as_millis() as u64
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

impl Phase {
    /// Whether a run is under way, from its connecting to its last reply.
    pub(crate) fn is_active(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Stopping)
    }
}

/// The state of the load, as every browser sees it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct State {
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
    /// The workers of the present or the last run; none where this program sends.
    pub workers: Vec<WorkerView>,
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Offers {
    /// The users of a running load can be changed.
    pub edit: bool,
    /// A new run may have a rate of requests (open loop).
    pub rate: bool,
    /// Files under `/download/`.
    pub downloads: Vec<&'static str>,
}
