//! Runs that the live page starts, one at a time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::args::RunArguments;
use crate::distributed::WorkerView;
use crate::load::Control;
use crate::load::plan::Plan;
use crate::measure::recorder::TallyView;
use crate::measure::selfcheck::Validity;
use crate::program::{self, FAILURE, Prepared};
use crate::scenario::{Kind, Mix};
use crate::session::terminal::{Text, say};
use crate::session::{Audience, Observer, SEARCHES, Session, WORKERS, no_edit};
use crate::transport::kafka::KafkaSettings;
use crate::web::{
    Board, EditOrder, Exporter, Figures, Offers, Order, Phase, Refusal, RunController, Share,
    StartOrder, State, StopOrder, Target, downloads, unix_ms,
};

/// Owns the runs. Each run has its own clients, recorder and id. Clones share the runs.
#[derive(Clone)]
pub(super) struct LiveRuns(Arc<Inner>);

struct Inner {
    arguments: Arc<RunArguments>,
    exporter: Option<Exporter>,
    board: Board,
    /// The last run. An order holds the lock until it is carried out, so that orders follow one another.
    active: Mutex<Option<Active>>,
    /// The exit code of the last run; 0 before the first run, `None` while a run goes on.
    outcome: watch::Sender<Option<u8>>,
    /// The tables of the last run that has figures, as a terminal would have shown them.
    held: std::sync::Mutex<Option<(Text, String)>>,
    /// Whether the program is ending, so that no further run may begin.
    closing: AtomicBool,
    /// Whether a signal asked not to wait for requests in flight.
    interrupted: AtomicBool,
}

/// A handle to the run that goes on. Clones reach the same run.
#[derive(Clone)]
struct Active {
    control: Control,
    /// Set once the recorder exists.
    view: Arc<OnceLock<TallyView>>,
    /// Why the load of this run cannot be edited.
    no_edit: Option<&'static str>,
}

impl LiveRuns {
    pub(super) fn new(
        arguments: RunArguments,
        (plan, settings): (&Plan, KafkaSettings),
        exporter: Option<Exporter>,
    ) -> Self {
        let state = State {
            target: Target {
                brokers: settings.brokers,
                topic: settings.topic,
                reply_topic: (!settings.publish_only).then_some(settings.reply_topic),
            },
            defaults: program::defaults(&arguments, plan),
            offers: Offers {
                edit: no_edit(plan, &arguments.several).is_none(),
                rate: plan.loads.is_empty(),
                downloads: downloads(),
            },
            ..State::default()
        };
        Self(Arc::new(Inner {
            arguments: Arc::new(arguments),
            exporter,
            board: Board::new(state),
            active: Mutex::new(None),
            outcome: watch::Sender::new(Some(0)),
            held: std::sync::Mutex::default(),
            closing: AtomicBool::new(false),
            interrupted: AtomicBool::new(false),
        }))
    }

    /// Returns the run that the command line describes.
    pub(super) fn proposed(&self) -> StartOrder {
        self.0.board.state().defaults
    }

    /// Waits until no run goes on.
    pub(super) async fn idle(&self) {
        let mut outcome = self.0.outcome.subscribe();
        // This only fails when the sender is gone, and `self` holds it.
        let _ = outcome.wait_for(Option::is_some).await;
        // The outcome is set while the board is locked. Wait for the lock, so that browsers learn the end of the run
        // before the server ends.
        let _ = self.0.board.state();
    }

    pub(super) fn is_idle(&self) -> bool {
        self.0.outcome.borrow().is_some()
    }

    /// Takes no further run, and stops the one that goes on.
    pub(super) async fn close(&self) {
        self.0.closing.store(true, Ordering::Relaxed);
        let _nothing_to_stop = self.stop(StopOrder::default()).await;
    }

    /// Ends the run without waiting for requests in flight, because of a signal.
    pub(super) async fn abort(&self) {
        self.0.interrupted.store(true, Ordering::Relaxed);
        let _nothing_to_stop = self.stop(StopOrder { now: true }).await;
    }

