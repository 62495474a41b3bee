//! Watches a run while it goes on: its history, the service's memory, and the limit that ends it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use load_client::analysis::{Findings, Limit, broken_limit};
use load_client::history::History;
use load_client::memory::{self, MemoryPoint};
use load_client::plan::Plan;
use load_client::recorder::TallyView;
use load_client::runner::{Control, keep_history};
use load_client::summary::Summary;
use tokio::task::JoinHandle;

use crate::cli_load::LoadArguments;
use crate::signals::say;

/// How often the stages are held against the limits.
const LOOK: Duration = Duration::from_secs(1);

/// What goes on beside a run.
pub(super) struct Watch {
    tasks: Vec<JoinHandle<()>>,
    memory: Arc<Mutex<History<MemoryPoint>>>,
    limits: Vec<Limit>,
}

impl Watch {
    /// Starts to watch.
    pub(super) fn start(
        arguments: &LoadArguments,
        plan: &Plan,
        view: TallyView,
        control: &Control,
    ) -> Self {
        let memory = Arc::<Mutex<History<MemoryPoint>>>::default();
        let limits = arguments.until.clone();
        let history = keep_history(view.clone(), control.clone(), plan.warm_up);
        let mut tasks = vec![tokio::spawn(history)];
        if let Some(url) = arguments.metrics_url.clone() {
            tasks.push(tokio::spawn(memory::watch(url, Arc::clone(&memory))));
        }
        if !limits.is_empty() {
            tasks.push(tokio::spawn(end_when_broken(
                view,
                control.clone(),
                limits.clone(),
            )));
        }
        Self {
            tasks,
            memory,
            limits,
        }
    }

    /// Stops, and adds what was seen to the summary.
    pub(super) fn finish(self, view: &TallyView, control: &Control, summary: &mut Summary) {
        self.tasks.iter().for_each(JoinHandle::abort);
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let (history, stages) = (view.history(), &summary.stages);
        summary.findings = Findings::of(&history, stages, memory.entries(), &self.limits);
        summary.schedule_lag = control.lag();
        if let Some(warning) = summary.schedule_lag.as_ref().and_then(|lag| lag.warning()) {
            say(&format!("warning: {warning}"));
        }
    }
}

/// Ends the run when a stage that is over has broken a limit.
async fn end_when_broken(view: TallyView, control: Control, limits: Vec<Limit>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let now = view.elapsed().as_secs_f64();
        let stages = view.stages();
        let over = stages.iter().filter(|stage| stage.span.end_seconds <= now);
        let broken = over.filter_map(|stage| Some((stage, broken_limit(&limits, stage)?)));
        if let Some((stage, reason)) = broken.into_iter().next() {
            say(&format!("ending after {}: {reason}", stage.span.name));
            control.stop.cancel();
            return;
        }
    }
}
