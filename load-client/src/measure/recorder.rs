//! Takes samples from the users. One thread writes the CSV and keeps the tally.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::load::Control;
use crate::load::plan::{Plan, Span};
use crate::measure::history::{Bin, History, Moment};
use crate::measure::interval::Interval;
use crate::measure::recorded::{Handed, Recorded};
use crate::measure::summary::{Sample, StageResult, Summary};
use crate::measure::tally::{StageTally, Tally};
use crate::measure::threshold::Threshold;
use crate::measure::window::Occupied;
use crate::report::{ExportError, RequestsCsv};

const BATCH: usize = 1024;
/// Pause between batches. Without it every sample would wake the thread. That would cost the measuring threads more
/// than the recording does.
const GATHERING: Duration = Duration::from_millis(5);

/// The recorder of a run. Its thread ends when the last sender of samples is dropped.
pub struct Recorder {
    thread: JoinHandle<Result<(), ExportError>>,
    view: TallyView,
}

/// A look at the running tally. All clones see the same tally.
#[derive(Clone)]
pub(crate) struct TallyView {
    recorded: Arc<Mutex<Recorded>>,
    control: Control,
    start: Instant,
}

/// Receives the intervals of a run, each as soon as its time is over.
pub(crate) trait Outlet: Send {
    fn take(&mut self, handed: &Handed);
}

impl Recorder {
    /// Starts the thread, just before the run. `names` are the names of the request kinds. The plan defines the
    /// measured window. A CSV that cannot be written any more stops the run.
    ///
    /// # Errors
    ///
    /// Returns an error when the system cannot start a thread.
    pub fn start(
        names: &[String],
        plan: &Plan,
        csv: Option<RequestsCsv>,
        control: &Control,
    ) -> std::io::Result<(Self, Samples)> {
        Self::start_with(names, plan, csv, control, None)
    }

    /// Starts like [`Self::start`], and passes the intervals to the outlet.
    pub(crate) fn start_with(
        names: &[String],
        plan: &Plan,
        csv: Option<RequestsCsv>,
        control: &Control,
        outlet: Option<Box<dyn Outlet>>,
    ) -> std::io::Result<(Self, Samples)> {
        let (sender, receiver) = Samples::channel();
        let view = TallyView::new(names, plan, outlet.is_some(), control, Instant::now());
        let recording = view.clone();
        let thread = std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || record(&receiver, csv, outlet, &recording))?;
        Ok((Self { thread, view }, sender))
    }

    pub(crate) fn view(&self) -> TallyView {
        self.view.clone()
    }

    /// Waits for the last sample. Returns the summary, and whether the CSV was written.
    pub fn finish(self) -> (Summary, Result<(), ExportError>) {
        let written = match self.thread.join() {
            Ok(written) => written,
            // This is a bug of ours, and the figures would mislead.
            Err(panic) => std::panic::resume_unwind(panic),
        };
        (self.view.summary_with(&[]), written)
    }
}

impl TallyView {
    fn new(names: &[String], plan: &Plan, keeps: bool, control: &Control, start: Instant) -> Self {
        let recorded = Recorded::new(names, plan, keeps);
        Self {
            recorded: Arc::new(Mutex::new(recorded)),
            control: control.clone(),
            start,
        }
    }

    /// Returns the view of a run that others record as intervals. The run began at `start`.
    pub(crate) fn of_others(
        names: &[String],
        plan: &Plan,
        control: &Control,
        start: Instant,
    ) -> Self {
        Self::new(names, plan, false, control, start)
    }

    /// Adds an interval that another client has recorded.
    pub(crate) fn add(&self, interval: &Interval) {
        let mut recorded = self.lock();
        recorded.tally.add(interval);
        recorded.stages.add(interval);
    }

    /// Replaces the figures that were added on arrival by the figures that were added second by second.
    pub(crate) fn replace(&self, tally: Tally, stages: StageTally, history: History<Moment>) {
        let mut recorded = self.lock();
        recorded.tally = tally;
        recorded.stages = stages;
        recorded.history = history;
    }

    /// Returns what each stage of the run has measured so far.
    pub(crate) fn stages(&self) -> Vec<StageResult> {
        let (now, recorded) = self.up_to_now();
        recorded.stages.results(now)
    }

