//! A bare echo loop over rdkafka, without HTTP and without a store: the floor of `harness limits`.
//!
//! One thread polls, produces and commits, with the properties of the bridge's own clients and at least once,
//! as the bridge does: an offset is committed after its reply's delivery report. `serial` waits for each report
//! before the next record, `pipelined` does not wait. It trusts its requesters, limits nothing and survives no
//! failure: what is left is what broker and client library take.
//!
//! It writes `ready` to standard error when it has its partitions.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::{Parser, ValueEnum};
use kafka_bridge::kafka::Cluster;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Header, Headers, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Message, Offset, TopicPartitionList};
use tokio::signal::unix::{SignalKind, signal};

const POLL: Duration = Duration::from_millis(100);
const REPORT: Duration = Duration::from_millis(100);
/// As the bridge's.
const COMMIT_INTERVAL: Duration = Duration::from_millis(200);

/// Answers each record of a topic with status 200 and no value.
#[derive(Debug, Parser)]
struct Arguments {
    /// The brokers, `kafka://host:port`
    #[arg(long)]
    kafka: String,
    /// The consumer group
    #[arg(long)]
    group_id: String,
    /// The topic to serve
    #[arg(long)]
    topic: String,
    /// Whether the next record waits for the report of the one before
    #[arg(long)]
    mode: Mode,
    /// A librdkafka property, `key=value`
    #[arg(short = 'X', env = "LIMITS_PROPERTIES", value_delimiter = '\n')]
    property: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    Serial,
    Pipelined,
}

/// Which record a reply belongs to.
type Place = (i32, i64);

/// Collects delivery reports. Only the loop's own thread polls, so it never waits for the lock.
#[derive(Default)]
struct Reports(std::sync::Mutex<Vec<Result<Place, KafkaError>>>);

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Place>;

    fn delivery(&self, result: &DeliveryResult<'_>, place: Box<Place>) {
        let report = match result {
            Ok(_) => Ok(*place),
            Err((error, _)) => Err(error.clone()),
        };
        self.0.lock().expect("no holder panics").push(report);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let stop = Arc::new(AtomicBool::new(false));
    let mut terminate = signal(SignalKind::terminate())?;
    let told = Arc::clone(&stop);
    tokio::spawn(async move {
        terminate.recv().await;
        told.store(true, Ordering::Relaxed);
    });
    tokio::task::spawn_blocking(move || Echo::start(&arguments)?.run(&stop)).await?
}

struct Echo {
    consumer: BaseConsumer,
    producer: BaseProducer<Reports>,
    topic: String,
    mode: Mode,
    /// Of each partition: what was reported and not yet committed, as the next offset.
    done: HashMap<i32, i64>,
    in_flight: usize,
}

impl Echo {
    fn start(arguments: &Arguments) -> anyhow::Result<Self> {
        let properties = arguments.property.iter();
        let properties = properties.map(|property| {
            let (name, value) = property.split_once('=').context("-X takes key=value")?;
            Ok((name.to_owned(), value.to_owned()))
        });
        let properties: Vec<_> = properties.collect::<anyhow::Result<_>>()?;
        let cluster = Cluster::new(&arguments.kafka, &properties)?;
        let config = |properties: BTreeMap<String, String>| ClientConfig::from_iter(properties);
        let consumer: BaseConsumer =
            config(cluster.consumer_properties(&arguments.group_id)).create()?;
        consumer.subscribe(&[&arguments.topic])?;
        let producer =
            config(cluster.producer_properties()).create_with_context(Reports::default())?;
        Ok(Self {
            consumer,
            producer,
            topic: arguments.topic.clone(),
            mode: arguments.mode,
            done: HashMap::new(),
            in_flight: 0,
        })
    }

    fn run(mut self, stop: &AtomicBool) -> anyhow::Result<()> {
        let mut ready = false;
        let mut committed = Instant::now();
        // The consumer is borrowed by its messages, and the rest of `self` is changed while one is there.
        while !stop.load(Ordering::Relaxed) {
            let polled = self.consumer.poll(POLL);
            if let Some(message) = polled {
                let message = message.context("consuming")?;
                self.in_flight += 1;
                answer(&self.producer, &message)?;
            }
            if !ready && self.consumer.assignment()?.count() > 0 {
                ready = true;
                writeln!(std::io::stderr(), "ready")?;
            }
            match self.mode {
                Mode::Pipelined => self.take_reports(Duration::ZERO)?,
                Mode::Serial => self.until_reported()?,
            }
            if committed.elapsed() >= COMMIT_INTERVAL {
                committed = Instant::now();
                self.commit(CommitMode::Async)?;
            }
        }
        self.until_reported()?;
        self.commit(CommitMode::Sync)
    }

    fn until_reported(&mut self) -> anyhow::Result<()> {
        while self.in_flight > 0 {
            self.take_reports(REPORT)?;
        }
        Ok(())
    }

    /// Reports come in the order of the replies, as there is one reply partition.
    fn take_reports(&mut self, wait: Duration) -> anyhow::Result<()> {
        self.producer.poll(wait);
        let reports = &self.producer.context().0;
        for report in reports.lock().expect("no holder panics").drain(..) {
            let (partition, offset) = report.context("producing")?;
            self.in_flight -= 1;
            self.done.insert(partition, offset + 1);
        }
        Ok(())
    }

    fn commit(&mut self, mode: CommitMode) -> anyhow::Result<()> {
        if self.done.is_empty() {
            return Ok(());
        }
        let mut positions = TopicPartitionList::new();
        for (partition, next) in self.done.drain() {
            positions.add_partition_offset(&self.topic, partition, Offset::Offset(next))?;
        }
        match self.consumer.commit(&positions, mode) {
            Ok(()) => Ok(()),
            Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => Ok(()),
            Err(error) => Err(error).context("committing"),
        }
    }
}

/// Produces the reply: status and the header that was asked for, to the topic that was named.
fn answer(producer: &BaseProducer<Reports>, request: &BorrowedMessage<'_>) -> anyhow::Result<()> {
    let headers = request.headers().context("a request without headers")?;
    let value = |name: &str| {
        let header = headers.iter().find(|header| header.key == name)?;
        std::str::from_utf8(header.value?).ok()
    };
    let topic = value("reply-to").context("a request without `reply-to`")?;
    let mut reply = OwnedHeaders::new_with_capacity(2).insert(Header {
        key: "status-code",
        value: Some("200"),
    });
    if let Some((key, value)) = value("x-reply-set-header").and_then(|text| text.split_once(':')) {
        let value = Some(value.trim_start());
        reply = reply.insert(Header { key, value });
    }
    let place = Box::new((request.partition(), request.offset()));
    let mut record = BaseRecord::<[u8], [u8], _>::with_opaque_to(topic, place)
        .headers(reply)
        .payload(&[]);
    record.key = request.key();
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                producer.poll(REPORT);
                record = back;
            }
            Err((error, _)) => bail!("producing: {error}"),
        }
    }
}
