//! One run of the page, from its connecting to its last figures.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::export::{Destination, EndedBy, ExportError, RequestsCsv, RunFacts, RunReport};
use crate::plan::{Model, Plan};
use crate::recorder::{Recorder, TallyView};
use crate::runner::{self, Control};
use crate::scenario::{Mix, Scenario};
use crate::selfcheck::{self, CpuReading, LoadModel, Readings, Stalled, Validity, cpu_use};
use crate::summary::Summary;
use crate::threshold::{Answer, Threshold, evaluate};
use crate::transport::Transport;
use crate::transport::kafka::{KafkaSettings, KafkaTransport};
use crate::web::{Board, Figures, Phase, RunMark};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::files::numbered;
use crate::commands::cpu;
use crate::commands::exit::{Causes, exit_code};
use crate::commands::signals::say;
use crate::commands::stillness::Stillness;

/// How often the board is brought up to date.
const MOMENT: Duration = Duration::from_secs(1);
const BINS: u32 = 60;

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

/// The exit codes that were asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Codes {
    pub(super) on_invalid: u8,
    pub(super) on_error: u8,
}

/// The run could not be done.
const FAILURE: u8 = 1;

/// All that a run needs.
pub(super) struct Job {
    pub(super) number: u32,
    pub(super) plan: Plan,
    pub(super) settings: Arc<KafkaSettings>,
    pub(super) scenario: Arc<Mix>,
    pub(super) thresholds: Vec<Threshold>,
    pub(super) control: Control,
    pub(super) view: Arc<OnceLock<TallyView>>,
    pub(super) board: Board,
    pub(super) requests_record_file: Option<PathBuf>,
    pub(super) json: Option<PathBuf>,
    pub(super) codes: Codes,
}

/// Does the run; tells on the board, and to who waits for it, how it ended.
pub(super) async fn supervise(job: Job, outcome: watch::Sender<Outcome>) {
    let board = job.board.clone();
    let stop = job.control.stop.clone();
    // In a task of its own: a panic in it, which is a bug of ours, must not leave the page waiting.
    let done = match tokio::spawn(run(job)).await {
        Ok(done) => done.map_err(|error| format!("{error:#}")),
        Err(_panic) => Err("internal error; standard error has the details".to_owned()),
    };
    board.change(|state| {
        state.ended_unix_ms = state.started_unix_ms.map(|_| unix_ms(SystemTime::now()));
        state.phase = Phase::Stopped;
        // Stopped before it could send, it has not failed.
        let was_given_up = state.started_unix_ms.is_none() && stop.is_cancelled();
        if let Err(error) = &done
            && !was_given_up
        {
            state.phase = Phase::Failed;
            state.error = Some(error.clone());
        }
        // Here, so that who sees the end on the board may start the next run.
        outcome.send_replace(Outcome::Ended(done.unwrap_or(FAILURE)));
    });
}

async fn run(mut job: Job) -> anyhow::Result<u8> {
    let client_settings = job.settings.effective()?;
    // Before anything is sent: a place that cannot be written must not cost a run.
    let place = |path: &Option<PathBuf>| path.as_ref().map(|path| numbered(path, job.number));
    let json = place(&job.json).as_deref().map(Destination::claim);
    let json = json.transpose()?;
    let csv = place(&job.requests_record_file);
    let csv = csv.map(|path| RequestsCsv::create(&path, job.scenario.kinds()));
    let csv = csv.transpose()?;
    let transport = tokio::select! {
        connected = KafkaTransport::connect_in_background(Arc::clone(&job.settings)) => Arc::new(connected?),
        () = job.control.stop.cancelled() => anyhow::bail!("stopped before it was connected"),
    };
    let started = SystemTime::now();
    let before = cpu::read();
    let stillness = Stillness::watch()?;
    let (duration, mut summary, recorded) = drive(&mut job, &transport, started, csv).await?;
    let stalled = stillness.stop(&job.plan, &job.control);
    summary.schedule_lag = job.control.lag();
    let defunct = transport.pending().defunct();
    let validity = validity(&job, &summary, &before, stalled);
    tell(&job.board, &validity);
    let answer = evaluate(&job.thresholds, &summary);
    let exit_code = exit_code(causes(&job, &summary, &validity, &answer));
    if let Some(json) = json {
        let facts = RunFacts {
            started,
            duration,
            ended_by: ended_by(&job, defunct.is_some() || recorded.is_err()),
            unmatched_replies: transport.unmatched_replies(),
            client_settings,
            thresholds: answer,
            validity,
            command: super::super::report::command(),
            exit_code,
        };
        let report = RunReport::new(&job.plan, &job.settings, facts, summary);
        json.write_whole(&serde_json::to_vec_pretty(&report)?)?;
    }
    recorded?;
    match defunct {
        Some(cause) => Err(anyhow::anyhow!("the run ended early: {cause}")),
        None => Ok(exit_code),
    }
}

