//! The thread that looks at a run each second: history, live table, status line, statistics files, thresholds that end
//! the run, and the client's own load. It is not a task of the runtime, because the runtime's threads are for the
//! users.

use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use program_shell::terminal::takes_escapes;

use crate::args::OutputArguments;
use crate::load::Control;
use crate::load::plan::Plan;
use crate::measure::history::Moment;
use crate::measure::recorder::TallyView;
use crate::measure::selfcheck::{CpuReading, CpuUse, cpu_use};
use crate::measure::summary::Summary;
use crate::measure::threshold::{Standing, evaluate, extra_quantiles};
use crate::report::text::live_table;
use crate::report::{ExportError, StatsFiles};
use crate::session::terminal::{
    CLEAR_LINE, Keys, Restore, Text, say, standard_input, terminal_columns,
};
use crate::session::{Session, no_edit};
use crate::transport::Transport;
use crate::transport::kafka::KafkaTransport;

const INTERVAL: Duration = Duration::from_secs(1);
/// The table is printed every other second, as in Locust.
const TABLE_EVERY: u64 = 2;

/// Receives the figures of the run each second.
pub(crate) type Observer = Box<dyn FnMut(&Moment, &Summary, &TallyView) + Send>;

/// Where the output of a run is seen while it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// At the terminal of the command. Keys change the users.
    Terminal,
    /// On the page, or at the coordinator. The tables are held until the end of the program.
    Elsewhere,
}

/// The running thread.
pub(super) struct Watch {
    stop: Sender<()>,
    thread: JoinHandle<Watcher>,
    keys: Option<Keys>,
}

impl Watch {
    /// Starts the thread, and listens to the keys of a terminal. Fails when the system cannot start a thread, or the
    /// statistics files cannot be created.
    pub(super) fn start(
        session: &Session,
        watched: (TallyView, Control, Option<Arc<KafkaTransport>>),
        audience: Audience,
        observer: Option<Observer>,
    ) -> anyhow::Result<Self> {
        let control = watched.1.clone();
        let watcher = Watcher::new(session, watched, audience, observer)?;
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new().name("watch".to_owned());
        let thread = thread.spawn(move || watcher.run(&stopped))?;
        let keys = match audience {
            Audience::Terminal => listen(control, session),
            Audience::Elsewhere => None,
        };
        Ok(Self { stop, thread, keys })
    }

    /// Returns a handle that restores the terminal if the program is ended.
    pub(super) fn restore(&self) -> Option<Restore> {
        self.keys.as_ref().map(Keys::restore)
    }

