//! What is looked at beside a run: the service's memory, the limit of a stage that ends the run, this process's
//! use of the processors, and whether it stands still.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::args::LoadArguments;
use crate::load::Control;
use crate::load::plan::Plan;
use crate::measure::analysis::Findings;
use crate::measure::history::History;
use crate::measure::memory::{self, MemoryPoint};
use crate::measure::recorder::TallyView;
use crate::measure::selfcheck::{CpuReading, Stalled, Stalls, thread_seconds};
use crate::measure::threshold::Threshold;
use crate::session::signals::say;

/// How often the stages are held against the limits.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// What goes on beside a run.
pub(crate) struct Beside {
    tasks: Vec<tokio::task::JoinHandle<()>>,
    memory: Arc<Mutex<History<MemoryPoint>>>,
    limits: Vec<Threshold>,
    limit_broke: Arc<AtomicBool>,
}

impl Beside {
    /// Starts to watch. A request ends within `timeout`.
    pub(crate) fn start(
        arguments: &LoadArguments,
        timeout: Duration,
        view: TallyView,
        control: &Control,
    ) -> Self {
        let memory = Arc::<Mutex<History<MemoryPoint>>>::default();
        let limits = arguments.until.clone();
        let limit_broke = Arc::<AtomicBool>::default();
        let mut tasks = Vec::new();
        if let Some(url) = arguments.metrics_url.clone() {
            tasks.push(tokio::spawn(memory::watch(url, Arc::clone(&memory))));
        }
        if !limits.is_empty() {
            tasks.push(tokio::spawn(end_when_broken(
                view,
                control.clone(),
                limits.clone(),
                timeout,
                Arc::clone(&limit_broke),
            )));
        }
        Self {
            tasks,
            memory,
            limits,
            limit_broke,
        }
    }

    /// Whether a limit has ended the run.
    pub(crate) fn limit_broke(&self) -> bool {
        self.limit_broke.load(Ordering::Relaxed)
    }

    /// Stops, and tells what was seen.
    pub(crate) fn finish(self, view: &TallyView) -> Findings {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let broken = (!self.limits.is_empty()).then(|| {
            // Nothing is in flight any more.
            view.broken_stages(&self.limits, Duration::MAX)
        });
        let (history, stages) = (view.history(), view.stages());
        Findings::of(&history, &stages, memory.entries(), broken.as_deref())
    }
}

/// Ends the run when a stage that is over has broken a limit.
async fn end_when_broken(
    view: TallyView,
    control: Control,
    limits: Vec<Threshold>,
    timeout: Duration,
    limit_broke: Arc<AtomicBool>,
) {
    loop {
        tokio::time::sleep(CHECK_INTERVAL).await;
        let now = view.elapsed();
        let stages = view.stages();
        let broken = view.broken_stages(&limits, now.saturating_sub(timeout));
        let all = stages.iter().zip(broken);
        let over = all.filter(|(stage, _)| stage.span.end_seconds <= now.as_secs_f64());
        let mut broken = over.filter_map(|(stage, reason)| Some((stage, reason?)));
        if let Some((stage, reason)) = broken.next() {
            say(&format!("ending after {}: {reason}", stage.span.name));
            limit_broke.store(true, Ordering::Relaxed);
            control.stop.cancel();
            return;
        }
    }
}

// Reads what this process uses of the processors.

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The processor time up to now.
pub(crate) fn read() -> CpuReading {
    let process = clock_gettime(ClockId::ProcessCPUTime);
    CpuReading {
        at: START.elapsed(),
        process: Duration::try_from(process).unwrap_or_default(),
        threads: threads(),
    }
}

/// Cores that this process may use, limits of its container included.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Empty where there is no /proc.
fn threads() -> BTreeMap<u64, (String, Duration)> {
    let ticks = rustix::param::clock_ticks_per_second();
    let Ok(folder) = fs::read_dir("/proc/self/task") else {
        return BTreeMap::new();
    };
    let thread = |entry: fs::DirEntry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        // A thread may end between the two looks.
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        Some((id, thread_seconds(&stat, ticks)?))
    };
    folder.flatten().filter_map(thread).collect()
}

// The thread that notices when this process stands still. It does nothing else, so that whatever delays it
// delays the threads that measure as well.

/// Fifty looks a second cost nothing that could be measured.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// The running thread.
pub(crate) struct Stillness {
    stop: Sender<()>,
    thread: std::thread::JoinHandle<Stalls>,
}

impl Stillness {
    /// Starts to look, just before the run.
    pub(crate) fn watch() -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let start = Instant::now();
        let thread = std::thread::Builder::new().name("stillness".to_owned());
        let thread = thread.spawn(move || {
            let mut stalls = Stalls::default();
            while stopped.recv_timeout(LOOK_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                stalls.look(start.elapsed(), LOOK_INTERVAL);
            }
            stalls
        })?;
        Ok(Self { stop, thread })
    }

    /// Ends the thread; answers what was lost of the measured window.
    pub(crate) fn stop(self, plan: &Plan, control: &Control) -> Stalled {
        drop(self.stop);
        let stalls = match self.thread.join() {
            Ok(stalls) => stalls,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        stalls.between(plan.warm_up, control.ended().unwrap_or(Duration::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_read() {
        let before = read();
        let mut sum = 0_u64;
        while clock_gettime(ClockId::ProcessCPUTime).tv_sec == 0 && read().process <= before.process
        {
            sum = std::hint::black_box(sum + 1);
        }
        let after = read();
        assert!(after.at > before.at);
        assert!(cfg!(not(target_os = "linux")) || !after.threads.is_empty());
        assert!(cores() > 0);
    }
}
