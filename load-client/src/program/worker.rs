//! `load-client worker`: sends a part of a run that a coordinator leads.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use program_shell::signals::Signals;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep_until};
use uuid::Uuid;

use crate::args::{RunArguments, WorkerArguments, name, unpacked};
use crate::distributed::{Do, Entry, LoadNote, PlanNote, Ready, Worker, WorkerEnd};
use crate::load::{Control, Share};
use crate::measure::selfcheck::available_cores;
use crate::session::terminal::{INTERRUPTED, say};
use crate::session::{Audience, Concluded, Publisher, Sender, Session};
use crate::transport::kafka::{From, KafkaLog, KafkaTransportError, Logged};

/// How often a worker looks at the clock.
const TICK: Duration = Duration::from_millis(250);

/// Sends a part of the next run and returns the exit code. Fails when no run takes this worker, when the run is
/// aborted, or when the measurements cannot be written to the log.
pub(crate) fn worker(arguments: &WorkerArguments) -> anyhow::Result<u8> {
    let settings = arguments.log.settings(None, &arguments.properties)?;
    super::runtime()?.block_on(async {
        let mut signals = Signals::catch()?;
        let log = tokio::select! {
            log = KafkaLog::open(settings, true) => log?,
            _ = signals.next() => return Err(KafkaTransportError::Interrupted.into()),
        };
        Working::new(arguments, log).work(signals).await
    })
}

/// A part that is ready to be sent.
struct Part {
    session: Session,
    sender: Sender,
    ready: Ready,
    publisher: Publisher,
    /// The folder with the files of the plan, removed on drop.
    _folder: TempDir,
}

struct Working<'a> {
    arguments: &'a WorkerArguments,
    log: Arc<KafkaLog>,
    id: String,
    machine: Worker,
    control: Control,
    clock: Instant,
    preparing: Option<JoinHandle<anyhow::Result<Part>>>,
    part: Option<Part>,
    publisher: Option<Publisher>,
    /// The task that sends. It ends with `None` if the run was cut before it began.
    sending: Option<JoinHandle<anyhow::Result<Option<Concluded>>>>,
    signals: Option<Signals>,
    cut: Option<String>,
}

impl<'a> Working<'a> {
    fn new(arguments: &'a WorkerArguments, log: Arc<KafkaLog>) -> Self {
        let called = arguments.name.clone().unwrap_or_else(own_name);
        let id = format!("{called}-{}", Uuid::new_v4());
        let machine = Worker::new(
            (id.clone(), called),
            available_cores(),
            (arguments.run.clone(), arguments.index),
            arguments.log.patience,
        );
        Self {
            arguments,
            log,
            id,
            machine,
            control: Control::default(),
            clock: Instant::now(),
            preparing: None,
            part: None,
            publisher: None,
            sending: None,
            signals: None,
            cut: None,
        }
    }

    async fn work(mut self, signals: Signals) -> anyhow::Result<u8> {
        let mut control = self.log.read_control(From::Beginning).await?;
        say(&format!(
            "waiting for a run, in the log at {}",
            self.log.brokers()
        ));
        self.signals = Some(signals);
        let mut ticks = interval(TICK);
        loop {
            let (read, done) = tokio::select! {
                read = control.next() => match read? {
                    None => continue,
                    Some(logged) => self.read(logged),
                },
                part = joined(&mut self.preparing) => (Instant::now(), self.prepared(part)),
                concluded = joined(&mut self.sending) => return self.concluded(concluded),
                () = signal(&mut self.signals) => {
                    // The worker has not begun, so the records that it wrote do not matter.
                    return Err(KafkaTransportError::Interrupted.into());
                }
                _ = ticks.tick() => {
                    self.check_log()?;
                    (Instant::now(), self.machine.tick(self.clock.elapsed()))
                }
            };
            self.carry_out(done, read)?;
        }
    }

    fn read(&mut self, logged: Logged) -> (Instant, Vec<Do>) {
        let entry = Entry::read(logged.offset, logged.appended_ms, &logged.payload);
        let now = self.clock.elapsed();
        let done = entry.map(|entry| self.machine.read(&entry, now));
        (logged.read, done.unwrap_or_default())
    }

