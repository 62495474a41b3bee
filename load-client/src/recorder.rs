//! Takes samples off the users: one thread writes the CSV and keeps the tally.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::export::{ExportError, RequestsCsv};
use crate::moment::{Bin, Moment};
use crate::sample::Sample;
use crate::summary::Summary;
use crate::tally::Tally;

/// Samples that may wait for the thread, so that memory stays flat.
const CHANNEL_CAPACITY: usize = 65_536;
/// Samples taken at once.
const BATCH: usize = 1024;

/// The recorder of a run. The thread ends when the last sender of samples is gone.
pub struct Recorder {
    thread: JoinHandle<Result<(), ExportError>>,
    view: TallyView,
}

/// A look at the running tally. Clones see the same one.
#[derive(Clone)]
pub struct TallyView {
    tally: Arc<Mutex<Tally>>,
    start: Instant,
}

impl Recorder {
    /// Starts the thread. `names` are those of the request kinds. A CSV that cannot be written any more cancels `stop`.
    ///
    /// # Errors
    ///
    /// When the system has no thread to give.
    pub fn start(
        names: &[String],
        csv: Option<RequestsCsv>,
        stop: CancellationToken,
    ) -> std::io::Result<(Self, mpsc::Sender<Sample>)> {
        let (sender, receiver) = mpsc::channel(CHANNEL_CAPACITY);
        let view = TallyView {
            tally: Arc::new(Mutex::new(Tally::new(names))),
            start: Instant::now(),
        };
        let recording = view.clone();
        let thread = std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || record(receiver, csv, &recording, &stop))?;
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
        self.lock().summary()
    }

    /// What the run did lately.
    #[must_use]
    pub fn moment(&self, users: u32, warm_up: bool) -> Moment {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let unix_seconds = now.map_or(0, |since| since.as_secs());
        let elapsed = self.start.elapsed();
        self.lock().moment(elapsed, unix_seconds, users, warm_up)
    }

    /// The measured response times in bins of equal width on a logarithmic axis.
    #[must_use]
    pub fn histogram(&self, bins: u32) -> Vec<Bin> {
        self.lock().histogram(bins)
    }

    /// Forgets what was recorded so far; the run and its clock go on.
    pub fn reset(&self) {
        self.lock().reset();
    }

    fn lock(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn record(
    mut receiver: mpsc::Receiver<Sample>,
    mut csv: Option<RequestsCsv>,
    view: &TallyView,
    stop: &CancellationToken,
) -> Result<(), ExportError> {
    let mut batch = Vec::with_capacity(BATCH);
    let mut failed = None;
    while receiver.blocking_recv_many(&mut batch, BATCH) > 0 {
        if let Some(file) = &mut csv
            && let Err(error) = batch.iter().try_for_each(|sample| file.write(sample))
        {
            // The users must be able to go on handing over, or they would wait for ever.
            failed = Some(error);
            csv = None;
            stop.cancel();
        }
        let elapsed = view.start.elapsed();
        let mut tally = view.lock();
        for sample in batch.drain(..) {
            tally.record(&sample, elapsed);
        }
    }
    match (failed, csv) {
        (Some(error), _) => Err(error),
        (None, Some(file)) => file.finish(),
        (None, None) => Ok(()),
    }
}
