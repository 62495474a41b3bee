//! One run of the program: prepared, driven, concluded. Terminal, page, files, thresholds, self-check and monitors
//! hang on it.

mod beside;
mod files;
mod outputs;
pub(crate) mod signals;
mod watch;

use std::future::Future;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tokio_util::sync::CancellationToken;

use self::beside::Beside;
use self::files::of_run;
use self::outputs::{Outputs, RunEnd};
use self::signals::{INTERRUPTED, Restore, say};
use crate::args::RunArguments;
use crate::load::plan::Plan;
use crate::load::{Control, runner};
use crate::measure::recorder::{Recorder, Samples, TallyView};
use crate::measure::selfcheck::Stillness;
use crate::report::RequestsCsv;
use crate::scenario::{Mix, Scenario};
use crate::transport::Transport;
use crate::transport::kafka::{ClientSettings, KafkaSettings, KafkaTransport, KafkaTransportError};

pub(crate) use files::{HeldText, Text};
pub(crate) use outputs::{Audience, Concluded};
pub(crate) use watch::Observer;

// One run: prepared, started, concluded. Terminal and page drive the same one, and what shows, writes or judges
// it hangs on it.

/// A run whose settings and places are checked.
pub(crate) struct Session {
    arguments: Arc<RunArguments>,
    plan: Plan,
    settings: Arc<KafkaSettings>,
    client_settings: ClientSettings,
    scenario: Arc<Mix>,
    outputs: Outputs,
    csv: Option<RequestsCsv>,
}

/// A run that is recorded and watched, and sends nothing yet.
pub(crate) struct Started {
    arguments: Arc<RunArguments>,
    plan: Plan,
    settings: Arc<KafkaSettings>,
    client_settings: ClientSettings,
    scenario: Arc<Mix>,
    transport: Arc<KafkaTransport>,
    control: Control,
    recorder: Recorder,
    samples: Samples,
    outputs: outputs::Running,
    /// Cancelled when only the files are left.
    is_over: CancellationToken,
}

impl Session {
    /// Checks settings and takes the places of the files, before anything is sent, so that a mistake there does not waste a run.
    /// `number` counts the runs of the program from 1.
    ///
    /// # Errors
    ///
    /// When settings contradict each other, or a file cannot be written.
    pub(crate) fn prepare(
        arguments: Arc<RunArguments>,
        number: u32,
        plan: Plan,
        settings: Arc<KafkaSettings>,
        scenario: Arc<Mix>,
    ) -> anyhow::Result<Self> {
        let client_settings = settings.effective()?;
        let files = of_run(&arguments.files(&plan), number);
        arguments.refuse_collisions(&files, &scenario.files)?;
        let outputs = Outputs::prepare(&arguments, &files, scenario.kinds())?;
        let csv = files.requests.as_deref();
        let create = |path| RequestsCsv::create(path, scenario.kinds());
        Ok(Self {
            csv: csv.map(create).transpose()?,
            arguments,
            plan,
            settings,
            client_settings,
            scenario,
            outputs,
        })
    }

    /// Connects, unless the run is given up first.
    ///
    /// # Errors
    ///
    /// When the cluster or a topic cannot be used.
    pub(crate) async fn connect(
        &self,
        given_up: impl Future<Output = ()>,
    ) -> Result<Arc<KafkaTransport>, KafkaTransportError> {
        let settings = Arc::clone(&self.settings);
        tokio::select! {
            connected = KafkaTransport::connect_in_background(settings) => connected.map(Arc::new),
            () = given_up => Err(KafkaTransportError::Interrupted),
        }
    }

    /// Begins to record and to watch.
    ///
    /// # Errors
    ///
    /// When the system has no thread to give, or the statistics' files cannot be created.
    pub(crate) fn start(
        self,
        transport: Arc<KafkaTransport>,
        control: Control,
        audience: impl FnOnce(TallyView) -> Audience,
    ) -> anyhow::Result<Started> {
        let kinds = self.scenario.kinds();
        let (recorder, samples) = Recorder::start(kinds, &self.plan, self.csv, &control)?;
        let producer = Arc::clone(&transport);
        let queue = Box::new(move || producer.producer_queue() as u64);
        let audience = audience(recorder.view());
        let view = recorder.view();
        let outputs = self
            .outputs
            .watch(view, &self.plan, &control, queue, audience)?;
        Ok(Started {
            arguments: self.arguments,
            plan: self.plan,
            settings: self.settings,
            client_settings: self.client_settings,
            scenario: self.scenario,
            transport,
            control,
            recorder,
            samples,
            outputs,
            is_over: CancellationToken::new(),
        })
    }
}

impl Started {
    /// What gives the terminal back when the program is ended.
    pub(crate) fn restore(&self) -> Option<Restore> {
        self.outputs.restore()
    }

    /// Is cancelled when only the files are left.
    pub(crate) fn is_over(&self) -> CancellationToken {
        self.is_over.clone()
    }

