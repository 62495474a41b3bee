//! The runs that the page asks for, one at a time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};

use tokio::sync::{Mutex, watch};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::args::RunArguments;
use crate::load::Control;
use crate::load::plan::Plan;
use crate::measure::recorder::TallyView;
use crate::measure::selfcheck::Validity;
use crate::program::{self, FAILURE};
use crate::scenario::{Kind, Mix};
use crate::session::signals::say;
use crate::session::{Audience, Concluded, HeldText, Session};
use crate::transport::kafka::KafkaSettings;
use crate::web::{
    Board, EditOrder, Exporter, Figures, Offers, Order, Phase, Refusal, RunController, Share,
    StartOrder, State, StopOrder, Target, downloads, unix_ms,
};

/// Owns the runs. Each has clients, a recorder and an id of its own.
pub(super) struct LiveRuns {
    common: Arc<Common>,
    /// Held while an order is carried out, so that orders come one after the other.
    active: Mutex<Option<Active>>,
    /// No further run begins.
    closing: AtomicBool,
}

/// What the runs share with their owner.
struct Common {
    arguments: Arc<RunArguments>,
    exporter: Option<Exporter>,
    board: Board,
    /// What became of the last run; `None` before the first and while one goes on.
    outcome: watch::Sender<LastRun>,
    /// What the last run that came to figures would have shown on a terminal.
    last: std::sync::Mutex<Option<HeldText>>,
    /// A signal has said not to wait for requests in flight.
    interrupted: AtomicBool,
}

/// What a run that goes on is reached by.
struct Active {
    control: Control,
    /// Set when the recorder is there.
    view: Arc<OnceLock<TallyView>>,
    /// Why its load cannot be edited.
    no_edit: Option<&'static str>,
}

const SEARCHES: &str = "the search sets the rate itself";

/// Why a load cannot be edited while it goes on; `None` if it can.
pub(super) fn no_edit(plan: &Plan) -> Option<&'static str> {
    match (plan.search, plan.loads.is_empty()) {
        (Some(_), _) => Some(SEARCHES),
        (None, false) => Some("the loads of the scenario are not changed while they go on"),
        (None, true) => None,
    }
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
                edit: no_edit(plan).is_none(),
                rate: plan.loads.is_empty(),
                downloads: downloads(),
            },
            ..State::default()
        };
        let common = Common {
            arguments: Arc::new(arguments),
            exporter,
            board: Board::new(state),
            outcome: watch::Sender::new(LastRun::None),
            last: std::sync::Mutex::default(),
            interrupted: AtomicBool::new(false),
        };
        Self {
            common: Arc::new(common),
            active: Mutex::new(None),
            closing: AtomicBool::new(false),
        }
    }

    /// The run that the command line describes.
    pub(super) fn proposed(&self) -> StartOrder {
        self.common.board.state().defaults
    }

    /// Waits until no run goes on.
    pub(super) async fn idle(&self) {
        let mut outcome = self.common.outcome.subscribe();
        // The sender is ours, so it is there.
        let _ = outcome.wait_for(|last| *last != LastRun::Pending).await;
        // The outcome is set while the board is being written: wait for that to be done, so that the
        // browsers are told before the server ends.
        let _ = self.common.board.state();
    }

    pub(super) fn is_idle(&self) -> bool {
        *self.common.outcome.borrow() != LastRun::Pending
    }

    /// Takes no further run, and stops the one that goes on.
    pub(super) async fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        let _nothing_to_stop = self.stop(StopOrder::default()).await;
    }

    /// Does not wait for requests in flight any more, as a signal has it.
    pub(super) async fn abort(&self) {
        self.common.interrupted.store(true, Ordering::Relaxed);
        let _nothing_to_stop = self.stop(StopOrder { now: true }).await;
    }

    /// Prints the figures of the last run.
    pub(super) fn print_figures(&self) {
        self.common.held().iter().for_each(HeldText::print);
    }

    /// The exit code that the last run makes; 0 without any.
    pub(super) fn exit_code(&self) -> u8 {
        match *self.common.outcome.borrow() {
            LastRun::Ended(code) => code,
            LastRun::None | LastRun::Pending => 0,
        }
    }
}

