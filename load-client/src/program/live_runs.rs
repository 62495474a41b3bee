//! The runs that the page asks for, one at a time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::SystemTime;

use tokio::sync::{Mutex, watch};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::args::RunArguments;
use crate::load::Control;
use crate::load::plan::{Plan, PlanError};
use crate::measure::recorder::TallyView;
use crate::measure::selfcheck::Validity;
use crate::program::{self, FAILURE};
use crate::scenario::{Kind, Mix};
use crate::session::signals::say;
use crate::session::{Audience, Concluded, HeldText, Session};
use crate::transport::kafka::KafkaSettings;
use crate::web::{
    Board, Download, EditOrder, Exporter, Figures, Offers, Phase, Refusal, RunController, RunMark,
    Share, StartOrder, State, StopOrder, Target, board_download, board_downloads, unix_ms,
};

/// Owns the runs. Each has clients, a recorder and an id of its own.
pub(super) struct LiveRuns {
    arguments: Arc<RunArguments>,
    exporter: Option<Exporter>,
    board: Board,
    /// Held while an order is carried out, so that orders come one after the other.
    active: Mutex<Option<Active>>,
    /// What became of the last run; `None` before the first and while one goes on.
    outcome: watch::Sender<LastRun>,
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
    pub(super) fn new(
        arguments: RunArguments,
        exporter: Option<Exporter>,
    ) -> Result<Self, PlanError> {
        let (plan, settings) = arguments.validated(String::new())?;
        let state = State {
            target: Target {
                brokers: settings.brokers,
                topic: settings.topic,
                reply_topic: (!settings.publish_only).then_some(settings.reply_topic),
            },
            defaults: program::defaults(&arguments, &plan),
            offers: Offers {
                edit: true,
                rate: program::RATE_OFFERED,
                downloads: board_downloads(),
            },
            ..State::default()
        };
        Ok(Self {
            arguments: Arc::new(arguments),
            exporter,
            board: Board::new(state),
            active: Mutex::new(None),
            outcome: watch::Sender::new(LastRun::None),
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
        let _ = outcome.wait_for(|last| *last != LastRun::Pending).await;
        // The outcome is set while the board is being written: wait for that to be done, so that the
        // browsers are told before the server ends.
        let _ = self.board.state();
    }

    pub(super) fn is_idle(&self) -> bool {
        *self.outcome.borrow() != LastRun::Pending
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
            LastRun::Ended(code) => code,
            LastRun::None | LastRun::Pending => 0,
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
        let (plan, settings, scenario) = program::ordered(&self.arguments, &order, run_id.clone())?;
        let state = self.board.change(|state| {
            *state = State {
                phase: Phase::Starting,
                run: state.run + 1,
                run_id: Some(run_id),
                // Those of a plan with stages are in its stages.
                users: order.users,
                spawn_rate: plan.spawn_rate,
                rate: order.rate.unwrap_or_default(),
                mix: shares(&scenario),
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
            exporter: self.exporter.clone(),
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
        self.outcome.send_replace(LastRun::Pending);
        tokio::spawn(supervise(job, self.outcome.clone()));
        Ok(state)
    }

    async fn edit(&self, order: EditOrder) -> Result<State, Refusal> {
        let active = self.active.lock().await;
        match &*active {
            Some(active) if active.control.has_parts() => {
                let told = "the loads of the scenario are not changed while they go on";
                return Err(Refusal::Conflict(told.to_owned()));
            }
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
    Refusal::Conflict("no run is going on; start one".to_owned())
}

// One run of the page, from its connecting to its last figures: a session that the board observes.

const HISTOGRAM_BINS: u32 = 60;

/// What became of the last run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastRun {
    /// There was none.
    None,
    /// It goes on.
    Pending,
    /// It has ended, and makes this exit code.
    Ended(u8),
}

/// What the last run that came to figures would have shown on a terminal.
#[derive(Clone, Default)]
pub(super) struct LastFigures(Arc<std::sync::Mutex<Option<HeldText>>>);

impl LastFigures {
    pub(super) fn print(&self) {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.iter().for_each(HeldText::print);
    }

    fn set(&self, held: Option<HeldText>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = held;
    }
}

/// All that a run needs.
pub(super) struct Job {
    pub(super) arguments: Arc<RunArguments>,
    pub(super) exporter: Option<Exporter>,
    pub(super) number: u32,
    pub(super) plan: Plan,
    pub(super) settings: Arc<KafkaSettings>,
    pub(super) scenario: Arc<Mix>,
    pub(super) control: Control,
    pub(super) view: Arc<OnceLock<TallyView>>,
    pub(super) board: Board,
    pub(super) last: LastFigures,
    /// A signal has said not to wait for requests in flight.
    pub(super) interrupted: Arc<AtomicBool>,
}

/// Does the run; tells on the board, and to who waits for it, how it ended.
async fn supervise(job: Job, outcome: watch::Sender<LastRun>) {
    let board = job.board.clone();
    let stop = job.control.stop.clone();
    // In a task of its own: a panic in it, which is a bug of ours, must not leave the page waiting.
    let (code, error, was_said) = match tokio::spawn(run(job)).await {
        Ok(Ok((code, defunct))) => (code, defunct, true),
        Ok(Err(error)) => (FAILURE, Some(format!("{error:#}")), false),
        Err(_panic) => {
            let told = "internal error; standard error has the details";
            (FAILURE, Some(told.to_owned()), true)
        }
    };
    // Stopped before it could send, it has not failed.
    let was_given_up = board.state().started_unix_ms.is_none() && stop.is_cancelled();
    let error = error.filter(|_| !was_given_up);
    error
        .iter()
        .filter(|_| !was_said)
        .for_each(|error| say(&format!("error: {error}")));
    board.change(|state| {
        state.ended_unix_ms = state.started_unix_ms.map(|_| unix_ms(SystemTime::now()));
        state.phase = Phase::Stopped;
        if let Some(error) = error {
            state.phase = Phase::Failed;
            state.error = Some(error);
        }
        // Here, so that who sees the end on the board may start the next run.
        outcome.send_replace(LastRun::Ended(code));
    });
}

/// Answers the exit code, and why the run ended early if it did.
async fn run(job: Job) -> anyhow::Result<(u8, Option<String>)> {
    let run_id = job.settings.run_id.clone();
    let session = Session::prepare(
        job.arguments,
        job.number,
        job.plan,
        job.settings,
        job.scenario,
    )?;
    let stop = job.control.stop.clone();
    let transport = session.connect(stop.cancelled()).await?;
    let board = job.board.clone();
    let seen = job.view;
    let mut export = job.exporter.map(program::observer);
    let started = session.start(transport, job.control, |view| {
        let view = seen.get_or_init(|| view).clone();
        Audience::Page(Box::new(move |moment, summary| {
            if let Some(export) = &mut export {
                export(moment, summary);
            }
            let figures = Figures {
                summary: summary.clone(),
                histogram: view.histogram(HISTOGRAM_BINS),
            };
            board.record(moment.clone(), figures);
        }))
    })?;
    job.board.begin(RunMark {
        number: job.number,
        run_id,
        started_unix_ms: unix_ms(SystemTime::now()),
    });
    // Does not outlive the run.
    let stopping = AbortOnDropHandle::new(tokio::spawn({
        let board = job.board.clone();
        async move {
            stop.cancelled().await;
            board.change(|state| {
                if state.phase.is_active() {
                    state.phase = Phase::Stopping;
                }
            });
        }
    }));
    // The page's stop at once is an order like others, not an interruption of the program.
    let interrupted = job.interrupted;
    let concluded = started.run(|_| interrupted.load(Ordering::Relaxed)).await;
    drop(stopping);
    let Concluded {
        done,
        defunct,
        validity,
        held,
    } = concluded?;
    tell(&job.board, &validity);
    job.last.set(held);
    let early = defunct.map(|cause| format!("the run ended early: {cause}"));
    Ok((done?, early))
}

/// Says whether the figures may be used, on the page only where they may not.
fn tell(board: &Board, validity: &Validity) {
    let lines = validity.lines();
    lines.iter().for_each(|line| say(line));
    if validity.is_invalid() {
        board.change(|state| state.invalid = Some(lines.join(" - ")));
    }
}
