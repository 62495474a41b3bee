//! Consumes requests with librdkafka: the dispatch's side of the thread that polls.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use tokio::sync::{mpsc, oneshot};
use tracing::{trace, warn};

use super::fetch_watch::FetchWatch;
use super::inbox::Inbox;
use super::poller::{Poller, Signals};
use super::rebalance::Rebalancing;
use super::refusal::masked;
use crate::Error;
use crate::obstacles::Obstacles;
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
        revocation_timeout: Duration,
        max_headers: usize,
        obstacles: Obstacles,
    ) -> Result<Self, Error> {
        let failed = |context: &str| {
            let context = context.to_owned();
            move |source| {
                let source = masked(source);
                Error::Kafka { context, source }
            }
        };
        let (tell, events) = mpsc::unbounded_channel();
        let watch = FetchWatch::new(obstacles, config.get("group.id").unwrap_or_default());
        let context = Rebalancing::new(tell, revocation_timeout, watch);
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
        let list = self.consumer.context().to_list(positions);
        if let Err(error) = self.consumer.commit(&list, CommitMode::Async) {
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

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::kafka::Cluster;
    use crate::obstacles::Blocked;
    use crate::{Record, TopicPartition};

    /// Far above what the mock takes to form a group.
    const LIMIT: Duration = Duration::from_secs(60);
    const RECORDS: usize = 20;

    type Mock = MockCluster<'static, DefaultProducerContext>;

    fn start() -> (Mock, Cluster, KafkaSource) {
        let mock = MockCluster::new(1).unwrap();
        mock.create_topic("orders", 1, 1).unwrap();
        let often = [("statistics.interval.ms".to_owned(), "100".to_owned())];
        let url = format!("kafka://{}", mock.bootstrap_servers());
        let cluster = Cluster::new(&url, &often).unwrap();
        let source = cluster.source("group", &["orders"], Duration::from_secs(1), 8);
        (mock, cluster, source.unwrap())
    }

    fn produce(mock: &Mock, codec: &str) {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", mock.bootstrap_servers())
            .set("compression.codec", codec);
        let producer: BaseProducer = config.create().unwrap();
        for _ in 0..RECORDS {
            let record = BaseRecord::<str, str>::to("orders").payload("the same again and again");
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(LIMIT).unwrap();
    }

    async fn next_record(source: &mut KafkaSource) -> Record {
        loop {
            let event = timeout(LIMIT, source.next(Intake::Open)).await;
            if let SourceEvent::Record(record) = event.expect("within the limit").unwrap() {
                return record;
            }
        }
    }

    #[tokio::test]
    async fn h24_records_are_read_whatever_they_are_compressed_with() {
        let (mock, _cluster, mut source) = start();
        for codec in ["zstd", "gzip", "lz4", "snappy", "none"] {
            produce(&mock, codec);
            for _ in 0..RECORDS {
                let record = next_record(&mut source).await;
                assert_eq!(record.value.unwrap(), "the same again and again", "{codec}");
            }
        }
    }

    #[tokio::test]
    async fn h24_a_fetch_that_is_refused_again_and_again_is_an_obstacle_until_records_flow() {
        let (mock, cluster, mut source) = start();
        produce(&mock, "none");
        next_record(&mut source).await;
        for (refusal, words) in [
            (
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_MSG,
                "Invalid message",
            ),
            (
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
                "Topic authorization failed",
            ),
        ] {
            mock.request_errors(RDKafkaApiKey::Fetch, &[refusal; 1000]);
            produce(&mock, "none");
            let obstacle = timeout(LIMIT, async {
                loop {
                    if let Some(first) = cluster.obstacles().list().pop() {
                        return first;
                    }
                    sleep(Duration::from_millis(10)).await;
                }
            });
            let obstacle = obstacle.await.expect("an obstacle within the limit");
            let partition = TopicPartition::new("orders", 0);
            assert_eq!(obstacle.blocked, Blocked::Fetch(partition));
            assert!(obstacle.cause.contains(words), "{}", obstacle.cause);

            mock.clear_request_errors(RDKafkaApiKey::Fetch);
            for _ in 0..RECORDS {
                next_record(&mut source).await;
            }
            let over = timeout(LIMIT, async {
                while !cluster.obstacles().list().is_empty() {
                    sleep(Duration::from_millis(10)).await;
                }
            });
            over.await.expect("no obstacle within the limit");
        }
    }
}