    /// Stops the part when its measurements cannot be written, because they would be lost.
    fn check_log(&mut self) -> anyhow::Result<()> {
        let told = self.publisher.as_ref().map_or(Ok(()), Publisher::check);
        match self.log.check().and(told) {
            Err(reason) if self.sending.is_none() => bail!(reason),
            Err(reason) if self.cut.is_none() => {
                say(&format!("stopping at once: {reason}"));
                self.cut = Some(reason);
                self.control.stop.cancel();
                self.control.abort.cancel();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn prepared(&mut self, part: anyhow::Result<Part>) -> Vec<Do> {
        let outcome = match part {
            Ok(part) => {
                part.session.announce();
                let ready = part.ready.clone();
                self.publisher = Some(part.publisher.clone());
                self.part = Some(part);
                Ok(ready)
            }
            Err(error) => {
                let reason = format!("{error:#}").replace(char::is_control, " ");
                say(&format!("error: {reason}"));
                Err(reason)
            }
        };
        self.machine.prepared(outcome, self.clock.elapsed())
    }

    /// Does what the state machine asks for. `read` is when the order was read.
    fn carry_out(&mut self, all: Vec<Do>, read: Instant) -> anyhow::Result<()> {
        for one in all {
            match one {
                Do::Write(note) => {
                    let json = serde_json::to_vec(&note)?;
                    let written = self.log.control(&note.run, &json);
                    written.map_err(|reason| anyhow!(reason))?;
                }
                Do::Prepare { run, plan, part } => {
                    let prepared = prepare(
                        self.arguments.clone(),
                        Arc::clone(&self.log),
                        (run, self.id.clone()),
                        *plan,
                        part,
                    );
                    self.preparing = Some(tokio::spawn(prepared));
                }
                Do::Begin(delay) => {
                    let (part, signals) = (self.part.take(), self.signals.take());
                    let part = part.zip(signals);
                    let (part, signals) = part.ok_or_else(|| anyhow!("a run was started twice"))?;
                    let sent = send(part, self.control.clone(), signals, read + delay);
                    self.sending = Some(tokio::spawn(sent));
                }
                Do::Stop(reason) => {
                    say(&format!("stopping: {reason}"));
                    self.publisher.iter().for_each(Publisher::obeys);
                    self.control.stop.cancel();
                }
                Do::Cut(reason) => {
                    say(&format!("stopping at once: {reason}"));
                    self.cut = Some(reason);
                    self.control.stop.cancel();
                    self.control.abort.cancel();
                }
                Do::Tell(told) => say(&told),
                Do::End(WorkerEnd::Aborted(reason)) => bail!("the run was aborted: {reason}"),
                Do::End(WorkerEnd::Silence(reason)) => bail!("{reason}"),
            }
        }
        Ok(())
    }

    fn concluded(self, concluded: anyhow::Result<Option<Concluded>>) -> anyhow::Result<u8> {
        let concluded = concluded?;
        self.flush()?;
        if let Some(reason) = self.cut {
            bail!("the run was aborted: {reason}");
        }
        let Some(concluded) = concluded else {
            bail!("interrupted before the run began");
        };
        concluded.done?;
        concluded.validity.lines().iter().for_each(|line| say(line));
        say("the part was sent, and its measurements are in the log");
        Ok(match self.control.abort.is_cancelled() {
            true => INTERRUPTED,
            false => 0,
        })
    }

    fn flush(&self) -> anyhow::Result<()> {
        let patience = self.arguments.log.patience;
        let flushed = tokio::task::block_in_place(|| self.log.flush(patience));
        flushed.map_err(|reason| anyhow!(reason))
    }
}

/// Waits for a task and returns its result. Waits for ever without a task.
async fn joined<T>(task: &mut Option<JoinHandle<anyhow::Result<T>>>) -> anyhow::Result<T> {
    let Some(running) = task else {
        return std::future::pending().await;
    };
    let joined = running.await;
    *task = None;
    joined?
}

async fn signal(signals: &mut Option<Signals>) {
    match signals {
        Some(signals) => drop(signals.next().await),
        None => std::future::pending().await,
    }
}

/// Returns the host name and the process id, so that two workers on one machine have different names.
fn own_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let called = format!("{}-{}", host.trim(), std::process::id());
    name(&called).unwrap_or_else(|_| format!("worker-{}", std::process::id()))
}

async fn prepare(
    arguments: WorkerArguments,
    log: Arc<KafkaLog>,
    (run, worker): (String, String),
    plan: PlanNote,
    part: usize,
) -> anyhow::Result<Part> {
    let folder = tempfile::tempdir()?;
    let of = u32::try_from(plan.order.len())?;
    let share = u32::try_from(part)
        .ok()
        .and_then(|index| Share::new(index, of));
    let share = share.ok_or_else(|| anyhow!("the plan has no part {part} of {of}"))?;
    let run_arguments = part_of(&arguments, &plan.load, share, folder.path());
    let run_arguments = run_arguments.map_err(|reason| anyhow!(reason))?;
    let prepared = run_arguments.prepared(Uuid::new_v4().to_string())?;
    let mut session = Session::prepare(Arc::new(run_arguments), 1, prepared)?;
    let publisher = Publisher::new(log, (run, worker), plan.load.interval_seconds);
    session.publish(publisher.clone());
    let sender = session.connect(std::future::pending()).await?;
    let ready = Ready {
        digest: plan.load.digest(),
        header: session.header(),
    };
    Ok(Part {
        session,
        sender,
        ready,
        publisher,
        _folder: folder,
    })
}

/// Returns the command line of a part. It sends only to a cluster that the worker's own command line names.
fn part_of(
    arguments: &WorkerArguments,
    load: &LoadNote,
    share: Share,
    folder: &Path,
) -> Result<RunArguments, String> {
    let control = arguments.log.control.as_ref();
    let same = control.filter(|control| control.brokers == load.brokers);
    let host = arguments.host.as_ref().or(same).ok_or_else(|| {
        let brokers = &load.brokers;
        format!("the load is for {brokers}, which is not --control; give this worker --host kafka://{brokers}")
    })?;
    let mut run = unpacked(load, Some(share), folder)?;
    run.host = host.clone();
    run.requests_record_file
        .clone_from(&arguments.requests_record_file);
    run.properties.extend(arguments.properties.iter().cloned());
    Ok(run)
}

/// Sends a part from the moment `begin`. Returns `None` if the run was cut before.
async fn send(
    part: Part,
    control: Control,
    mut signals: Signals,
    begin: Instant,
) -> anyhow::Result<Option<Concluded>> {
    tokio::select! {
        () = sleep_until(begin.into()) => {}
        () = control.abort.cancelled() => return Ok(None),
        _ = signals.next() => return Ok(None),
    }
    let Part {
        session,
        sender,
        _folder,
        ..
    } = part;
    let started = session.start(sender, control, Audience::Elsewhere, None)?;
    started.obey(signals);
    let concluded = started.run(|control| control.abort.is_cancelled()).await?;
    Ok(Some(concluded))
}