/// Says whether the figures may be used, on the page only where they may not.
fn tell(board: &Board, validity: &Validity) {
    let lines = validity.lines();
    lines.iter().for_each(|line| say(line));
    if validity.is_invalid() {
        board.change(|state| state.invalid = Some(lines.join(" - ")));
    }
}

/// A run that ended early is an error before this counts, and one that was interrupted twice has ended.
fn causes(job: &Job, summary: &Summary, validity: &Validity, answer: &Answer) -> Causes {
    Causes {
        ended_early: false,
        interrupted_twice: false,
        invalid: validity.is_invalid(),
        thresholds_hold: answer.all_hold(),
        any_failure: summary.any_failure(),
        failures_are_judged: job.thresholds.iter().any(Threshold::judges_failures),
        code_on_invalid: job.codes.on_invalid,
        code_on_error: job.codes.on_error,
    }
}

/// Users may be changed at any moment, so Little's law is not held against a run of the page.
fn validity(job: &Job, summary: &Summary, before: &CpuReading, stalled: Stalled) -> Validity {
    let model = match job.plan.model {
        Model::Open(_) => LoadModel::OpenLoop,
        Model::Closed(_) => LoadModel::ClosedLoop,
    };
    let readings = Readings {
        model,
        users: None,
        in_flight: None,
        held_back_by_recorder: job.control.held_back_by_recorder(),
        stalled,
        cores: cpu::cores(),
        cpu: cpu_use(before, &cpu::read()),
        schedule_lag: job.control.own_lag(),
        queue: Vec::new(),
    };
    selfcheck::check(summary, &readings)
}

/// Sends and records until the run is over, with the board up to date all the while.
async fn drive(
    job: &mut Job,
    transport: &Arc<KafkaTransport>,
    started: SystemTime,
    csv: Option<RequestsCsv>,
) -> anyhow::Result<(Duration, Summary, Result<(), ExportError>)> {
    let (settings, control) = (&job.settings, &job.control);
    let (recorder, samples) = Recorder::start(job.scenario.kinds(), &job.plan, csv, control)?;
    let clock = Instant::now();
    job.board.begin(RunMark {
        number: job.number,
        run_id: settings.run_id.clone(),
        started_unix_ms: unix_ms(started),
    });
    let follower = Follower {
        board: job.board.clone(),
        view: job.view.get_or_init(|| recorder.view()).clone(),
        warm_up: job.plan.warm_up,
        control: control.clone(),
        clock,
    };
    let sent_all = CancellationToken::new();
    let following = follower.clone().follow(sent_all.clone());
    // Does not outlive a panic of the run.
    let following = AbortOnDropHandle::new(tokio::spawn(following));
    let (plan, transport) = (job.plan.clone(), Arc::clone(transport));
    let scenario = Arc::clone(&job.scenario);
    runner::run(plan, scenario, transport, samples, control).await;
    let duration = clock.elapsed();
    sent_all.cancel();
    // Until it has ended it may still write on the board.
    following.await?;
    let (summary, recorded) = recorder.finish();
    follower.tell();
    Ok((duration, summary, recorded))
}

/// Keeps the board up to date while a run goes on.
#[derive(Clone)]
struct Follower {
    board: Board,
    view: TallyView,
    warm_up: Duration,
    control: Control,
    clock: Instant,
}

impl Follower {
    async fn follow(self, sent_all: CancellationToken) {
        let mut interval = tokio::time::interval_at(tokio::time::Instant::now() + MOMENT, MOMENT);
        interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut stopped = false;
        loop {
            tokio::select! {
                () = sent_all.cancelled() => return,
                _ = interval.tick() => self.tell_aside().await,
                () = self.control.stop.cancelled(), if !stopped => {
                    stopped = true;
                    self.board.change(|state| state.phase = Phase::Stopping);
                }
            }
        }
    }

    /// Summing up takes a while, which must not be a request's while.
    async fn tell_aside(&self) {
        let own = self.clone();
        let telling = tokio::task::spawn_blocking(move || {
            own.tell();
        });
        if let Err(error) = telling.await
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }

    fn tell(&self) {
        let warm_up = self.clock.elapsed() < self.warm_up;
        let figures = Figures {
            summary: self.view.summary(),
            histogram: self.view.histogram(BINS),
        };
        self.board
            .record(self.view.moment(self.control.active(), warm_up), figures);
    }
}

fn ended_by(job: &Job, failed: bool) -> EndedBy {
    match job.plan.run_time {
        _ if failed => EndedBy::Failure,
        Some(run_time) if job.control.ended() >= Some(run_time) => EndedBy::RunTime,
        _ => EndedBy::Signal,
    }
}

fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH);
    // 2^64 ms are 584 million years; a clock before 1970 is 1970.
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
