//! Takes samples off the users: one thread writes the CSV and keeps the tally.

mod samples;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use samples::{SampleReceiver, Samples};
use tokio_util::sync::CancellationToken;

use crate::export::{ExportError, RequestsCsv};
use crate::history::History;
use crate::moment::{Bin, Moment};
use crate::shape::Span;
use crate::summary::{Latency, StageResult, Summary};
use crate::tally::{StageTally, Tally};

/// Samples taken at once.
const BATCH: usize = 1024;
/// Pause between batches. Without it every sample would wake the thread, which costs the threads that
/// measure more than the recording does.
const GATHERING: Duration = Duration::from_millis(5);

/// The recorder of a run. The thread ends when the last sender of samples is gone.
pub struct Recorder {
    thread: JoinHandle<Result<(), ExportError>>,
    view: TallyView,
}

/// A look at the running tally. Clones see the same one.
#[derive(Clone)]
pub struct TallyView {
    recorded: Arc<Mutex<Recorded>>,
    start: Instant,
}

struct Recorded {
    tally: Tally,
    stages: StageTally,
    history: History<Moment>,
}

impl Recorder {
    /// Starts the thread. `names` are those of the request kinds, `stages` the parts of the run that have
    /// results of their own. A CSV that cannot be written any more cancels `stop`.
    ///
    /// # Errors
    ///
    /// When the system has no thread to give.
    pub fn start(
        names: &[String],
        stages: Vec<Span>,
        csv: Option<RequestsCsv>,
        stop: CancellationToken,
    ) -> std::io::Result<(Self, Samples)> {
        let (sender, receiver) = Samples::channel();
        let view = TallyView {
            recorded: Arc::new(Mutex::new(Recorded {
                tally: Tally::new(names),
                stages: StageTally::new(stages),
                history: History::default(),
            })),
            start: Instant::now(),
        };
        let recording = view.clone();
        let thread = std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || record(&receiver, csv, &recording, &stop))?;
        Ok((Self { thread, view }, sender))
    }

    /// The running tally.
    #[must_use]
    pub fn view(&self) -> TallyView {
        self.view.clone()
    }

    /// Waits for the last sample; answers the summary, and what became of the CSV.
    pub fn finish(self) -> (Summary, Result<(), ExportError>) {
        let written = match self.thread.join() {
            Ok(written) => written,
            // A bug of ours: figures after it would mislead.
            Err(panic) => std::panic::resume_unwind(panic),
        };
        (self.view.summary(), written)
    }
}

impl TallyView {
    /// Sums up what was recorded so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let recorded = self.lock();
        let mut summary = recorded.tally.summary();
        summary.stages = recorded.stages.results();
        summary
    }

    /// What each stage of the run measured so far.
    #[must_use]
    pub fn stages(&self) -> Vec<StageResult> {
        self.lock().stages.results()
    }

    /// The moments that were kept, the oldest first; see [`History`].
    #[must_use]
    pub fn history(&self) -> Vec<Moment> {
        self.lock().history.entries().to_vec()
    }

    /// Keeps a moment for the history.
    pub fn keep(&self, moment: Moment) {
        self.lock().history.push(moment);
    }

    /// Time since the recorder was started, which is just before the run.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// As [`Self::summary`], with further quantiles (0 to 1) beside the usual ones.
    #[must_use]
    pub fn summary_with(&self, quantiles: &[f64]) -> Summary {
        let recorded = self.lock();
        let mut summary = recorded.tally.summary_with(quantiles);
        summary.stages = recorded.stages.results();
        summary
    }

    /// How long measured requests waited to be sent; `None` before the first.
    #[must_use]
    pub fn schedule_lag(&self) -> Option<Latency> {
        self.lock().tally.schedule_lag()
    }

    /// What the run did lately.
    #[must_use]
    pub fn moment(&self, users: u32, warm_up: bool) -> Moment {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let unix_seconds = now.map_or(0, |since| since.as_secs());
        let elapsed = self.start.elapsed();
        self.lock()
            .tally
            .moment(elapsed, unix_seconds, users, warm_up)
    }

    /// The measured response times in bins of equal width on a logarithmic axis.
    #[must_use]
    pub fn histogram(&self, bins: u32) -> Vec<Bin> {
        self.lock().tally.histogram(bins)
    }

    /// Forgets what was recorded so far; the run and its clock go on.
    pub fn reset(&self) {
        let mut recorded = self.lock();
        recorded.tally.reset();
        recorded.history = History::default();
    }

    fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn record(
    receiver: &SampleReceiver,
    mut csv: Option<RequestsCsv>,
    view: &TallyView,
    stop: &CancellationToken,
) -> Result<(), ExportError> {
    let mut batch = Vec::with_capacity(BATCH);
    let mut failed = None;
    while receiver.receive(&mut batch, BATCH) {
        if let Some(file) = &mut csv
            && let Err(error) = batch.iter().try_for_each(|sample| file.write(sample))
        {
            // The users must be able to go on handing over, or they would wait for ever.
            failed = Some(error);
            csv = None;
            stop.cancel();
        }
        let elapsed = view.start.elapsed();
        let is_behind = batch.len() == BATCH;
        let mut recorded = view.lock();
        for sample in batch.drain(..) {
            recorded.tally.record(&sample, elapsed);
            recorded.stages.record(&sample);
        }
        drop(recorded);
        if !is_behind {
            std::thread::sleep(GATHERING);
        }
    }
    match (failed, csv) {
        (Some(error), _) => Err(error),
        (None, Some(file)) => file.finish(),
        (None, None) => Ok(()),
    }
}
