//! Prepares, drives and concludes one run. The terminal and the page use the same code. Files, thresholds, self-check
//! and monitors belong to it.

mod beside;
mod conclude;
mod gathered;
mod lead;
mod places;
mod publisher;
pub(crate) mod terminal;
mod watch;

use std::future::Future;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use program_shell::signals::Signals;
use tokio::sync::watch as told;
use tokio_util::sync::CancellationToken;

use self::beside::Beside;
use self::conclude::EndOfRun;
use self::gathered::Gathered;
use self::lead::Undertaking;
use self::places::{Places, numbered_files};
use self::terminal::{obey, say};
use self::watch::Watch;
use crate::args::{Misuse, RunArguments, SeveralArguments, planned};
use crate::distributed::WorkerView;
use crate::load::plan::Plan;
use crate::load::{Control, runner};
use crate::measure::recorder::{Outlet, Recorder, Samples, TallyView};
use crate::measure::selfcheck::Stillness;
use crate::report::RequestsCsv;
use crate::report::run_file::{RunEnd, RunFile, RunHeader};
use crate::scenario::{Mix, Scenario};
use crate::transport::kafka::{ClientSettings, KafkaSettings, KafkaTransport, KafkaTransportError};

pub(crate) use conclude::{Causes, Concluded, exit_code};
pub(crate) use lead::{Lead, unix_ms};
pub(crate) use publisher::Publisher;
pub(crate) use watch::{Audience, Observer};

/// Why the load of a search cannot be edited.
pub(crate) const SEARCHES: &str = "the search sets the rate itself";

/// Why a load that workers send cannot be edited.
pub(crate) const WORKERS: &str = "the load of workers cannot be changed during the run";

/// Returns why a load cannot be edited during the run, or `None` if it can.
pub(crate) fn no_edit(plan: &Plan, several: &SeveralArguments) -> Option<&'static str> {
    match (plan.search, plan.loads.is_empty()) {
        _ if several.coordinates() => Some(WORKERS),
        (Some(_), _) => Some(SEARCHES),
        (None, false) => Some("the loads of a scenario cannot be changed during the run"),
        (None, true) => None,
    }
}

/// The sender of the load of a run.
pub(crate) enum Sender {
    /// This program.
    Own(Arc<KafkaTransport>),
    /// Workers, which this program leads.
    Workers(Box<Lead>),
}

/// Takes the intervals of a run, and its end.
#[derive(Clone)]
enum Sink {
    File(RunFile),
    Log(Publisher),
}

impl Sink {
    fn outlet(&self) -> Box<dyn Outlet> {
        match self.clone() {
            Self::File(file) => Box::new(file),
            Self::Log(publisher) => Box::new(publisher),
        }
    }

    fn finish(&self, end: &RunEnd) -> anyhow::Result<()> {
        match self {
            Self::File(file) => file.finish(end),
            Self::Log(publisher) => publisher.finish(end),
        }
    }
}

/// A run whose settings and places are checked.
pub(crate) struct Session {
    arguments: Arc<RunArguments>,
    plan: Plan,
    settings: Arc<KafkaSettings>,
    client_settings: ClientSettings,
    scenario: Arc<Mix>,
    places: Places,
    /// Taken by the recorder.
    requests: Option<RequestsCsv>,
    /// Where a worker publishes its measurements.
    publisher: Option<Publisher>,
    workers: told::Sender<Vec<WorkerView>>,
}

/// A run that is recorded and watched, and sends nothing yet.
pub(crate) struct Started {
    session: Session,
    sending: Sending,
    view: TallyView,
    control: Control,
    sink: Option<Sink>,
    watch: Watch,
    /// Cancelled when only the files are left to write.
    is_over: CancellationToken,
}

enum Sending {
    Own(Arc<KafkaTransport>, Recorder, Samples),
    Workers(Box<Lead>),
}

