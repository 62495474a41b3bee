//! Tests the source against librdkafka's mock broker.

use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use tokio::time::timeout;

use super::*;
use crate::health::obstacles::Blocked;
use crate::kafka::Cluster;
use crate::kafka::consumer::assignment::Committed;
use crate::kafka::consumer::overheard;
use crate::kafka::consumer::pauses::Pause;
use crate::offsets::Finished;
use crate::{Record, TopicPartition};

/// Far above the time that the mock takes to form a group.
const LIMIT: Duration = Duration::from_secs(60);
const RECORDS: usize = 20;

type Mock = MockCluster<'static, DefaultProducerContext>;

fn start() -> (Mock, Cluster, KafkaSource) {
    let (mock, cluster) = cluster();
    let source = join(&cluster);
    (mock, cluster, source)
}

fn cluster() -> (Mock, Cluster) {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("orders", 1, 1).unwrap();
    let often = [
        ("statistics.interval.ms", "100"),
        // The mock holds a group until the session of a member that left has expired.
        ("session.timeout.ms", "6000"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let url = format!("kafka://{}", mock.bootstrap_servers());
    let cluster = Cluster::new(&url, &often).unwrap();
    (mock, cluster)
}

fn two_topics() -> (Mock, Cluster, KafkaSource) {
    let (mock, cluster) = cluster();
    mock.create_topic("others", 1, 1).unwrap();
    let source = cluster.source("group", &["orders", "others"], Duration::from_secs(1), 8);
    (mock, cluster, source.unwrap())
}

fn join(cluster: &Cluster) -> KafkaSource {
    let source = cluster.source("group", &["orders"], Duration::from_secs(1), 8);
    source.unwrap()
}

fn produce(mock: &Mock, codec: &str) {
    produce_to(mock, "orders", codec);
}

fn produce_to(mock: &Mock, topic: &str, codec: &str) {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", mock.bootstrap_servers())
        .set("compression.codec", codec);
    let producer: BaseProducer = config.create().unwrap();
    for _ in 0..RECORDS {
        let record = BaseRecord::<str, str>::to(topic).payload("the same again and again");
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
async fn a_long_wait_for_partitions_is_told_once_and_only_until_they_come() {
    let (mock, _cluster, mut source) = start();
    source.tell_wait();
    assert!(source.asked.is_some(), "not long yet");
    let long_ago = Instant::now().checked_sub(LONG_WAIT).unwrap();
    source.asked = Some(long_ago);
    source.tell_wait();
    assert!(source.asked.is_none(), "told");
    produce(&mock, "none");
    next_record(&mut source).await;
    source.asked = Some(long_ago);
    source.tell_wait();
    assert!(source.asked.is_some(), "nothing to tell");
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
async fn h8_a_topic_that_is_held_back_stops_no_other_and_goes_on_where_it_was() {
    let (mock, _cluster, mut source) = two_topics();
    produce(&mock, "none");
    let first = next_record(&mut source).await;
    let mut orders = vec![first.coordinates.offset];
    source.hold_back(&["orders".into()]);
    // One record may be on its way, because a pause needs a look first.
    let on_its_way = timeout(Duration::from_millis(50), next_record(&mut source)).await;
    orders.extend(
        on_its_way
            .into_iter()
            .map(|record| record.coordinates.offset),
    );
    assert!(orders.len() <= 2, "{orders:?}");
    for _ in 0..3 {
        produce(&mock, "none");
        produce_to(&mock, "others", "none");
        for _ in 0..RECORDS {
            assert_eq!(next_record(&mut source).await.topic(), "others");
        }
    }
    source.hold_back(&["others".into()]);
    produce_to(&mock, "others", "none");
    while orders.len() < 4 * RECORDS {
        let record = next_record(&mut source).await;
        assert_eq!(record.topic(), "orders");
        orders.push(record.coordinates.offset);
    }
    assert_eq!(orders, (0..4 * RECORDS as i64).collect::<Vec<_>>());
    source.hold_back(&[]);
    for _ in 0..RECORDS {
        assert_eq!(next_record(&mut source).await.topic(), "others");
    }
}

/// Takes records until `holds` is true, and returns how many there were.
async fn take_until(source: &mut KafkaSource, holds: impl Fn() -> bool) -> usize {
    let mut records = 0;
    let taken = timeout(LIMIT, async {
        while !holds() {
            let next = timeout(Duration::from_millis(10), source.next(Intake::Open));
            if let Ok(Ok(SourceEvent::Record(_))) = next.await {
                records += 1;
            }
        }
    });
    taken.await.expect("within the limit");
    records
}

#[tokio::test]
async fn h24_a_fetch_that_is_refused_again_and_again_is_an_obstacle_until_records_flow() {
    let (mock, cluster, mut source) = start();
    produce(&mock, "none");
    next_record(&mut source).await;
    let mut taken = 1;
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
        let list = || cluster.obstacles().list();
        taken += take_until(&mut source, || !list().is_empty()).await;
        let obstacle = list().pop().unwrap();
        let partition = TopicPartition::new("orders", 0);
        assert_eq!(obstacle.blocked, Blocked::Fetch(partition));
        assert!(obstacle.cause.contains(words), "{}", obstacle.cause);

        mock.clear_request_errors(RDKafkaApiKey::Fetch);
        taken += take_until(&mut source, || list().is_empty()).await;
    }
    while taken < 3 * RECORDS {
        next_record(&mut source).await;
        taken += 1;
    }
}

/// Takes events up to the first record. Returns it, and the finished offsets that were reported before it.
async fn first_record(source: &mut KafkaSource) -> (Record, Option<Position>) {
    let mut finished = None;
    loop {
        let event = timeout(LIMIT, source.next(Intake::Open)).await;
        match event.expect("within the limit").unwrap() {
            SourceEvent::Record(record) => return (record, finished),
            SourceEvent::Finished(position) => finished = Some(position),
            _ => {}
        }
    }
}

/// A position at the unfinished offset 5, with these finished offsets above it.
fn position(generation: u64, finished: &str) -> Position {
    Position {
        topic_partition: TopicPartition::new("orders", 0),
        next_offset: 5,
        generation,
        finished: Finished::decode(finished, 5).unwrap(),
    }
}

/// Commits as the member of the first generation, and waits for the broker's answer.
async fn commit(source: KafkaSource, finished: &str) {
    let committed = source.close(vec![position(1, finished)]).await;
    committed.unwrap();
}

#[tokio::test]
async fn h33_the_next_member_is_told_what_is_finished_before_its_first_record() {
    let (mock, cluster, mut first) = start();
    produce(&mock, "none");
    assert_eq!(first_record(&mut first).await.1, None);
    commit(first, "1:5:1+9").await;
    let mut second = join(&cluster);
    let (record, finished) = first_record(&mut second).await;
    let told = position(record.coordinates.generation, "1:5:1+9");
    assert_eq!((record.coordinates.offset, finished), (5, Some(told)));
}

/// The log was cut, so other records have or will have these offsets.
#[tokio::test]
async fn h33_what_is_finished_above_the_end_of_the_log_counts_for_nothing() {
    let (mock, cluster, mut first) = start();
    produce(&mock, "none");
    first_record(&mut first).await;
    commit(first, &format!("1:5:1+{RECORDS}")).await;
    let mut second = join(&cluster);
    let (record, finished) = first_record(&mut second).await;
    assert_eq!((record.coordinates.offset, finished), (5, None));
}

/// A consumer without a guard, so nobody reads the committed metadata.
struct Unguarded {
    polling: Polling,
    events: Events,
}

impl Unguarded {
    fn join(cluster: &Cluster) -> Self {
        let mut config = ClientConfig::new();
        config.extend(cluster.consumer_properties("group"));
        overheard::listen(&mut config);
        let (tell, events) = mpsc::unbounded_channel();
        let watch = FetchWatch::new(Obstacles::default(), "group");
        let context = ConsumerEvents::new(tell, Duration::from_secs(1), watch, None);
        let consumer: BaseConsumer<_> = config.create_with_context(context).unwrap();
        consumer.subscribe(&["orders"]).unwrap();
        Self {
            polling: Polling::new(consumer, 8),
            events,
        }
    }

    /// Looks until there is a record, or until one has to wait. Returns whether a record was given.
    fn gives_a_record(&mut self, or_waits: bool) -> bool {
        let deadline = Instant::now() + LIMIT;
        while Instant::now() < deadline {
            match self
                .polling
                .look(&mut self.events, Intake::Open, &Pause::NOTHING)
            {
                Look::Event(Ok(SourceEvent::Record(_))) => return true,
                Look::Event(_) | Look::Again => {}
                Look::Nothing if or_waits && self.polling.has_backlog() => return false,
                Look::Nothing => thread::sleep(Duration::from_millis(1)),
            }
        }
        panic!("nothing within the limit");
    }
}

impl Drop for Unguarded {
    fn drop(&mut self) {
        // Otherwise it would wait for the guard to give its partitions back.
        self.polling.consumer.context().close(Vec::new());
    }
}

#[test]
fn h33_records_wait_for_the_committed_metadata() {
    let (mock, cluster) = cluster();
    produce(&mock, "none");
    let mut member = Unguarded::join(&cluster);
    assert!(!member.gives_a_record(true));
    let context = member.polling.consumer.context();
    context.note_committed([Committed {
        partition: TopicPartition::new("orders", 0),
        topic_id: None,
        finished: None,
    }]);
    assert!(member.gives_a_record(true));
}

#[test]
fn h33_records_stop_waiting_for_the_committed_metadata_after_a_while() {
    let (mock, cluster) = cluster();
    produce(&mock, "none");
    assert!(Unguarded::join(&cluster).gives_a_record(false));
}
