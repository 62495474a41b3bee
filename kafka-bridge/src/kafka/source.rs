//! Consumes requests with librdkafka: the dispatch's side of the thread that polls.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use super::inbox::Inbox;
use super::poller::{Poller, Signals};
use super::properties::masked;
use super::rebalance::{Rebalancing, to_list};
use crate::Error;
use crate::offsets::Position;
use crate::ports::{Intake, RecordSource, SourceEvent};

/// How long the last commit may wait for a rebalance to end. A member learns of one by its next
/// heartbeat, 3 s at the most by default, and the others may take as long to join.
const LAST_COMMIT_PATIENCE: Duration = Duration::from_secs(6);
const LAST_COMMIT_RETRY_WAIT: Duration = Duration::from_millis(50);

/// A consumer in a group. Dropping it ends the thread and leaves the group without a last commit.
pub struct KafkaSource {
    consumer: Arc<BaseConsumer<Rebalancing>>,
    inbox: Inbox,
    signals: Arc<Signals>,
    /// The polling thread; taken when the source is closed.
    thread: Option<JoinHandle<()>>,
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
fn wake_if_waiting(signals: &Signals, thread: Option<&JoinHandle<()>>) {
    if signals.is_waiting()
        && let Some(thread) = thread
    {
        thread.thread().unpark();
    }
}

impl RecordSource for KafkaSource {
    async fn next(&mut self, intake: Intake) -> Result<SourceEvent, Error> {
        let (signals, thread) = (&*self.signals, self.thread.as_ref());
        let on_received = || wake_if_waiting(signals, thread);
        self.inbox.next(intake, on_received).await
    }

    fn commit(&mut self, positions: &[Position]) {
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
        let (consumer, signals) = (Arc::clone(&self.consumer), Arc::clone(&self.signals));
        let thread = self.thread.take();
        consumer.context().close(positions);
        drop(self);
        // A thread of its own: all of this blocks, for long if the broker is gone, and a stop
        // must be able to leave it behind.
        let closer = move || {
            let committed = commit_last(&consumer);
            signals.stop.store(true, Ordering::Release);
            thread.map(JoinHandle::join);
            // The last reference: dropping it leaves the group.
            drop(consumer);
            let _ = done.send(committed);
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
        // With the thread taken this is the end of `close`, which stops it after the last commit.
        if self.thread.is_some() {
            // Nobody is left to release partitions, so no callback may wait for it.
            self.consumer.context().close(Vec::new());
            self.signals.stop.store(true, Ordering::Release);
        }
    }
}

/// Commits where the partitions stand, while the polling thread keeps the member in its group.
///
/// In the middle of a rebalance the broker refuses commits of the old generation, or epoch; a moment later
/// it takes them, unless the partition was revoked meanwhile: then the callback has committed it.
fn commit_last(consumer: &BaseConsumer<Rebalancing>) -> Result<(), Error> {
    let deadline = Instant::now() + LAST_COMMIT_PATIENCE;
    loop {
        let positions = consumer.context().uncommitted();
        if positions.is_empty() {
            return Ok(());
        }
        match consumer.commit(&to_list(&positions), CommitMode::Sync) {
            Ok(()) => {
                // Or leaving the group would commit the same once more.
                consumer.context().close(Vec::new());
                return Ok(());
            }
            Err(error) if is_rebalancing(&error) && Instant::now() < deadline => {
                thread::sleep(LAST_COMMIT_RETRY_WAIT);
            }
            Err(source) => {
                let context = "committing the last offsets".to_owned();
                return Err(Error::Kafka { context, source });
            }
        }
    }
}

fn is_rebalancing(error: &KafkaError) -> bool {
    let code = error.rdkafka_error_code();
    matches!(
        code,
        Some(Code::IllegalGeneration | Code::RebalanceInProgress | Code::StaleMemberEpoch)
    )
}
