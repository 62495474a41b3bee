//! The load client on Apache Kafka, with features that librdkafka's mock cluster does not have: partitions that are
//! added during a run, and topics that the client creates.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use harness::service::{Service, ServiceOptions};
use harness::stack::{Stack, StackKind, StackOptions};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;
use support::{json, stack_kind};
use tokio::task::spawn_blocking;

const REQUESTS: &str = "createOrder";
const REPLIES: &str = "createOrder.reply";
const LOOK: Duration = Duration::from_secs(10);

/// `None` on the mock cluster, which lacks these features.
async fn stack() -> Option<Stack> {
    if stack_kind() != StackKind::Native {
        return None;
    }
    let stack = Stack::start(StackKind::Native, StackOptions::default()).await;
    Some(stack.unwrap())
}

/// Runs the load client to its end. Returns its output and its summary.
async fn load(stack: &Stack, folder: &Path, arguments: &[&str]) -> (Output, Value) {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_harness")).with_file_name("load-client");
    let file = folder.join("run.json");
    let mut command = Command::new(program);
    command.args(["--host", stack.kafka_url(), "--only-summary"]);
    command.args(arguments).arg("--json").arg(&file);
    command.env("LOAD_CLIENT_EXIT_CODE_ON_INVALID", "0");
    let output = spawn_blocking(move || command.output().unwrap()).await;
    let output = output.unwrap();
    assert!(file.is_file(), "{}", support::complaint(&output));
    (output, json(&file))
}

fn config(stack: &Stack) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", stack.bootstrap_servers())
        .set("linger.ms", "0");
    config
}

/// Answers requests on partition 0 until this number has come, and then on a new partition.
fn serve(config: &ClientConfig, before: usize, stop: &AtomicBool, grow: impl FnOnce()) {
    let mut producer: BaseProducer = config.create().unwrap();
    let consumer: BaseConsumer = config.clone().set("group.id", "unused").create().unwrap();
    let mut assignment = TopicPartitionList::new();
    assignment
        .add_partition_offset(REQUESTS, 0, Offset::Beginning)
        .unwrap();
    consumer.assign(&assignment).unwrap();
    let (mut asked, mut partition, mut grow) = (0, 0, Some(grow));
    while !stop.load(Ordering::Relaxed) {
        let Some(Ok(request)) = consumer.poll(Duration::from_millis(100)) else {
            continue;
        };
        asked += 1;
        if asked == before
            && let Some(grow) = grow.take()
        {
            grow();
            partition = 1;
            // A new producer, which has not seen the topic before.
            producer = config.create().unwrap();
            support::wait_for("the new partition", || {
                let told = producer.client().fetch_metadata(Some(REPLIES), LOOK);
                told.is_ok_and(|told| told.topics()[0].partitions().len() == 2)
            });
        }
        let headers = request.headers().unwrap();
        let echo = headers.iter().find(|own| own.key == "x-reply-set-header");
        let echo = std::str::from_utf8(echo.unwrap().value.unwrap()).unwrap();
        let (key, value) = echo.split_once(':').unwrap();
        let headers = [("status-code", "201"), (key, value)];
        let headers = headers.into_iter().fold(OwnedHeaders::new(), |all, own| {
            all.insert(Header {
                key: own.0,
                value: Some(own.1),
            })
        });
        let record = BaseRecord::<(), str>::to(REPLIES)
            .partition(partition)
            .payload("{}")
            .headers(headers);
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.flush(support::LIMIT).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_on_partitions_that_are_added_while_it_runs_are_read() {
    let Some(stack) = stack().await else { return };
    for topic in [REQUESTS, REPLIES] {
        stack.create_topic(topic, 1).await.unwrap();
    }
    let (own, runtime) = (config(&stack), tokio::runtime::Handle::current());
    let stop = Arc::<AtomicBool>::default();
    let stopped = Arc::clone(&stop);
    let service = spawn_blocking(move || {
        let admin: AdminClient<DefaultClientContext> = own.create().unwrap();
        serve(&own, 20, &stopped, || {
            let two = NewPartitions::new(REPLIES, 2);
            let grown = admin.create_partitions([&two], &AdminOptions::new());
            runtime.block_on(grown).unwrap()[0].as_ref().unwrap();
        });
    });
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["-t", "8s", "--timeout", "30s", "--pace", "50ms"];
    let (output, json) = load(&stack, folder.path(), &arguments).await;
    stop.store(true, Ordering::Relaxed);
    let (told, errors) = (support::complaint(&output), &json["summary"]["errors"]);
    assert!(output.status.success(), "{told}\n{errors}");
    assert!(
        json["summary"]["outcomes"]["ok"].as_u64() > Some(25),
        "{json}"
    );
    service.await.unwrap();
    stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_topic_of_its_own_is_one_that_the_service_takes_by_default() {
    let Some(stack) = stack().await else { return };
    stack.create_topic(REQUESTS, 1).await.unwrap();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_harness")).with_file_name("order-service");
    let options = ServiceOptions {
        program: Some(program),
        ..ServiceOptions::default()
    };
    let service = Service::start(&stack, options).await;
    let service = service.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["-t", "3s", "--timeout", "10s", "--own-reply-topic"];
    let (output, json) = load(&stack, folder.path(), &arguments).await;
    assert!(output.status.success(), "{}", support::complaint(&output));
    let topic = json["target"]["reply_topic"].as_str().unwrap();
    assert!(topic.starts_with("createOrder.reply."), "{topic}");
    service.stop().await.unwrap();
    stack.stop().await.unwrap();
}
