//! Consumes requests with librdkafka: the dispatch's side of the thread that polls.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use tokio::sync::{mpsc, oneshot};
use tracing::{trace, warn};

use super::inbox::Inbox;
use super::poller::{Poller, Signals};
use super::rebalance::{Rebalancing, to_list};
use super::refusal::masked;
use crate::Error;
use crate::offsets::Position;
use crate::ports::{Intake, RecordSource, SourceEvent};

/// A consumer in a group. Dropping it ends the thread and leaves the group without a last commit.
pub struct KafkaSource {
    consumer: Arc<BaseConsumer<Rebalancing>>,
    inbox: Inbox,
    signals: Arc<Signals>,
    /// The polling thread, which ends with the last commit; taken when the source is closed.
    thread: Option<JoinHandle<Result<(), Error>>>,
}

impl std::fmt::Debug for KafkaSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaSource").finish_non_exhaustive()
    }
}

impl KafkaSource {
    pub(super) fn start(
        config: &ClientConfig,
        topics: &[&str],
        drain_timeout: Duration,
        max_headers: usize,
    ) -> Result<Self, Error> {
        let failed = |context: &str| {
            let context = context.to_owned();
            move |source| {
                let source = masked(source);
                Error::Kafka { context, source }
            }
        };
        let (tell, events) = mpsc::unbounded_channel();
        let context = Rebalancing::new(tell, drain_timeout);
        let consumer: BaseConsumer<Rebalancing> = config
            .create_with_context(context)
            .map_err(failed("creating the consumer"))?;
        consumer.subscribe(topics).map_err(failed("subscribing"))?;

        let consumer = Arc::new(consumer);
        let signals = Arc::new(Signals::default());
        let (poller, records) =
            Poller::new(Arc::clone(&consumer), Arc::clone(&signals), max_headers);
        let thread = thread::Builder::new()
            .name("kafka-poll".to_owned())
            .spawn(|| poller.run());
        let thread = Some(thread.map_err(|_| Error::SourceGone)?);
        Ok(Self {
            consumer,
            inbox: Inbox::new(records, events),
            signals,
            thread,
        })
    }
}

/// Wakes the thread if it waits for the room that taking a record has made.
fn wake_if_waiting<T>(signals: &Signals, thread: Option<&JoinHandle<T>>, room: usize) {
    if signals.is_to_be_woken(room)
        && let Some(thread) = thread
    {
        thread.thread().unpark();
    }
}

impl RecordSource for KafkaSource {
    async fn next(&mut self, intake: Intake) -> Result<SourceEvent, Error> {
        let (signals, thread) = (&*self.signals, self.thread.as_ref());
        let on_received = |room| wake_if_waiting(signals, thread, room);
        self.inbox.next(intake, on_received).await
    }

    fn commit(&mut self, positions: &[Position]) {
        trace!(?positions, "commit");
        if let Err(error) = self.consumer.commit(&to_list(positions), CommitMode::Async) {
            warn!(%error, "commit not begun");
            let partitions = positions
                .iter()
                .map(|position| position.topic_partition.clone());
            let failed = SourceEvent::CommitFailed(partitions.collect());
            self.consumer.context().tell(Ok(failed));
        }
    }

    async fn close(mut self, positions: Vec<Position>) -> Result<(), Error> {
        let (done, closed) = oneshot::channel();
        let consumer = Arc::clone(&self.consumer);
        let thread = self.thread.take();
        consumer.context().close(positions);
        self.signals.stop.store(true, Ordering::Release);
        drop(self);
        // A thread of its own: all of this blocks, for long if the broker is gone, and a stop
        // must be able to leave it behind.
        let closer = move || {
            let committed = thread.and_then(|thread| thread.join().ok());
            // The last reference: dropping it leaves the group.
            drop(consumer);
            let _ = done.send(committed.unwrap_or(Err(Error::SourceGone)));
        };
        let spawned = thread::Builder::new()
            .name("kafka-close".to_owned())
            .spawn(closer);
        spawned.map_err(|_| Error::SourceGone)?;
        closed.await.unwrap_or(Err(Error::SourceGone))
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        // With the thread taken this is the end of `close`, which has stopped it.
        if self.thread.is_some() {
            // Nobody is left to release partitions, so no callback may wait for it.
            self.consumer.context().close(Vec::new());
            self.signals.stop.store(true, Ordering::Release);
        }
    }
}
