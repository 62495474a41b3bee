//! The thread that looks at a run each second: history, live table, status line, statistics files,
//! thresholds that end the run, and the client's own load. Not a task of the runtime, whose threads are for
//! the users.

use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use program_shell::terminal::takes_escapes;

use crate::load::Control;
use crate::measure::history::Moment;
use crate::measure::recorder::TallyView;
use crate::measure::selfcheck::{CpuReading, CpuUse, cpu_use};
use crate::measure::summary::Summary;
use crate::measure::threshold::{Standing, Threshold, evaluate};
use crate::report::StatsFiles;
use crate::report::text::live_table;
use crate::session::files::{Text, terminal_columns};
use crate::session::signals::{CLEAR_LINE, Keys, Restore, say, standard_input};

const INTERVAL: Duration = Duration::from_secs(1);
/// The table is printed every other second, as in Locust.
const TABLE_EVERY: u64 = 2;

/// Is told how the run stands.
pub(crate) type Observer = Box<dyn FnMut(&Moment, &Summary) + Send>;

/// What a terminal is shown while the run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Tables, and a status line.
    Tables,
    /// A status line.
    Status,
    /// Nothing: the run is seen elsewhere.
    Nothing,
}

/// What the thread needs to know.
pub(crate) struct Settings {
    pub(crate) view: TallyView,
    pub(crate) control: Control,
    pub(crate) warm_up: Duration,
    pub(crate) run_time: Option<Duration>,
    /// Messages in the producer's queue.
    pub(crate) queue: Box<dyn Fn() -> u64 + Send>,
    /// Quantiles that the thresholds need.
    pub(crate) quantiles: Vec<f64>,
    /// Thresholds that may end the run, and from when on.
    pub(crate) abort: Option<(Vec<Threshold>, Duration)>,
    pub(crate) shown: Shown,
    pub(crate) text: Text,
    pub(crate) observer: Option<Observer>,
    pub(crate) files: Option<StatsFiles>,
}

/// The running thread; dropping it ends the thread, and gives the terminal back.
pub(crate) struct Watch {
    stop: Sender<()>,
    thread: JoinHandle<Watcher>,
    keys: Option<Keys>,
}

/// What the thread saw.
pub(crate) struct Watched {
    pub(crate) cpu: Option<CpuUse>,
    pub(crate) queue: Vec<u64>,
    pub(crate) files: Option<StatsFiles>,
    pub(crate) observer: Option<Observer>,
    /// A threshold ended the run.
    pub(crate) threshold_broke: bool,
}

/// Starts to watch. Keys on a terminal call `on_key` with the change of users.
pub(crate) fn start(
    settings: Settings,
    on_key: Option<Box<dyn Fn(i32) + Send>>,
) -> std::io::Result<Watch> {
    let (stop, stopped) = channel();
    let watcher = Watcher::new(settings);
    let thread = std::thread::Builder::new().name("watch".to_owned());
    let thread = thread.spawn(move || watcher.run(&stopped))?;
    let keys = on_key.and_then(listen);
    Ok(Watch { stop, thread, keys })
}

/// A terminal that cannot be set up costs the keys, not the run.
fn listen(on_key: Box<dyn Fn(i32) + Send>) -> Option<Keys> {
    let keys = standard_input().and_then(|terminal| Keys::listen(terminal, on_key));
    keys.unwrap_or_else(|error| {
        say(&format!(
            "the keys w, W, s and S are not available: {error}"
        ));
        None
    })
}

impl Watch {
    /// What gives the terminal back when the program is ended.
    pub(crate) fn restore(&self) -> Option<Restore> {
        self.keys.as_ref().map(Keys::restore)
    }