    /// Begins a stage that is not in the plan. A stage with an infinite end goes on until [`Self::end_stage`].
    pub(crate) fn begin_stage(&self, span: Span) {
        self.up_to_now().1.stages.begin(span);
    }

    /// Ends the last stage now.
    pub(crate) fn end_stage(&self) {
        let now = self.start.elapsed();
        self.up_to_now().1.stages.end_last(nanoseconds(now));
    }

    /// Returns what the last stage has measured so far as if it were a run, with further quantiles (0 to 1).
    pub(crate) fn last_stage(&self, quantiles: &[f64]) -> Option<Summary> {
        let (now, recorded) = self.up_to_now();
        recorded.stages.last(now, quantiles)
    }

    /// Returns how each stage breaks these thresholds so far. All requests planned for the time before `settled`, from
    /// the start of the run, have ended.
    pub(crate) fn broken_stages(
        &self,
        thresholds: &[Threshold],
        settled: Duration,
    ) -> Vec<Option<String>> {
        let (now, recorded) = self.up_to_now();
        let stages = &recorded.stages;
        stages.broken(thresholds, now, nanoseconds(settled))
    }

    /// Returns the moments that were kept, the oldest first; see [`History`].
    pub(crate) fn history(&self) -> Vec<Moment> {
        self.lock().history.entries().to_vec()
    }

    /// Returns the time since the recorder was started, just before the run.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Returns the summary so far, with further quantiles (0 to 1) beside the usual ones.
    pub(crate) fn summary_with(&self, quantiles: &[f64]) -> Summary {
        let (now, recorded) = self.up_to_now();
        let mut summary = recorded.tally.summary_at(now, quantiles);
        summary.stages = recorded.stages.results(now);
        summary
    }

    /// Returns how many requests waited for their replies on average. `None` before the measured window.
    pub(crate) fn occupied(&self) -> Option<Occupied> {
        self.up_to_now().1.tally.occupied()
    }

    /// Returns the recent figures of the run, and keeps them in the history.
    pub(crate) fn keep_moment(&self, users: u32, warm_up: bool) -> Moment {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let unix_seconds = now.map_or(0, |since| since.as_secs());
        let elapsed = self.start.elapsed();
        let (_, mut recorded) = self.up_to_now();
        let tally = &recorded.tally;
        let moment = tally.moment(elapsed, unix_seconds, users, warm_up);
        recorded.history.push(moment.clone());
        moment
    }

    /// Returns the measured response times in bins of equal width on a logarithmic axis.
    pub(crate) fn histogram(&self, bins: u32) -> Vec<Bin> {
        self.up_to_now().1.tally.histogram(bins)
    }

    /// Forgets everything recorded so far. The run and its clock go on.
    pub(crate) fn reset(&self) {
        let (now, mut recorded) = self.up_to_now();
        recorded.tally.reset(now);
        recorded.stages.reset(now);
        recorded.history = History::default();
        recorded.was_reset = true;
        recorded.forget();
    }

    /// Records samples, `elapsed` after the start. Ends the measured window first, because late replies would count
    /// otherwise.
    fn record(&self, batch: &[Sample], elapsed: Duration) {
        let (active, ended) = (self.control.active(), self.control.ended());
        let mut recorded = self.lock();
        if let Some(end) = ended.filter(|_| !recorded.has_ended()) {
            recorded.end_by(nanoseconds(end), active);
        }
        for sample in batch {
            recorded.record(sample, elapsed, active);
        }
    }

    /// Returns the intervals of the seconds before this one, to pass on.
    fn handed_on(&self, second: u64) -> Vec<Handed> {
        self.up_to_now().1.handed_on(second)
    }

    /// Returns whether anything was forgotten.
    pub(crate) fn was_reset(&self) -> bool {
        self.lock().was_reset
    }

    /// Returns the present on the run's clock, and the figures up to it. If sending has ended, their window has ended
    /// too.
    fn up_to_now(&self) -> (u64, MutexGuard<'_, Recorded>) {
        let (now, ended) = (nanoseconds(self.start.elapsed()), self.control.ended());
        let active = self.control.active();
        let mut recorded = self.lock();
        match ended.map(nanoseconds) {
            Some(end) => recorded.end_by(end, active),
            None => recorded.cut(active),
        }
        // The clock of the recorder starts a little before the run.
        (ended.map_or(now, |_| u64::MAX), recorded)
    }

    fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn record(
    receiver: &SampleReceiver,
    mut csv: Option<RequestsCsv>,
    mut outlet: Option<Box<dyn Outlet>>,
    view: &TallyView,
) -> Result<(), ExportError> {
    // Packing and writing take time, and must not block readers of the figures.
    let mut hand_on = |second: u64| {
        if let Some(outlet) = &mut outlet {
            let handed = view.handed_on(second);
            handed.iter().for_each(|own| outlet.take(own));
        }
    };
    let mut batch = Vec::with_capacity(BATCH);
    let (mut written, mut second) = (Ok(()), 0);
    while receiver.receive(&mut batch, BATCH) {
        if let Some(file) = &mut csv {
            written = batch.iter().try_for_each(|sample| file.write(sample));
            if written.is_err() {
                // Goes on receiving, because the users would wait for ever otherwise.
                csv = None;
                view.control.stop.cancel();
            }
        }
        let elapsed = view.start.elapsed();
        let is_behind = batch.len() == BATCH;
        view.record(&batch, elapsed);
        batch.clear();
        if std::mem::replace(&mut second, elapsed.as_secs()) < elapsed.as_secs() {
            hand_on(second);
        }
        if !is_behind {
            std::thread::sleep(GATHERING);
        }
    }
    hand_on(u64::MAX);
    csv.map_or(written, RequestsCsv::finish)
}

/// Converts to nanoseconds. 2^64 ns are 584 years.
pub(crate) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The most samples that may wait before the run stops sending. This bounds the memory to 100 MB.
const MAX_WAITING: usize = 1_000_000;

/// Takes samples on any thread, and never blocks: a slow disk must not delay the thread that stamps the next reply. The
/// run asks [`Samples::has_room`] before it sends another request.
#[derive(Clone)]
pub struct Samples {
    sender: Sender<Sample>,
    waiting: Arc<AtomicUsize>,
}

pub(crate) struct SampleReceiver {
    receiver: Receiver<Sample>,
    waiting: Arc<AtomicUsize>,
}

impl Samples {
    /// Creates both ends.
    pub(crate) fn channel() -> (Self, SampleReceiver) {
        let (sender, receiver) = channel();
        let waiting = Arc::<AtomicUsize>::default();
        let samples = Self {
            sender,
            waiting: Arc::clone(&waiting),
        };
        (samples, SampleReceiver { receiver, waiting })
    }

    /// Passes a sample on. Returns false when there is no recorder any more.
    #[must_use]
    pub fn send(&self, sample: Sample) -> bool {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.sender.send(sample).is_ok()
    }

    /// Returns whether the recorder keeps up, approximately.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) < MAX_WAITING
    }
}

impl SampleReceiver {
    /// Waits for a sample, then takes the waiting ones, up to `most`. Returns false after the last sample.
    pub(crate) fn receive(&self, batch: &mut Vec<Sample>, most: usize) -> bool {
        let Ok(first) = self.receiver.recv() else {
            return false;
        };
        batch.push(first);
        batch.extend(self.receiver.try_iter().take(most - 1));
        self.waiting.fetch_sub(batch.len(), Ordering::Relaxed);
        true
    }

    /// Returns the waiting samples.
    #[cfg(test)]
    pub(crate) fn take(&self) -> Vec<Sample> {
        let taken: Vec<_> = self.receiver.try_iter().collect();
        self.waiting.fetch_sub(taken.len(), Ordering::Relaxed);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::summary::Status;

    #[test]
    fn a_recorder_that_stalls_leaves_no_room_and_loses_nothing() {
        let (samples, receiver) = Samples::channel();
        for index in 0..MAX_WAITING as u64 {
            assert!(samples.has_room());
            assert!(samples.send(Sample::test(index, 1, Status::Ok)));
        }
        assert!(!samples.has_room());
        assert!(
            samples.send(Sample::test(0, 1, Status::Ok)),
            "those in flight still fit"
        );
        let mut batch = Vec::new();
        assert!(receiver.receive(&mut batch, 100));
        assert_eq!(batch.len(), 100);
        assert!(samples.has_room());
        assert_eq!(receiver.take().len(), MAX_WAITING + 1 - 100);
        drop(receiver);
        assert!(!samples.send(Sample::test(0, 1, Status::Ok)));
    }
}
