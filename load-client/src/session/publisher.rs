//! Publishes the measurements of a worker to the log.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::interval;
use tokio_util::task::AbortOnDropHandle;

use crate::distributed::{Beat, Done, Measured, Measurement, PROTOCOL};
use crate::load::Control;
use crate::measure::interval::IntervalRecord;
use crate::measure::recorded::Handed;
use crate::measure::recorder::Outlet;
use crate::measure::selfcheck::{CpuReading, cpu_use};
use crate::measure::summary::Ended;
use crate::report::run_file::RunEnd;
use crate::transport::kafka::KafkaLog;

const BEAT: Duration = Duration::from_secs(1);

/// Writes the results of one worker. Clones share their state.
#[derive(Clone)]
pub(crate) struct Publisher(Arc<Inner>);

struct Inner {
    log: Arc<KafkaLog>,
    run: String,
    worker: String,
    interval_seconds: usize,
    intervals: AtomicU64,
    /// Intervals that are not written yet.
    batch: Mutex<Vec<IntervalRecord>>,
    ended: Mutex<Ended>,
    obeyed: AtomicBool,
    /// Why the first record that failed could not be handed over.
    failure: Mutex<Option<String>>,
}

impl Publisher {
    /// Creates the publisher of a worker's part of a run. It writes the intervals of `interval_seconds` at a time.
    pub(crate) fn new(
        log: Arc<KafkaLog>,
        (run, worker): (String, String),
        interval_seconds: u64,
    ) -> Self {
        Self(Arc::new(Inner {
            log,
            run,
            worker,
            interval_seconds: usize::try_from(interval_seconds.clamp(1, 60)).unwrap_or(1),
            intervals: AtomicU64::default(),
            batch: Mutex::default(),
            ended: Mutex::default(),
            obeyed: AtomicBool::default(),
            failure: Mutex::default(),
        }))
    }

    /// Writes a sign of life with the worker's state each second, until the handle is dropped.
    pub(super) fn beats(self, control: &Control) -> AbortOnDropHandle<()> {
        let (control, before) = (control.clone(), CpuReading::now());
        AbortOnDropHandle::new(tokio::spawn(async move {
            let mut ticks = interval(BEAT);
            loop {
                ticks.tick().await;
                self.write(Measured::Beat(Beat {
                    active: control.active(),
                    cores: cpu_use(&before, &CpuReading::now()).map(|own| own.process),
                    lag_p99_ms: control.own_lag().and_then(|lag| lag.percentile(0.99)),
                    sent: control.sent(),
                }));
            }
        }))
    }

    /// Writes that the part is sent. Fails when this record or an earlier one could not be handed over.
    pub(crate) fn finish(&self, end: &RunEnd) -> anyhow::Result<()> {
        let own = &self.0;
        self.write_batch(1);
        let ended = *own.ended.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(Measured::Done(Box::new(Done {
            end: end.clone(),
            intervals: own.intervals.load(Ordering::Relaxed),
            ended,
            obeyed: own.obeyed.load(Ordering::Relaxed),
        })));
        self.check().map_err(|failure| anyhow::anyhow!(failure))
    }

    /// Notes that the coordinator has ended the part.
    pub(crate) fn obeys(&self) {
        self.0.obeyed.store(true, Ordering::Relaxed);
    }

    /// Fails when a record could not be handed over.
    pub(crate) fn check(&self) -> Result<(), String> {
        let failure = self
            .0
            .failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        failure.clone().map_or(Ok(()), Err)
    }

    /// Writes the batch if it covers at least `seconds`.
    fn write_batch(&self, seconds: usize) {
        let mut batch = self.0.batch.lock().unwrap_or_else(PoisonError::into_inner);
        if batch.len() >= seconds {
            self.write(Measured::Intervals(std::mem::take(&mut batch)));
        }
    }

    fn write(&self, says: Measured) {
        let own = &self.0;
        let measurement = Measurement {
            version: PROTOCOL,
            run: own.run.clone(),
            from: own.worker.clone(),
            says,
        };
        let json = serde_json::to_vec(&measurement).map_err(|error| error.to_string());
        let written = json.and_then(|json| own.log.result(&own.worker, &json));
        if let Err(reason) = written {
            let mut failure = own.failure.lock().unwrap_or_else(PoisonError::into_inner);
            failure.get_or_insert(reason);
        }
    }
}

impl Outlet for Publisher {
    fn take(&mut self, handed: &Handed) {
        // The figures of a worker are never reset.
        let Handed::Interval(interval) = handed else {
            return;
        };
        let own = &self.0;
        let record = IntervalRecord::from(&**interval);
        own.intervals.fetch_add(1, Ordering::Relaxed);
        own.ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(record.measured());
        own.batch
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(record);
        self.write_batch(own.interval_seconds);
    }
}