    /// Ends the thread; answers what it saw.
    pub(crate) fn stop(self) -> Watched {
        // It can be gone by a panic only, which the next line passes on.
        let _ = self.stop.send(());
        match self.thread.join() {
            Ok(watcher) => watcher.finish(),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

struct Watcher {
    settings: Settings,
    start: Instant,
    first: CpuReading,
    last: CpuReading,
    in_warm_up: bool,
    ticks: u64,
    columns: Option<usize>,
    on_terminal: bool,
    queue: Vec<u64>,
    threshold_broke: bool,
    file_failed: bool,
}

impl Watcher {
    fn new(settings: Settings) -> Self {
        let reading = CpuReading::now();
        Self {
            in_warm_up: !settings.warm_up.is_zero(),
            columns: settings.text.columns(),
            settings,
            start: Instant::now(),
            first: reading.clone(),
            last: reading,
            ticks: 0,
            on_terminal: takes_escapes(&std::io::stderr()),
            queue: Vec::new(),
            threshold_broke: false,
            file_failed: false,
        }
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
        self.last = CpuReading::now();
        self.clear_status();
        self
    }

    fn finish(self) -> Watched {
        Watched {
            cpu: cpu_use(&self.first, &self.last),
            queue: self.queue,
            files: self.settings.files,
            observer: self.settings.observer,
            threshold_broke: self.threshold_broke,
        }
    }

    fn look(&mut self) {
        let elapsed = self.start.elapsed();
        let warm_up = elapsed < self.settings.warm_up;
        if self.in_warm_up && !warm_up {
            // The load of the warm-up says nothing of the figures.
            self.in_warm_up = false;
            self.first = CpuReading::now();
        }
        let users = self.settings.control.active();
        let moment = self.settings.view.moment(users, warm_up);
        let summary = self.settings.view.summary_with(&self.settings.quantiles);
        if !warm_up {
            self.queue.push((self.settings.queue)());
        }
        self.write_files(&moment, &summary);
        self.show(&moment, &summary, elapsed);
        if let Some(observer) = &mut self.settings.observer {
            observer(&moment, &summary);
        }
        self.abort_on_broken(&summary, elapsed);
    }

    fn write_files(&mut self, moment: &Moment, summary: &Summary) {
        let Some(files) = &mut self.settings.files else {
            return;
        };
        if let Err(error) = files.update(moment, summary)
            && !self.file_failed
        {
            // Said once: the run is worth more than its history, and the disk may have room again.
            self.file_failed = true;
            say(&format!(
                "error: --csv: {error}; the run goes on, make room"
            ));
        }
    }

    fn show(&self, moment: &Moment, summary: &Summary, elapsed: Duration) {
        self.clear_status();
        if self.settings.shown == Shown::Tables && self.ticks.is_multiple_of(TABLE_EVERY) {
            let table = live_table(summary, Some(moment), self.columns);
            self.settings.text.print(&format!("\n{table}"));
        }
        if !self.on_terminal || self.settings.shown == Shown::Nothing {
            return;
        }
        let progress = Progress {
            elapsed,
            run_time: self.settings.run_time,
            users: moment.users,
            rate: moment.total.rates.requests,
            failures: moment.total.failures,
            warm_up: moment.warm_up,
        };
        let columns = terminal_columns(std::io::stderr()).unwrap_or(80);
        // A terminal that is gone must not end the run, here and below.
        let _ = write!(
            std::io::stderr().lock(),
            "{}",
            progress_line(&progress, columns)
        );
    }

    fn clear_status(&self) {
        if self.on_terminal {
            let _ = write!(std::io::stderr().lock(), "{CLEAR_LINE}");
        }
    }

    fn abort_on_broken(&mut self, summary: &Summary, elapsed: Duration) {
        let Some((thresholds, delay)) = &self.settings.abort else {
            return;
        };
        if self.threshold_broke || elapsed < *delay {
            return;
        }
        let answer = evaluate(thresholds, summary);
        let mut broken = answer.judgements.iter();
        if let Some(broken) = broken.find(|own| own.verdict == Standing::Broken) {
            self.threshold_broke = true;
            let measured = broken.measured.as_deref().unwrap_or_default();
            say(&format!(
                "stopping: {} does not hold, it is {measured}",
                broken.threshold
            ));
            self.settings.control.stop.cancel();
        }
    }
}

/// What the line tells.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Progress {
    /// Since the start of the run.
    pub elapsed: Duration,
    /// What the run takes; `None` goes on until it is stopped.
    pub run_time: Option<Duration>,
    /// Users that are active.
    pub users: u32,
    /// Requests per second at the moment.
    pub rate: f64,
    /// Requests that failed so far.
    pub failures: u64,
    /// Whether the warm-up is still on.
    pub warm_up: bool,
}

/// The line, cut to a terminal of `columns`.
fn progress_line(progress: &Progress, columns: usize) -> String {
    let mut line = clock(progress.elapsed);
    if let Some(run_time) = progress.run_time {
        line += &format!(" of {}", clock(run_time));
    }
    if progress.warm_up {
        line += " (warm-up)";
    }
    let users = grouped(u64::from(progress.users));
    let plural = if progress.users == 1 { "" } else { "s" };
    let rate = grouped(progress.rate.round() as u64);
    line += &format!(", {users} user{plural}, {rate} req/s");
    if progress.failures > 0 {
        line += &format!(", {} failed", grouped(progress.failures));
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
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_time_users_rate_and_failures() {
        let mut progress = Progress {
            elapsed: Duration::from_millis(12_900),
            run_time: Some(Duration::from_secs(60)),
            users: 10,
            rate: 1234.4,
            failures: 0,
            warm_up: false,
        };
        assert_eq!(
            progress_line(&progress, 80),
            "00:12 of 01:00, 10 users, 1,234 req/s"
        );
        progress.warm_up = true;
        progress.failures = 1_000_000;
        progress.users = 1;
        progress.run_time = None;
        progress.elapsed = Duration::from_secs(3725);
        assert_eq!(
            progress_line(&progress, 80),
            "1:02:05 (warm-up), 1 user, 1,234 req/s, 1,000,000 failed"
        );
        assert_eq!(progress_line(&progress, 8), "1:02:05");
    }
}