    /// Prints the figures of the last run.
    pub(super) fn print_figures(&self) {
        if let Some((place, text)) = &*self.held() {
            place.print(text);
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<(Text, String)>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the exit code of the last run, or 0 without a run.
    pub(super) fn exit_code(&self) -> u8 {
        self.0.outcome.borrow().unwrap_or(0)
    }
}

impl RunController for LiveRuns {
    fn board(&self) -> &Board {
        &self.0.board
    }

    async fn carry_out(&self, order: Order) -> Result<State, Refusal> {
        match order {
            Order::Start(order) => self.start(order).await,
            Order::Edit(order) => self.edit(order).await,
            Order::Stop(order) => self.stop(order).await,
            Order::Reset => self.reset().await,
        }
    }
}

impl LiveRuns {
    pub(super) async fn start(&self, order: StartOrder) -> Result<State, Refusal> {
        let mut active = self.0.active.lock().await;
        let state = self.0.board.state();
        if self.0.closing.load(Ordering::Relaxed) {
            return Err(Refusal::conflict("load-client is ending"));
        }
        if !self.is_idle() {
            return Err(Refusal::conflict(format!(
                "run #{} is going on; stop it first",
                state.run
            )));
        }
        if self.0.arguments.several.coordinates() && order != state.defaults {
            let reason = "workers send the load of the command line; start it without changes";
            return Err(Refusal::invalid(reason.to_owned()));
        }
        let given = self.0.arguments.several.run.clone();
        let run_id = given.unwrap_or_else(|| Uuid::new_v4().to_string());
        let prepared = program::ordered(&self.0.arguments, &order, run_id.clone())?;
        let (plan, _, scenario) = &prepared;
        let state = self.0.board.change(|state| {
            *state = State {
                phase: Phase::Starting,
                run: state.run + 1,
                run_id: Some(run_id),
                // A plan with stages has its users in the stages.
                users: order.users,
                spawn_rate: plan.spawn_rate,
                rate: order.rate.unwrap_or_default(),
                mix: shares(scenario),
                run_time_seconds: plan.run_time.map(|time| time.as_secs_f64()),
                started_unix_ms: None,
                ended_unix_ms: None,
                error: None,
                invalid: None,
                workers: Vec::new(),
                ..std::mem::take(state)
            }
        });
        let begun = Active {
            control: Control::default(),
            view: Arc::default(),
            no_edit: no_edit(plan, &self.0.arguments.several),
        };
        *active = Some(begun.clone());
        self.0.outcome.send_replace(None);
        tokio::spawn(supervise(self.clone(), state.run, prepared, begun));
        Ok(state)
    }

    async fn edit(&self, order: EditOrder) -> Result<State, Refusal> {
        let active = self.0.active.lock().await;
        match &*active {
            Some(Active {
                no_edit: Some(told),
                ..
            }) => return Err(Refusal::conflict(*told)),
            Some(active) if self.0.board.state().phase == Phase::Running => {
                active.control.set_target(order.users, order.spawn_rate);
            }
            _ => return Err(nothing_goes_on()),
        }
        Ok(self.0.board.change(|state| {
            state.users = order.users;
            state.spawn_rate = order.spawn_rate;
        }))
    }

    async fn stop(&self, order: StopOrder) -> Result<State, Refusal> {
        let active = self.0.active.lock().await;
        let Some(active) = active.as_ref().filter(|_| !self.is_idle()) else {
            return Err(nothing_goes_on());
        };
        active.control.stop.cancel();
        if order.now {
            active.control.abort.cancel();
        }
        Ok(self.0.board.change(is_stopping))
    }

    async fn reset(&self) -> Result<State, Refusal> {
        let active = self.0.active.lock().await;
        if let Some(Active { no_edit, view, .. }) = active.as_ref() {
            let refused = match *no_edit {
                Some(SEARCHES) => Some("a search needs its figures; they cannot be reset"),
                Some(WORKERS) => Some("the measurements of workers cannot be reset"),
                _ => None,
            };
            if let Some(refused) = refused {
                return Err(Refusal::conflict(refused));
            }
            view.get().into_iter().for_each(TallyView::reset);
        }
        self.0.board.clear();
        Ok(self.0.board.state())
    }
}

fn shares(scenario: &Mix) -> Vec<Share> {
    let kinds = scenario.parts();
    let all: f64 = kinds.iter().map(|kind| f64::from(kind.weight)).sum();
    let share = |kind: &Kind| Share {
        name: kind.name.clone(),
        planned: f64::from(kind.weight) / all,
    };
    kinds.iter().map(share).collect()
}

fn nothing_goes_on() -> Refusal {
    Refusal::conflict("no run is going on; start one")
}

// One run of the page, from connecting to its last figures.

const HISTOGRAM_BINS: u32 = 60;

/// Does a run. Reports its end on the board, and to those who wait for it.
async fn supervise(runs: LiveRuns, number: u32, prepared: Prepared, active: Active) {
    let stop = active.control.stop.clone();
    // A separate task, so that a panic does not leave the page waiting.
    let running = tokio::spawn(run(runs.clone(), number, prepared, active));
    let (code, error, was_said) = match running.await {
        Ok(Ok((code, defunct))) => (code, defunct, true),
        Ok(Err(error)) => (FAILURE, Some(format!("{error:#}")), false),
        Err(_panic) => {
            let told = "internal error; standard error has the details";
            (FAILURE, Some(told.to_owned()), true)
        }
    };
    // A run that was stopped before it could send has not failed.
    let was_given_up = runs.0.board.state().started_unix_ms.is_none() && stop.is_cancelled();
    let error = error.filter(|_| !was_given_up);
    if let Some(error) = error.as_ref().filter(|_| !was_said) {
        say(&format!("error: {error}"));
    }
    runs.0.board.change(|state| {
        state.ended_unix_ms = state.started_unix_ms.map(|_| unix_ms());
        state.phase = Phase::Stopped;
        if let Some(error) = error {
            state.phase = Phase::Failed;
            state.error = Some(error);
        }
        // Set under the board's lock, so that a browser that sees the end may start the next run.
        runs.0.outcome.send_replace(Some(code));
    });
}

/// Runs one load. Returns the exit code, and why the run ended early if it did.
async fn run(
    runs: LiveRuns,
    number: u32,
    prepared: Prepared,
    Active { control, view, .. }: Active,
) -> anyhow::Result<(u8, Option<String>)> {
    let session = Session::prepare(Arc::clone(&runs.0.arguments), number, prepared)?;
    let stop = control.stop.clone();
    let _workers =
        AbortOnDropHandle::new(tokio::spawn(show(session.workers(), runs.0.board.clone())));
    let sender = session.connect(stop.cancelled()).await?;
    let board = runs.0.board.clone();
    let mut export = runs.0.exporter.clone().map(program::observer);
    let observer: Observer = Box::new(move |moment, summary, view| {
        if let Some(export) = &mut export {
            export(moment, summary, view);
        }
        let figures = Figures {
            summary: summary.clone(),
            histogram: view.histogram(HISTOGRAM_BINS),
        };
        board.record(moment.clone(), figures);
    });
    let started = session.start(sender, control, Audience::Elsewhere, Some(observer))?;
    view.get_or_init(|| started.view());
    runs.0.board.begin();
    // The task ends with the run.
    let stopping = AbortOnDropHandle::new(tokio::spawn({
        let board = runs.0.board.clone();
        async move {
            stop.cancelled().await;
            board.change(is_stopping);
        }
    }));
    // Only a signal interrupts the program. "Stop now" on the page does not.
    let interrupted = || runs.0.interrupted.load(Ordering::Relaxed);
    let concluded = started.run(|_| interrupted()).await;
    drop(stopping);
    let concluded = concluded?;
    tell(&runs.0.board, &concluded.validity);
    *runs.held() = concluded.held;
    let early = concluded.defunct;
    let early = early.map(|cause| format!("the run ended early: {cause}"));
    Ok((concluded.done?, early))
}

/// Shows the state of the workers, each second.
async fn show(mut workers: watch::Receiver<Vec<WorkerView>>, board: Board) {
    while workers.changed().await.is_ok() {
        let now = workers.borrow_and_update().clone();
        board.change(|state| state.workers = now);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Marks the run as stopping, unless it has just ended by itself.
fn is_stopping(state: &mut State) {
    if state.phase.is_active() {
        state.phase = Phase::Stopping;
    }
}

/// Says whether the figures may be used. The page says so only if they may not.
fn tell(board: &Board, validity: &Validity) {
    let lines = validity.lines();
    lines.iter().for_each(|line| say(line));
    if validity.is_invalid() {
        board.change(|state| state.invalid = Some(lines.join(" - ")));
    }
}