impl RunController for LiveRuns {
    fn board(&self) -> &Board {
        &self.common.board
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
        let mut active = self.active.lock().await;
        let state = self.common.board.state();
        if self.closing.load(Ordering::Relaxed) {
            return Err(Refusal::conflict("load-client is ending"));
        }
        if !self.is_idle() {
            return Err(Refusal::conflict(format!(
                "run #{} is going on; stop it first",
                state.run
            )));
        }
        let run_id = Uuid::new_v4().to_string();
        let (plan, settings, scenario) =
            program::ordered(&self.common.arguments, &order, run_id.clone())?;
        let state = self.common.board.change(|state| {
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
        let no_edit = no_edit(&plan);
        let job = Job {
            common: Arc::clone(&self.common),
            number: state.run,
            plan,
            settings: Arc::new(settings),
            scenario: Arc::new(scenario),
            control: Control::default(),
            view: Arc::default(),
        };
        *active = Some(Active {
            control: job.control.clone(),
            view: Arc::clone(&job.view),
            no_edit,
        });
        self.common.outcome.send_replace(LastRun::Pending);
        tokio::spawn(supervise(job));
        Ok(state)
    }

    async fn edit(&self, order: EditOrder) -> Result<State, Refusal> {
        let active = self.active.lock().await;
        match &*active {
            Some(Active {
                no_edit: Some(told),
                ..
            }) => return Err(Refusal::conflict(*told)),
            Some(active) if self.common.board.state().phase == Phase::Running => {
                active.control.set_target(order.users, order.spawn_rate);
            }
            _ => return Err(nothing_goes_on()),
        }
        Ok(self.common.board.change(|state| {
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
        Ok(self.common.board.change(|state| {
            // It may have ended by itself a moment ago.
            if state.phase.is_active() {
                state.phase = Phase::Stopping;
            }
        }))
    }

    async fn reset(&self) -> Result<State, Refusal> {
        let active = self.active.lock().await;
        if let Some(Active { no_edit, view, .. }) = active.as_ref() {
            if *no_edit == Some(SEARCHES) {
                return Err(Refusal::conflict(
                    "a search counts each of its probes by itself",
                ));
            }
            view.get().into_iter().for_each(TallyView::reset);
        }
        self.common.board.clear();
        Ok(self.common.board.state())
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

// One run of the page, from its connecting to its last figures: a session that the board observes.

const HISTOGRAM_BINS: u32 = 60;

/// What became of the last run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastRun {
    None,
    Pending,
    /// It has ended, and makes this exit code.
    Ended(u8),
}

impl Common {
    fn held(&self) -> std::sync::MutexGuard<'_, Option<HeldText>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Job {
    common: Arc<Common>,
    number: u32,
    plan: Plan,
    settings: Arc<KafkaSettings>,
    scenario: Arc<Mix>,
    control: Control,
    view: Arc<OnceLock<TallyView>>,
}

/// Does the run; tells on the board, and to who waits for it, how it ended.
async fn supervise(job: Job) {
    let common = Arc::clone(&job.common);
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
    let was_given_up = common.board.state().started_unix_ms.is_none() && stop.is_cancelled();
    let error = error.filter(|_| !was_given_up);
    error
        .iter()
        .filter(|_| !was_said)
        .for_each(|error| say(&format!("error: {error}")));
    common.board.change(|state| {
        state.ended_unix_ms = state.started_unix_ms.map(|_| unix_ms());
        state.phase = Phase::Stopped;
        if let Some(error) = error {
            state.phase = Phase::Failed;
            state.error = Some(error);
        }
        // Here, so that who sees the end on the board may start the next run.
        common.outcome.send_replace(LastRun::Ended(code));
    });
}

/// Answers the exit code, and why the run ended early if it did.
async fn run(job: Job) -> anyhow::Result<(u8, Option<String>)> {
    let common = job.common;
    let session = Session::prepare(
        Arc::clone(&common.arguments),
        job.number,
        job.plan,
        job.settings,
        job.scenario,
    )?;
    let stop = job.control.stop.clone();
    let transport = session.connect(stop.cancelled()).await?;
    let board = common.board.clone();
    let seen = job.view;
    let mut export = common.exporter.clone().map(program::observer);
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
    common.board.begin();
    // Does not outlive the run.
    let stopping = AbortOnDropHandle::new(tokio::spawn({
        let board = common.board.clone();
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
    let interrupted = || common.interrupted.load(Ordering::Relaxed);
    let concluded = started.run(|_| interrupted()).await;
    drop(stopping);
    let Concluded {
        done,
        defunct,
        validity,
        held,
    } = concluded?;
    tell(&common.board, &validity);
    *common.held() = held;
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