impl Session {
    /// Checks settings and claims the places of the files before anything is sent, so that a mistake there does not
    /// waste a run. `number` counts the runs of the program from 1. Fails when settings contradict each other, or a
    /// file cannot be written.
    pub(crate) fn prepare(
        arguments: Arc<RunArguments>,
        number: u32,
        (plan, mut settings, scenario): (Plan, KafkaSettings, Mix),
    ) -> anyhow::Result<Self> {
        let several = &arguments.several;
        if let Some(run) = several.resume.as_ref().or(several.run.as_ref()) {
            settings.run_id.clone_from(run);
        }
        let client_settings = settings.effective()?;
        let kinds = scenario.kinds();
        let files = numbered_files(&arguments.files(&plan), number);
        arguments.refuse_collisions(&files, &scenario.files)?;
        arguments.output.validated(kinds, &arguments.load.until)?;
        let places = Places::claim(&files)?;
        let requests = files.requests.as_deref();
        let create = |path| RequestsCsv::create(path, kinds);
        Ok(Self {
            requests: requests.map(create).transpose()?,
            publisher: None,
            workers: told::Sender::default(),
            arguments,
            plan,
            settings: Arc::new(settings),
            client_settings,
            scenario: Arc::new(scenario),
            places,
        })
    }

    /// Connects, unless the run is given up first. With `--workers`, waits until the workers are about to begin. Fails
    /// when the cluster or a topic cannot be used, or workers do not come.
    pub(crate) async fn connect(
        &self,
        given_up: impl Future<Output = ()>,
    ) -> anyhow::Result<Sender> {
        if let Some(undertaking) = self.undertaking()? {
            let lead = Lead::gather(undertaking, given_up).await?;
            return Ok(Sender::Workers(Box::new(lead)));
        }
        let settings = Arc::clone(&self.settings);
        tokio::select! {
            connected = KafkaTransport::connect_in_background(settings) => Ok(Sender::Own(Arc::new(connected?))),
            () = given_up => Err(KafkaTransportError::Interrupted.into()),
        }
    }

    /// Returns the run to coordinate, or `None` without workers.
    fn undertaking(&self) -> Result<Option<Undertaking>, Misuse> {
        let (arguments, settings) = (&self.arguments, &self.settings);
        if !arguments.several.coordinates() {
            return Ok(None);
        }
        arguments.several.validated()?;
        let takes_over = arguments.several.resume.is_some();
        let load = (!takes_over).then(|| planned(arguments, &self.scenario.files));
        Ok(Some(Undertaking {
            log: arguments.log_settings()?,
            run: settings.run_id.clone(),
            terms: arguments.several.terms(),
            load: load.transpose()?,
            views: self.workers.clone(),
        }))
    }

    /// Returns the state of the workers, as it changes. It is empty without `--workers`.
    pub(crate) fn workers(&self) -> told::Receiver<Vec<WorkerView>> {
        self.workers.subscribe()
    }

    /// Publishes the measurements to the log of a worker.
    pub(crate) fn publish(&mut self, publisher: Publisher) {
        self.publisher = Some(publisher);
    }

    /// Returns the header of the run's file.
    pub(crate) fn header(&self) -> RunHeader {
        RunHeader::new(&self.plan, &self.settings, self.scenario.kinds())
    }

    /// Prints the load and its target.
    pub(crate) fn announce(&self) {
        let (plan, settings) = (&self.plan, &self.settings);
        let replies = match settings.publish_only {
            true => "publishing only".to_owned(),
            false => format!("replies from {}", settings.reply_topic),
        };
        let load = match plan.users {
            0 => plan.load_model(),
            users => format!("{users} user(s), {} started per second", plan.spawn_rate),
        };
        let load = match plan.share.is_whole() {
            true => load,
            false => format!("part {} of: {load}", plan.share),
        };
        say(&format!(
            "{load}, to {} at {}, {replies}",
            settings.topic, settings.brokers
        ));
    }

    /// Begins to record and to watch. Fails when the system cannot start a thread, or the statistics files cannot be
    /// created.
    pub(crate) fn start(
        mut self,
        sender: Sender,
        control: Control,
        audience: Audience,
        observer: Option<Observer>,
    ) -> anyhow::Result<Started> {
        let sink = self.sink()?;
        let (kinds, requests) = (self.scenario.kinds(), self.requests.take());
        let (view, transport, sending) = match sender {
            Sender::Own(transport) => {
                let outlet = sink.as_ref().map(Sink::outlet);
                let (recorder, samples) =
                    Recorder::start_with(kinds, &self.plan, requests, &control, outlet)?;
                let view = recorder.view();
                let sending = Sending::Own(Arc::clone(&transport), recorder, samples);
                (view, Some(transport), sending)
            }
            Sender::Workers(lead) => {
                let view = TallyView::of_others(kinds, &self.plan, &control, lead.begin());
                (view, None, Sending::Workers(lead))
            }
        };
        let watched = (view.clone(), control.clone(), transport);
        Ok(Started {
            watch: Watch::start(&self, watched, audience, observer)?,
            session: self,
            sending,
            view,
            control,
            sink,
            is_over: CancellationToken::new(),
        })
    }