    /// Ends the thread and restores the terminal. Returns the thread's watcher.
    pub(super) fn stop(self) -> Watcher {
        // This fails only if the thread panicked. The next line passes the panic on.
        let _ = self.stop.send(());
        let joined = self.thread.join();
        joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Listens to the keys. If the terminal cannot be set up, the run goes on without keys.
fn listen(control: Control, session: &Session) -> Option<Keys> {
    let is_open_to_keys = no_edit(&session.plan, &session.arguments.several).is_none();
    let on_key = move |more| {
        if is_open_to_keys {
            control.add_users(more);
        }
    };
    let keys = standard_input().and_then(|terminal| Keys::listen(terminal, on_key));
    keys.unwrap_or_else(|error| {
        say(&format!(
            "the keys w, W, s and S are not available: {error}"
        ));
        None
    })
}

/// Looks at a run, and keeps what it sees.
pub(super) struct Watcher {
    pub(super) view: TallyView,
    pub(super) control: Control,
    /// `None` if workers send.
    transport: Option<Arc<KafkaTransport>>,
    pub(super) files: Option<StatsFiles>,
    /// Messages in the producer's queue, each second after the warm-up.
    pub(super) queue: Vec<u64>,
    /// Whether a threshold ended the run.
    pub(super) threshold_broke: bool,
    /// The client's use of the processors after the warm-up, once the run is over.
    pub(super) cpu: Option<CpuUse>,
    plan: Plan,
    output: OutputArguments,
    audience: Audience,
    observer: Option<Observer>,
    text: Text,
    columns: Option<usize>,
    has_status_line: bool,
    file_failed: bool,
    start: Instant,
    ticks: u64,
    /// The client's processor time at the end of the warm-up.
    after_warm_up: Option<CpuReading>,
}

impl Watcher {
    fn new(
        session: &Session,
        (view, control, transport): (TallyView, Control, Option<Arc<KafkaTransport>>),
        audience: Audience,
        observer: Option<Observer>,
    ) -> Result<Self, ExportError> {
        let output = session.arguments.output.clone();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0.0, |since| since.as_secs_f64());
        let create = |prefix| StatsFiles::create(prefix, output.csv_full_history, now);
        let is_terminal = audience == Audience::Terminal;
        Ok(Self {
            view,
            control,
            transport,
            files: session.places.csv.as_deref().map(create).transpose()?,
            queue: Vec::new(),
            threshold_broke: false,
            cpu: None,
            plan: session.plan.clone(),
            output,
            audience,
            observer,
            text: session.places.text,
            columns: session.places.text.columns(),
            has_status_line: is_terminal && takes_escapes(&std::io::stderr()),
            file_failed: false,
            start: Instant::now(),
            ticks: 0,
            after_warm_up: session.plan.warm_up.is_zero().then(CpuReading::now),
        })
    }

    fn run(mut self, stopped: &Receiver<()>) -> Self {
        loop {
            let next = self.start + INTERVAL * u32::try_from(self.ticks + 1).unwrap_or(u32::MAX);
            let wait = next.saturating_duration_since(Instant::now());
            if stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                break;
            }
            self.ticks += 1;
            self.look();
        }
        let before = self.after_warm_up.as_ref();
        self.cpu = before.and_then(|before| cpu_use(before, &CpuReading::now()));
        self.clear_status();
        self
    }

    fn look(&mut self) {
        let elapsed = self.start.elapsed();
        let warm_up = elapsed < self.plan.warm_up;
        if !warm_up {
            // The client's load during the warm-up does not affect the figures.
            self.after_warm_up.get_or_insert_with(CpuReading::now);
            let queue = self
                .transport
                .as_ref()
                .map_or(0, |own| own.producer_queue());
            self.queue.push(queue as u64);
        }
        let (moment, summary) = (self.keep_moment(warm_up), self.summary());
        self.show(&moment, &summary);
        if let Err(error) = self.tell(&moment, &summary)
            && !std::mem::replace(&mut self.file_failed, true)
        {
            // Printed once. The run goes on without its history, and the disk may get free space again.
            say(&format!(
                "error: --csv: {error}; the run goes on; free some disk space"
            ));
        }
        let may_abort = self.output.abort_on_fail && elapsed >= self.output.abort_delay;
        if may_abort && !self.threshold_broke {
            self.abort_on_broken(&summary);
        }
    }

    /// Returns the present moment of the run, and adds it to the history.
    pub(super) fn keep_moment(&self, warm_up: bool) -> Moment {
        self.view.keep_moment(self.control.active(), warm_up)
    }

    /// Returns the figures so far.
    pub(super) fn summary(&self) -> Summary {
        let quantiles = extra_quantiles(&self.output.fail_on);
        self.view.summary_with(&quantiles)
    }

    /// Passes the present figures to the files and the observer. Fails when a file cannot be written; the rest is done
    /// anyway.
    pub(super) fn tell(&mut self, moment: &Moment, summary: &Summary) -> Result<(), ExportError> {
        let files = self.files.as_mut();
        let written = files.map_or(Ok(()), |files| files.update(moment, summary));
        if let Some(observer) = &mut self.observer {
            observer(moment, summary, &self.view);
        }
        written
    }

