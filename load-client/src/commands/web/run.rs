//! One run of the page, from its connecting to its last figures: a session that the board observes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::args::RunArguments;
use crate::load::plan::Plan;
use crate::load::runner::Control;
use crate::measure::recorder::TallyView;
use crate::measure::selfcheck::Validity;
use crate::scenario::Mix;
use crate::session::signals::say;
use crate::session::{Audience, Concluded, HeldText, Session};
use crate::transport::kafka::KafkaSettings;
use crate::web::{Board, Figures, Phase, RunMark};

const HISTOGRAM_BINS: u32 = 60;

/// What became of the last run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There was none.
    None,
    /// It goes on.
    Pending,
    /// It has ended, and makes this exit code.
    Ended(u8),
}

/// The run could not be done.
const FAILURE: u8 = 1;

/// What the last run that came to figures would have shown on a terminal.
#[derive(Clone, Default)]
pub(super) struct LastFigures(Arc<Mutex<Option<HeldText>>>);

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
pub(super) async fn supervise(job: Job, outcome: watch::Sender<Outcome>) {
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
        outcome.send_replace(Outcome::Ended(code));
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
    let started = session.start(transport, job.control, |view| {
        let view = seen.get_or_init(|| view).clone();
        Audience::Page(Box::new(move |moment, summary| {
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

fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH);
    // 2^64 ms are 584 million years; a clock before 1970 is 1970.
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