    /// Sends until the run is over, then shows and writes what it measured. `was_interrupted` is asked at the end
    /// whether somebody did not even wait for what was in flight.
    ///
    /// # Errors
    ///
    /// When the system has no thread to give.
    pub(crate) async fn run(
        self,
        was_interrupted: impl FnOnce(&Control) -> bool,
    ) -> anyhow::Result<Concluded> {
        let (plan, control, transport) = (self.plan, self.control, self.transport);
        let beside = Beside::start(&self.arguments.load, &plan, self.recorder.view(), &control);
        let stillness = Stillness::watch()?;
        let (started, clock) = (SystemTime::now(), Instant::now());
        let (sending, scenario) = (Arc::clone(&transport), self.scenario);
        if plan.loads.is_empty() {
            runner::run(plan.clone(), scenario, sending, self.samples, &control).await;
        } else {
            let loads = plan.loads.iter().map(|load| {
                let part = scenario.part(load.kinds.clone());
                (load.plan.clone(), Arc::new(part) as Arc<dyn Scenario>)
            });
            runner::run_loads(loads.collect(), &sending, self.samples, &control).await;
        }
        let duration = clock.elapsed();
        self.is_over.cancel();
        let stalled = stillness.stop(&plan, &control);
        let active = control.active();
        let outputs = self.outputs.stop();
        let view = self.recorder.view();
        let (_, recorded) = self.recorder.finish();
        let end_of_run = RunEnd {
            started,
            duration,
            active,
            limit_broke: beside.limit_broke(),
            search_is_over: beside.search_is_over(),
            stalled,
            findings: beside.finish(&view),
            lag: control.lag(),
            defunct: transport.pending().defunct(),
            recording_failed: recorded.is_err(),
            interrupted_twice: was_interrupted(&control),
            unmatched_replies: transport.unmatched_replies(),
            client_settings: self.client_settings,
        };
        let mut concluded = outputs.conclude(end_of_run, &plan, &self.settings);
        if let Err(recording) = recorded {
            // The figures are told all the same. Only one error can be the program's last word.
            if let Err(error) = std::mem::replace(&mut concluded.done, Err(recording.into())) {
                say(&format!("error: {error:#}"));
            }
        }
        Ok(concluded)
    }
}

/// Replies could not be received any more.
const ENDED_EARLY: u8 = 6;
/// A threshold does not hold.
const THRESHOLD: u8 = 4;

/// How a run went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Causes {
    pub(crate) ended_early: bool,
    pub(crate) interrupted_twice: bool,
    pub(crate) invalid: bool,
    pub(crate) thresholds_hold: bool,
    pub(crate) any_failure: bool,
    /// Whether a threshold speaks of failures, and so replaces the rule that none may occur.
    pub(crate) failures_are_judged: bool,
    pub(crate) code_on_invalid: u8,
    pub(crate) code_on_error: u8,
}

/// The most severe cause decides: what makes figures useless comes before what the figures say. A code that
/// was set to 0 lets the next cause decide.
pub(crate) fn exit_code(causes: Causes) -> u8 {
    let failed = causes.any_failure && !causes.failures_are_judged;
    [
        (causes.ended_early, ENDED_EARLY),
        (causes.interrupted_twice, INTERRUPTED),
        (causes.invalid, causes.code_on_invalid),
        (!causes.thresholds_hold, THRESHOLD),
        (failed, causes.code_on_error),
    ]
    .into_iter()
    .find(|(applies, code)| *applies && *code != 0)
    .map_or(0, |(_, code)| code)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: Causes = Causes {
        ended_early: false,
        interrupted_twice: false,
        invalid: false,
        thresholds_hold: true,
        any_failure: false,
        failures_are_judged: false,
        code_on_invalid: 5,
        code_on_error: 3,
    };

    #[test]
    fn the_most_severe_cause_decides() {
        let mut causes = WELL;
        assert_eq!(exit_code(causes), 0);
        causes.any_failure = true;
        assert_eq!(exit_code(causes), 3);
        causes.thresholds_hold = false;
        assert_eq!(exit_code(causes), 4);
        causes.invalid = true;
        assert_eq!(exit_code(causes), 5);
        causes.interrupted_twice = true;
        assert_eq!(exit_code(causes), 130);
        causes.ended_early = true;
        assert_eq!(exit_code(causes), 6);
    }

    #[test]
    fn a_code_of_zero_silences_its_cause_only() {
        let mut causes = WELL;
        (causes.invalid, causes.any_failure) = (true, true);
        causes.code_on_invalid = 0;
        assert_eq!(exit_code(causes), 3);
        causes.code_on_error = 0;
        assert_eq!(exit_code(causes), 0);
    }

    #[test]
    fn a_threshold_on_failures_replaces_the_rule_that_none_may_occur() {
        let mut causes = WELL;
        (causes.any_failure, causes.failures_are_judged) = (true, true);
        assert_eq!(exit_code(causes), 0);
    }
}
