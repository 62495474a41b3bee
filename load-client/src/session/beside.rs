//! What is looked at beside a run: the service's memory, and the limit of a stage that ends the run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::load::runner::Control;
use crate::measure::analysis::Findings;
use crate::measure::history::History;
use crate::measure::memory::{self, MemoryPoint};
use crate::measure::recorder::TallyView;
use crate::measure::threshold::Threshold;
use tokio::task::JoinHandle;

use crate::args::LoadArguments;
use crate::session::signals::say;

/// How often the stages are held against the limits.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// What goes on beside a run.
pub(crate) struct Beside {
    tasks: Vec<JoinHandle<()>>,
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
        self.tasks.iter().for_each(JoinHandle::abort);
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
