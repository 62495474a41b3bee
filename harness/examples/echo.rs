//! A bare echo loop over rdkafka, without HTTP and without a store: the floor of `harness limits`.
//!
//! One thread consumes, produces and commits, with the properties of the bridge's own clients. It delivers at least
//! once like the bridge: it commits an offset after the delivery report of its reply. `serial` waits for each report
//! before the next record, `pipelined` does not wait. It trusts its requesters, limits nothing and survives no failure,
//! so that only the cost of broker and client library is left.
//!
//! `pipelined` serves the reports on the loop's own thread, which is the cheapest way. `serial` cannot: rdkafka's
//! `BaseProducer::poll` returns at its timeout, not at the first report, so another thread of the client serves them.
//!
//! It writes `ready` to standard error when it has its partitions.

mod common;

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::{Parser, ValueEnum};
use kafka_bridge::kafka::Cluster;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Header, Headers, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext, Message, Offset, TopicPartitionList};
use tokio::signal::unix::{SignalKind, signal};

const POLL: Duration = Duration::from_millis(100);
/// Longer than the producer's timeout.
const REPORT: Duration = Duration::from_secs(30);
const SERVE: Duration = Duration::from_millis(1);
/// The same as the bridge's.
const COMMIT_INTERVAL: Duration = Duration::from_millis(200);

/// Answers each record of a topic with status 200 and no value.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    member: common::Member,
    /// Whether a record waits for the delivery report of the one before
    #[arg(long)]
    mode: Mode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    Serial,
    Pipelined,
}

/// Partition and offset of the record to which a reply belongs.
type Place = (i32, i64);

/// Passes delivery reports on.
struct Reports(mpsc::Sender<Report>);

type Report = Result<Place, KafkaError>;

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Place>;

    fn delivery(&self, result: &DeliveryResult<'_>, place: Box<Place>) {
        let report = match result {
            Ok(_) => Ok(*place),
            Err((error, _)) => Err(error.clone()),
        };
        // It fails if the loop has failed and dropped the receiver.
        let _ = self.0.send(report);
    }
}

/// A reply, with the place of its request, which comes back with the report.
type Reply<'a> = BaseRecord<'a, [u8], [u8], Box<Place>>;

/// The producer: polled by the loop, or with its own thread.
enum Replies {
    Polled(BaseProducer<Reports>),
    Threaded(ThreadedProducer<Reports>),
}

impl Replies {
    fn new(mode: Mode, config: &ClientConfig, reports: Reports) -> KafkaResult<Self> {
        Ok(match mode {
            Mode::Pipelined => Self::Polled(config.create_with_context(reports)?),
            Mode::Serial => Self::Threaded(config.create_with_context(reports)?),
        })
    }

    #[expect(
        clippy::result_large_err,
        reason = "rdkafka's own error, which has the record to send again"
    )]
    fn send<'a>(&self, reply: Reply<'a>) -> Result<(), (KafkaError, Reply<'a>)> {
        match self {
            Self::Polled(producer) => producer.send(reply),
            Self::Threaded(producer) => producer.send(reply),
        }
    }

    fn serve(&self, wait: Duration) {
        match self {
            Self::Polled(producer) => producer.poll(wait),
            Self::Threaded(_) => std::thread::sleep(wait),
        }
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
    replies: Replies,
    reports: mpsc::Receiver<Report>,
    topic: String,
    mode: Mode,
    /// For each partition, the next offset after the last report, if it is not committed yet.
    done: HashMap<i32, i64>,
    in_flight: usize,
}

impl Echo {
    fn start(arguments: &Arguments) -> anyhow::Result<Self> {
        let Arguments { member, mode } = arguments;
        let cluster = Cluster::new(&member.kafka, &member.properties()?)?;
        let config = |properties: BTreeMap<String, String>| ClientConfig::from_iter(properties);
        let consumer: BaseConsumer =
            config(cluster.consumer_properties(&member.group_id)).create()?;
        consumer.subscribe(&[&member.topic])?;
        let (sender, reports) = mpsc::channel();
        let producer = config(cluster.producer_properties());
        let replies = Replies::new(*mode, &producer, Reports(sender))?;
        Ok(Self {
            consumer,
            replies,
            reports,
            topic: member.topic.clone(),
            mode: *mode,
            done: HashMap::new(),
            in_flight: 0,
        })
    }

    fn run(mut self, stop: &AtomicBool) -> anyhow::Result<()> {
        let mut ready = false;
        let mut committed = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            let polled = self.consumer.poll(POLL);
            if let Some(message) = polled {
                let message = message.context("consuming")?;
                self.in_flight += 1;
                answer(&self.replies, &message)?;
            }
            if !ready && self.consumer.assignment()?.count() > 0 {
                ready = true;
                writeln!(std::io::stderr(), "ready")?;
            }
            match self.mode {
                Mode::Pipelined => self.take_reports()?,
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
            if let Replies::Polled(producer) = &self.replies {
                producer.poll(SERVE);
            }
            // The channel lives as long as the producer.
            let report = self.reports.recv_timeout(REPORT);
            self.note(report.context("no delivery report")?)?;
        }
        Ok(())
    }

    fn take_reports(&mut self) -> anyhow::Result<()> {
        self.replies.serve(Duration::ZERO);
        while let Ok(report) = self.reports.try_recv() {
            self.note(report)?;
        }
        Ok(())
    }

    /// Reports come in the order of the replies, because there is one reply partition.
    fn note(&mut self, report: Report) -> anyhow::Result<()> {
        let (partition, offset) = report.context("producing")?;
        self.in_flight -= 1;
        self.done.insert(partition, offset + 1);
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

/// Produces the reply, with the status and the requested header, to the requested topic.
fn answer(replies: &Replies, request: &BorrowedMessage<'_>) -> anyhow::Result<()> {
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
        match replies.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                replies.serve(SERVE);
                record = back;
            }
            Err((error, _)) => bail!("producing: {error}"),
        }
    }
}
