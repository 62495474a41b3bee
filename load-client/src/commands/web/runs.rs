//! The runs that the page asks for, one at a time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::load::plan::PlanError;
use crate::load::runner::Control;
use crate::measure::recorder::TallyView;
use crate::web::{
    Board, Download, EditOrder, Offers, Phase, Refusal, RunController, StartOrder, State,
    StopOrder, Target, board_download, board_downloads,
};
use tokio::sync::{Mutex, watch};
use uuid::Uuid;

use super::order;
use super::run::{Job, LastFigures, Outcome, supervise};
use crate::args::RunArguments;

/// Owns the runs. Each has clients, a recorder and an id of its own.
pub(super) struct LiveRuns {
    arguments: Arc<RunArguments>,
    board: Board,
    /// Held while an order is carried out, so that orders come one after the other.
    active: Mutex<Option<Active>>,
    /// What became of the last run; `None` before the first and while one goes on.
    outcome: watch::Sender<Outcome>,
    last: LastFigures,
    /// No further run begins.
    closing: AtomicBool,
    /// A signal has said not to wait for requests in flight.
    interrupted: Arc<AtomicBool>,
}

/// What a run that goes on is reached by.
struct Active {
    control: Control,
    /// Set when the recorder is there.
    view: Arc<OnceLock<TallyView>>,
}

impl LiveRuns {
    pub(super) fn new(arguments: RunArguments) -> Result<Self, PlanError> {
        let (plan, settings) = arguments.validated(String::new())?;
        let state = State {
            target: Target {
                brokers: settings.brokers,
                topic: settings.topic,
                reply_topic: (!settings.publish_only).then_some(settings.reply_topic),
            },
            defaults: order::defaults(&arguments, &plan),
            offers: Offers {
                edit: true,
                rate: order::RATE_OFFERED,
                downloads: board_downloads(),
            },
            ..State::default()
        };
        Ok(Self {
            arguments: Arc::new(arguments),
            board: Board::new(state),
            active: Mutex::new(None),
            outcome: watch::Sender::new(Outcome::None),
            last: LastFigures::default(),
            closing: AtomicBool::new(false),
            interrupted: Arc::default(),
        })
    }

    /// The run that the command line describes.
    pub(super) fn proposed(&self) -> StartOrder {
        let defaults = self.board.state().defaults;
        StartOrder {
            users: defaults.users,
            spawn_rate: defaults.spawn_rate,
            run_time: Some(defaults.run_time),
            rate: Some(defaults.rate),
        }
    }

    /// Waits until no run goes on.
    pub(super) async fn idle(&self) {
        let mut outcome = self.outcome.subscribe();
        // The sender is ours, so it is there.
        let _ = outcome.wait_for(|last| *last != Outcome::Pending).await;
        // The outcome is set while the board is being written: wait for that to be done, so that the
        // browsers are told before the server ends.
        let _ = self.board.state();
    }

    pub(super) fn is_idle(&self) -> bool {
        *self.outcome.borrow() != Outcome::Pending
    }

    /// Takes no further run, and stops the one that goes on.
    pub(super) async fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        let _nothing_to_stop = self.stop(StopOrder::default()).await;
    }

    /// Does not wait for requests in flight any more, as a signal has it.
    pub(super) async fn abort(&self) {
        self.interrupted.store(true, Ordering::Relaxed);
        let _nothing_to_stop = self.stop(StopOrder { now: true }).await;
    }

    /// Prints the figures of the last run.
    pub(super) fn print_figures(&self) {
        self.last.print();
    }

    /// The exit code that the last run makes; 0 without any.
    pub(super) fn exit_code(&self) -> u8 {
        match *self.outcome.borrow() {
            Outcome::Ended(code) => code,
            Outcome::None | Outcome::Pending => 0,
        }
    }
}

impl RunController for LiveRuns {
    fn board(&self) -> &Board {
        &self.board
    }

    async fn start(&self, order: StartOrder) -> Result<State, Refusal> {
        let mut active = self.active.lock().await;
        let state = self.board.state();
        if self.closing.load(Ordering::Relaxed) {
            return Err(Refusal::Conflict("load-client is ending".to_owned()));
        }
        if !self.is_idle() {
            return Err(Refusal::Conflict(format!(
                "run #{} is going on; stop it first",
                state.run
            )));
        }
        let run_id = Uuid::new_v4().to_string();
        let (plan, settings, scenario) = order::ordered(&self.arguments, &order, run_id.clone())?;
        let state = self.board.change(|state| {
            *state = State {
                phase: Phase::Starting,
                run: state.run + 1,
                run_id: Some(run_id),
                // Those of a plan with stages are in its stages.
                users: order.users,
                spawn_rate: plan.spawn_rate,
                run_time_seconds: plan.run_time.map(|time| time.as_secs_f64()),
                started_unix_ms: None,
                ended_unix_ms: None,
                error: None,
                invalid: None,
                ..std::mem::take(state)
            }
        });
        let job = Job {
            arguments: Arc::clone(&self.arguments),
            number: state.run,
            plan,
            settings: Arc::new(settings),
            scenario: Arc::new(scenario),
            control: Control::default(),
            view: Arc::default(),
            board: self.board.clone(),
            last: self.last.clone(),
            interrupted: Arc::clone(&self.interrupted),
        };
        *active = Some(Active {
            control: job.control.clone(),
            view: Arc::clone(&job.view),
        });
        self.outcome.send_replace(Outcome::Pending);
        tokio::spawn(supervise(job, self.outcome.clone()));
        Ok(state)
    }

    async fn edit(&self, order: EditOrder) -> Result<State, Refusal> {
        let active = self.active.lock().await;
        match &*active {
            Some(active) if self.board.state().phase == Phase::Running => {
                active.control.set_target(order.users, order.spawn_rate);
            }
            _ => return Err(nothing_goes_on()),
        }
        Ok(self.board.change(|state| {
            state.users = order.users;
            state.spawn_rate = order.spawn_rate;
        }))
    }

    async fn stop(&self, order: StopOrder) -> Result<State, Refusal> {
        let active = self.active.lock().await;
        let Some(active) = active.as_ref().filter(|_| !self.is_idle()) else {
            return Err(nothing_goes_on());
        };
        active.control.stop.cancel();
        if order.now {
            active.control.abort.cancel();
        }
        Ok(self.board.change(|state| {
            // It may have ended by itself a moment ago.
            if state.phase.is_active() {
                state.phase = Phase::Stopping;
            }
        }))
    }

    async fn reset(&self) -> Result<State, Refusal> {
        let active = self.active.lock().await;
        if let Some(view) = active.as_ref().and_then(|active| active.view.get()) {
            view.reset();
        }
        self.board.clear();
        Ok(self.board.state())
    }

    fn download(&self, file: &str) -> Result<Option<Download>, Refusal> {
        board_download(&self.board, file)
    }
}

fn nothing_goes_on() -> Refusal {
    Refusal::Conflict("no run is going on; start one".to_owned())
}