    /// Returns why replies could no longer be received.
    pub(super) fn defunct(&self) -> Option<String> {
        self.transport.as_ref()?.pending().defunct()
    }

    /// Returns the number of replies without a waiting request.
    pub(super) fn unmatched_replies(&self) -> u64 {
        let transport = self.transport.as_ref();
        transport.map_or(0, |own| own.unmatched_replies())
    }

    /// Returns whether the tables are held until the end of the program.
    pub(super) fn holds_text(&self) -> bool {
        self.audience == Audience::Elsewhere
    }

    fn show(&self, moment: &Moment, summary: &Summary) {
        self.clear_status();
        let has_tables = !self.holds_text() && !self.output.only_summary;
        if has_tables && self.ticks.is_multiple_of(TABLE_EVERY) {
            let table = live_table(summary, Some(moment), self.columns);
            self.text.print(&format!("\n{table}"));
        }
        if self.has_status_line {
            let columns = terminal_columns(std::io::stderr()).unwrap_or(80);
            let line = status_line(moment, self.plan.run_time, columns);
            // A closed terminal must not end the run, here and below.
            let _ = write!(std::io::stderr().lock(), "{line}");
        }
    }

    fn clear_status(&self) {
        if self.has_status_line {
            let _ = write!(std::io::stderr().lock(), "{CLEAR_LINE}");
        }
    }

    fn abort_on_broken(&mut self, summary: &Summary) {
        let all = self.output.fail_on.iter();
        let may_abort: Vec<_> = all.filter(|own| own.may_abort()).cloned().collect();
        let judged = evaluate(&may_abort, summary).judgements;
        let mut broken = judged.iter();
        if let Some(broken) = broken.find(|own| own.verdict == Standing::Broken) {
            self.threshold_broke = true;
            let measured = broken.measured.as_deref().unwrap_or_default();
            say(&format!(
                "stopping: {} does not hold, measured {measured}",
                broken.threshold
            ));
            self.control.stop.cancel();
        }
    }
}

/// Returns time, users, rate and failures of a run, cut to a terminal of `columns`. Without `run_time` the run goes on
/// until it is stopped.
fn status_line(moment: &Moment, run_time: Option<Duration>, columns: usize) -> String {
    let mut line = clock(Duration::from_secs_f64(moment.seconds));
    if let Some(run_time) = run_time {
        line += &format!(" of {}", clock(run_time));
    }
    if moment.warm_up {
        line += " (warm-up)";
    }
    let users = grouped(u64::from(moment.users));
    let plural = if moment.users == 1 { "" } else { "s" };
    let rate = grouped(moment.total.rates.requests.round() as u64);
    line += &format!(", {users} user{plural}, {rate} req/s");
    if moment.total.failures > 0 {
        line += &format!(", {} failed", grouped(moment.total.failures));
    }
    line.chars().take(columns.saturating_sub(1)).collect()
}

fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes:02}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

fn grouped(number: u64) -> String {
    let mut text = number.to_string();
    for place in (1..text.len()).rev().skip(2).step_by(3) {
        text.insert(place, ',');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tally::Tally;

    #[test]
    fn tells_time_users_rate_and_failures() {
        let tally = Tally::new(&["createOrder".to_owned()]);
        let mut moment = tally.moment(Duration::from_millis(12_900), 0, 10, false);
        moment.total.rates.requests = 1234.4;
        assert_eq!(
            status_line(&moment, Some(Duration::from_secs(60)), 80),
            "00:12 of 01:00, 10 users, 1,234 req/s"
        );
        (moment.warm_up, moment.users) = (true, 1);
        (moment.total.failures, moment.seconds) = (1_000_000, 3725.0);
        assert_eq!(
            status_line(&moment, None, 80),
            "1:02:05 (warm-up), 1 user, 1,234 req/s, 1,000,000 failed"
        );
        assert_eq!(status_line(&moment, None, 8), "1:02:05");
    }
}
