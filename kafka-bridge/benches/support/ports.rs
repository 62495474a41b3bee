//! Ports that cost almost nothing. Those of `kafka_bridge::testing` keep everything behind locks, which would be
//! measured as well.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use kafka_bridge::offsets::Position;
use kafka_bridge::ports::{Intake, ProduceError, RecordSource, ReplySink, SourceEvent};
use kafka_bridge::{Error, OutboundRecord, Record, TopicPartition};
use tokio::sync::oneshot;

/// Yields an assignment, then the records, then its end, and opens the gate at the end.
pub(crate) struct Prepared {
    assigned: Option<Vec<TopicPartition>>,
    records: std::vec::IntoIter<Record>,
    gate: Option<Gate>,
}

impl Prepared {
    pub(crate) fn new(records: Vec<Record>, partitions: i32, gate: Option<Gate>) -> Self {
        let topic = |partition| TopicPartition::new(super::TOPIC, partition);
        Self {
            assigned: Some((0..partitions).map(topic).collect()),
            records: records.into_iter(),
            gate,
        }
    }
}

impl RecordSource for Prepared {
    async fn next(&mut self, intake: Intake) -> Result<SourceEvent, Error> {
        if let Some(partitions) = self.assigned.take() {
            return Ok(SourceEvent::Assigned {
                partitions,
                generation: 0,
            });
        }
        if intake == Intake::Closed {
            std::future::pending::<()>().await;
        }
        if let Some(record) = self.records.next() {
            return Ok(SourceEvent::Record(record));
        }
        if let Some(gate) = &self.gate {
            gate.open();
        }
        Ok(SourceEvent::Exhausted)
    }

    fn commit(&mut self, _positions: &[Position]) {}

    async fn close(self, _positions: Vec<Position>) -> Result<(), Error> {
        Ok(())
    }
}

/// Drops each produced record, and acknowledges it at once.
#[derive(Clone)]
pub(crate) struct Dropping;

impl ReplySink for Dropping {
    async fn produce(&self, record: OutboundRecord) -> Result<(), ProduceError> {
        std::hint::black_box(record);
        Ok(())
    }
}

/// Drops each produced record, and acknowledges it when `held` others have come after it.
#[derive(Clone)]
pub(crate) struct Gate {
    held: usize,
    waiting: Arc<Mutex<Option<VecDeque<oneshot::Sender<()>>>>>,
}

impl Gate {
    pub(crate) fn holding(held: usize) -> Self {
        Self {
            held,
            waiting: Arc::new(Mutex::new(Some(VecDeque::with_capacity(held + 1)))),
        }
    }

    /// Acknowledges all records, now and from now on.
    fn open(&self) {
        let held = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        drop({ held }.take());
    }

    fn wait(&self) -> Option<oneshot::Receiver<()>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = waiting.as_mut()?;
        let (sender, acknowledged) = oneshot::channel();
        queue.push_back(sender);
        if queue.len() > self.held {
            // Dropping a sender wakes its receiver.
            queue.pop_front();
        }
        Some(acknowledged)
    }
}

impl ReplySink for Gate {
    async fn produce(&self, record: OutboundRecord) -> Result<(), ProduceError> {
        std::hint::black_box(record);
        if let Some(acknowledged) = self.wait() {
            let _ = acknowledged.await;
        }
        Ok(())
    }
}
