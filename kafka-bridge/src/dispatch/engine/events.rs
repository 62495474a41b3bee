//! How the loop handles a record, the end of a record, and changes of the assignment.

use std::ops::ControlFlow;

use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::Engine;
use crate::dispatch::Answer;
use crate::dispatch::gate::InHand;
use crate::dispatch::job::{Done, IsReady, Settled};
use crate::dispatch::shared::Why;
use crate::offsets::{Delivery, Position};
use crate::ports::{RecordSource, SourceEvent};
use crate::telemetry::metric_names;
use crate::{Error, Record, TopicPartition};

impl<Source, V, Make, Job> Engine<Source, V, Make, Job>
where
    Source: RecordSource,
    V: Answer,
    Make: FnMut(Record, Instant, (V, IsReady)) -> Job,
    Job: Future<Output = Done> + Send + 'static,
{
    pub(super) fn on_event(&mut self, event: SourceEvent) -> ControlFlow<()> {
        match event {
            SourceEvent::Record(record) => self.on_record(record),
            SourceEvent::Assigned {
                partitions,
                generation,
            } => {
                self.on_assigned(&partitions, generation);
            }
            SourceEvent::Revoked(revocation) => {
                let count = revocation.partitions.len() as u64;
                self.count_event(metric_names::REVOCATIONS, count);
                for partition in &revocation.partitions {
                    self.offsets.close(partition);
                    self.take_back(partition);
                }
                self.revocations
                    .add(revocation, self.settings.revocation_timeout);
                self.release_ready();
            }
            SourceEvent::Lost(partitions) => self.on_lost(&partitions),
            SourceEvent::Anew(start) => {
                self.offsets.begin_anew(&start);
                self.forget(&start.topic_partition, Why::Remade);
            }
            SourceEvent::Finished(committed) => self.on_finished_before(&committed),
            SourceEvent::Skipped(position) => self.offsets.skip_to(&position),
            SourceEvent::CommitFailed(partitions) => {
                self.count_event(metric_names::COMMIT_FAILURES, 1);
                partitions
                    .iter()
                    .for_each(|partition| self.offsets.commit_failed(partition));
            }
            SourceEvent::Exhausted => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    fn count_event(&self, metric: &'static str, times: u64) {
        self.label.counter(metric, []).increment(times);
    }

    fn on_record(&mut self, record: Record) {
        self.now = Instant::now();
        match self
            .offsets
            .deliver(&record.coordinates, self.now.into_std())
        {
            Delivery::Next => {}
            Delivery::Rewound => {
                self.count_event(metric_names::REWINDS, 1);
                warn!(record = %record.coordinates, "the partition was rewound");
            }
            Delivery::Finished => {
                self.count_event(metric_names::FINISHED_BEFORE, 1);
                debug!(record = %record.coordinates, "already finished, not handled again");
                return;
            }
            Delivery::Stale => {
                self.count_event(metric_names::STALE, 1);
                debug!(record = %record.coordinates, "record of another assignment dropped");
                return;
            }
        }
        let place = self.pools.place(&record);
        self.in_flight_bytes += place.size;
        if !place.is_free {
            // The job asks whether the application is ready when its turn comes.
            let service = (self.gate.unready(), IsReady::No);
            let (make_job, now) = (&mut self.make_job, self.now);
            self.pools.start(place, || make_job(record, now, service));
        } else if !self.shared.awaiting.any()
            && let Some(service) = self.gate.ready()
        {
            let (make_job, now) = (&mut self.make_job, self.now);
            let service = (service, IsReady::Yes);
            self.pools.start(place, || make_job(record, now, service));
        } else {
            let arrived = self.now;
            self.gate.put(InHand {
                record,
                place,
                arrived,
            });
        }
        self.in_flight.set(self.count() as f64);
    }

    pub(super) fn on_done(&mut self, done: Done) -> Result<(), Error> {
        self.in_flight_bytes -= done.size;
        self.in_flight.set(self.count() as f64);
        match done.settled.map_err(Error::Producer)? {
            Settled::Replied => self.summary.replied += 1,
            Settled::DeadLettered(_) => self.summary.dead_lettered += 1,
            Settled::Skipped(_) => self.summary.skipped += 1,
            Settled::Left => {
                self.count_event(metric_names::STALE, 1);
                debug!(record = %done.coordinates, "record dropped: its partition has gone");
                return Ok(());
            }
        }
        self.offsets.finish(&done.coordinates);
        self.release_ready();
        Ok(())
    }

    pub(super) fn release_ready(&mut self) {
        for partition in self.revocations.release_ready(&mut self.offsets) {
            self.forget(&partition, Why::Moved);
        }
    }

    /// Leaves records that are neither started nor in a lane to the partition's next owner. The whole group would wait
    /// for them.
    fn take_back(&mut self, partition: &TopicPartition) {
        let (dropped, mut records) = self.pools.leave(partition);
        self.in_flight_bytes -= dropped.bytes;
        if let Some(in_hand) = self.gate.leave(|at| at.topic_partition == *partition) {
            self.in_flight_bytes -= in_hand.place.size;
            records.push(in_hand.record.coordinates);
        }
        self.offsets.take_back(&records);
    }

    /// Drops the jobs of a partition that has gone if they have not started. Started jobs no longer call the
    /// application.
    fn forget(&mut self, partition: &TopicPartition, why: Why) {
        self.shared.depart(partition, why);
        let mut dropped = self.pools.forget(partition);
        if let Some(in_hand) = self.gate.leave(|at| at.topic_partition == *partition) {
            dropped.records += 1;
            dropped.bytes += in_hand.place.size;
        }
        if dropped.records > 0 {
            warn!(%partition, records = dropped.records, ?why, "records dropped before they started");
            self.in_flight_bytes -= dropped.bytes;
        }
    }

    /// Ends all pending revocations. A source reports rebalances one after the other, so it no longer waits for a
    /// revocation when the next rebalance starts. A pending revocation would also release the new assignment.
    fn end_revocations(&mut self) {
        for partition in self.revocations.release_all(&mut self.offsets) {
            self.forget(&partition, Why::Moved);
        }
    }

    fn on_assigned(&mut self, partitions: &[TopicPartition], generation: u64) {
        self.end_revocations();
        for partition in partitions {
            info!(%partition, generation, "partition assigned");
            self.offsets.assign(partition, generation);
        }
        self.progress.assigned();
    }

    fn on_finished_before(&mut self, committed: &Position) {
        info!(
            partition = %committed.topic_partition,
            next_offset = committed.next_offset,
            offsets = committed.finished.count(),
            "records above the committed offset are already finished, not handled again"
        );
        self.offsets.restore(committed);
    }

    fn on_lost(&mut self, partitions: &[TopicPartition]) {
        self.end_revocations();
        for partition in partitions {
            warn!(%partition, "partition lost");
            self.offsets.revoke(partition);
            self.forget(partition, Why::Moved);
        }
        self.progress.lost();
    }
}