    fn sink(&mut self) -> anyhow::Result<Option<Sink>> {
        if let Some(publisher) = self.publisher.take() {
            return Ok(Some(Sink::Log(publisher)));
        }
        let header = self.header();
        let place = self.places.hdr.take();
        let file = place.map(|place| RunFile::begin(place, &header));
        Ok(file.transpose()?.map(Sink::File))
    }

    /// Sends until the run is over.
    async fn send(&self, transport: Arc<KafkaTransport>, samples: Samples, control: &Control) {
        let (plan, scenario) = (&self.plan, Arc::clone(&self.scenario));
        if plan.loads.is_empty() {
            return runner::run(plan.clone(), scenario, transport, samples, control).await;
        }
        let loads = plan.loads.iter().map(|load| {
            let part = scenario.part(load.kinds.clone(), &load.plan.model);
            (load.plan.clone(), Arc::new(part) as Arc<dyn Scenario>)
        });
        runner::run_loads(loads.collect(), &transport, samples, control).await;
    }
}

impl Started {
    /// Returns the figures, as they grow.
    pub(crate) fn view(&self) -> TallyView {
        self.view.clone()
    }

    /// Passes the signals on to the run.
    pub(crate) fn obey(&self, signals: Signals) {
        let (control, is_over) = (self.control.clone(), self.is_over.clone());
        tokio::spawn(obey(signals, control, is_over, self.watch.restore()));
    }

    /// Sends until the run is over, then shows and writes the measurements. `was_interrupted` says, at the end, whether
    /// the run did not wait for requests in flight. Fails when the system cannot start a thread, or another coordinator
    /// has taken the run.
    pub(crate) async fn run(
        self,
        was_interrupted: impl FnOnce(&Control) -> bool,
    ) -> anyhow::Result<Concluded> {
        let (session, control, view) = (self.session, self.control, self.view);
        let plan = &session.plan;
        let late = session.arguments.several.lateness();
        let beside = Beside::start(
            &session.arguments.load,
            (plan, late),
            view.clone(),
            &control,
        );
        let stillness = Stillness::watch(plan, &control)?;
        let (started, clock) = (SystemTime::now(), Instant::now());
        let beats = match &self.sink {
            Some(Sink::Log(publisher)) => Some(publisher.clone().beats(&control)),
            _ => None,
        };
        let (mut gathered, mut own) = (None, None);
        match self.sending {
            Sending::Own(transport, recorder, samples) => {
                session.send(transport, samples, &control).await;
                own = Some(recorder);
            }
            Sending::Workers(lead) => gathered = Some(lead.follow(&view, &control).await),
        }
        let duration = clock.elapsed();
        self.is_over.cancel();
        let stalled = stillness.stop();
        let watcher = self.watch.stop();
        // This puts the requests file in place. From here on, only files are left.
        let recorded = own.map_or(Ok(()), |recorder| recorder.finish().1);
        let (findings, ended_beside) = beside.finish(&view);
        let gathered = gathered.transpose()?;
        // A coordinator that took the run over did not see its beginning.
        let ran = gathered.as_ref().and_then(Gathered::ran);
        let (started, duration) = ran.unwrap_or((started, duration));
        let ended = EndOfRun {
            session,
            defunct: watcher.defunct(),
            watcher,
            started,
            duration,
            stalled,
            findings,
            sink: self.sink,
            gathered,
            ended_beside,
            recording_failed: recorded.is_err(),
            interrupted_twice: was_interrupted(&control),
        };
        let mut concluded = ended.conclude();
        // The worker sends beats until its last record is written.
        drop(beats);
        if let Err(recording) = recorded {
            // The program can return one error only, so the other is printed here.
            if let Err(error) = std::mem::replace(&mut concluded.done, Err(recording.into())) {
                say(&format!("error: {error:#}"));
            }
        }
        Ok(concluded)
    }
}
