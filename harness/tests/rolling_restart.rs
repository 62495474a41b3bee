//! Three instances, eight partitions, a hundred keys, ten thousand records. Half way, each instance is stopped and
//! replaced, one after the other, under load. Nothing may be lost, and `keyed` keeps its promises (hazards H5 and H13).
//!
//! `ROUNDS=20` repeats it. `WORK_MS=256` is the longest time of a request (default 64). `REVOKE_MS=500` is how long a
//! revoked partition waits for its records (default 3000). Each round prints the effect of these values: the share of
//! records that were handled twice, and the longest time without progress of a key.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/oracles.rs"]
mod oracles;
#[path = "support/sender.rs"]
mod sender;
mod support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::process::Child;
use harness::stack::{Stack, StackOptions};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use sender::Sender;
use tokio::time::{Instant, sleep};

const INSTANCES: usize = 3;
const PARTITIONS: i32 = 8;
const RECORDS: usize = 10_000;
/// Most repeats after a graceful restart, as a share of all records.
const MAX_DUPLICATES: f64 = 0.001;
const STOP_GRACE: Duration = Duration::from_secs(25);

/// One round: its topic, its group, and its folder.
struct Round<'a> {
    stack: &'a Stack,
    name: String,
    dispatch: &'a str,
    folder: &'a Path,
    started: usize,
}

impl Round<'_> {
    fn journal(&self) -> PathBuf {
        self.folder.join(format!("{}.journal", self.name))
    }

    /// Starts an instance, and waits until it is a member of the group.
    async fn instance(&mut self) -> Child {
        self.started += 1;
        let log = self
            .folder
            .join(format!("{}-{}.log", self.name, self.started));
        let program =
            PathBuf::from(env!("CARGO_BIN_EXE_harness")).with_file_name("examples/journal");
        let journal = self.journal();
        let journal = journal.to_str().unwrap();
        let mut arguments = vec!["--kafka", self.stack.kafka_url(), "--group-id", &self.name];
        arguments.extend([
            "--topic",
            &self.name,
            "--dispatch",
            self.dispatch,
            "--journal",
            journal,
        ]);
        let work = std::env::var("WORK_MS").unwrap_or_else(|_| "64".to_owned());
        arguments.extend(["--work", &work]);
        let revoke = std::env::var("REVOKE_MS").unwrap_or_else(|_| "3000".to_owned());
        arguments.extend(["--revoke", &revoke]);
        // So that the group notices a new member sooner than after the default 3 s.
        arguments.extend([
            "-X",
            "heartbeat.interval.ms=500",
            "-X",
            "session.timeout.ms=6000",
        ]);
        let properties = self.stack.client_properties();
        let properties: Vec<String> = properties
            .iter()
            .map(|(name, value)| format!("-X{name}={value}"))
            .collect();
        arguments.extend(properties.iter().map(String::as_str));
        let child = Child::spawn("journal", &program, arguments, &log).unwrap();
        let deadline = Instant::now() + support::LIMIT;
        while !std::fs::read_to_string(&log).unwrap().contains("ready") {
            assert!(Instant::now() < deadline, "not ready: {}", child.log_tail());
            sleep(Duration::from_millis(20)).await;
        }
        child
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.stack.bootstrap_servers())
            .set("group.id", &self.name)
            .set("enable.auto.commit", "false")
            .set("linger.ms", "5");
        config.extend(self.stack.client_properties());
        config
    }

    /// Waits until all produced offsets are committed.
    async fn until_all_is_committed(&self, sent: &[(String, String)]) {
        let consumer: BaseConsumer = self.client().create().unwrap();
        let limit = Duration::from_secs(30);
        let deadline = Instant::now() + support::LIMIT;
        loop {
            let mut partitions = TopicPartitionList::new();
            partitions.add_partition_range(&self.name, 0, PARTITIONS - 1);
            let committed = consumer.committed_offsets(partitions, limit).unwrap();
            let behind: i64 = committed
                .elements()
                .iter()
                .map(|one| {
                    let (first, end) = consumer
                        .fetch_watermarks(&self.name, one.partition(), limit)
                        .unwrap();
                    match one.offset() {
                        Offset::Offset(next) => end - next,
                        _ => end - first,
                    }
                })
                .sum();
            if behind == 0 {
                return;
            }
            if Instant::now() >= deadline {
                // The journal shows the cause: a position that was reset, or a partition without an owner.
                let journal = std::fs::read_to_string(self.journal()).unwrap();
                let lost = oracles::lost(sent, &oracles::read(&journal)).len();
                panic!(
                    "{}: {behind} records are not committed, {lost} not handled: {committed:?}; logs: {}",
                    self.name,
                    self.folder.display()
                );
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Stops and replaces each instance, one after the other.
async fn replace_all(round: &mut Round<'_>, instances: &mut Vec<Child>) {
    for _ in 0..INSTANCES {
        let status = instances.remove(0).stop(STOP_GRACE).await.unwrap();
        assert!(status.success(), "a graceful stop: {status}");
        instances.push(round.instance().await);
    }
}

async fn round(stack: &Stack, dispatch: &str, number: usize) {
    let name = format!("rolling-{dispatch}-{number}");
    stack.create_topic(&name, PARTITIONS).await.unwrap();
    stack
        .create_topic(&format!("{name}.reply"), 1)
        .await
        .unwrap();
    let mut folder = tempfile::tempdir().unwrap();
    // After a failure, the journal and the logs stay.
    folder.disable_cleanup(true);
    let mut round = Round {
        stack,
        name: name.clone(),
        dispatch,
        folder: folder.path(),
        started: 0,
    };
    let mut instances = Vec::new();
    for _ in 0..INSTANCES {
        instances.push(round.instance().await);
    }
    let reply_topic = format!("{name}.reply");
    let mut sender = Sender::new(&round.client(), &name, &reply_topic, "{}".to_owned());
    sender.send(RECORDS / 2).await;
    {
        let mut replacing = std::pin::pin!(replace_all(&mut round, &mut instances));
        // Under load until the restarts end, then the rest.
        loop {
            let left = RECORDS - sender.sent.len();
            tokio::select! {
                () = &mut replacing => break,
                () = async { sender.send(10.min(left)).await; sleep(Duration::from_millis(20)).await } => {}
            }
        }
    }
    let left = RECORDS - sender.sent.len();
    sender.send(left).await;
    round.until_all_is_committed(&sender.sent).await;
    for instance in instances {
        assert!(instance.stop(STOP_GRACE).await.unwrap().success());
    }
    judge(&round, &sender.sent);
    folder.disable_cleanup(false);
}

fn judge(round: &Round<'_>, sent: &[(String, String)]) {
    let handlings = oracles::read(&std::fs::read_to_string(round.journal()).unwrap());
    let lost = oracles::lost(sent, &handlings);
    assert!(lost.is_empty(), "{}: lost {lost:?}", round.name);
    let duplicates = oracles::duplicates(&handlings);
    support::tell(&format!(
        "rolling restart, {}: {} records, {:.3} % handled more than once, a key stood still for {:.1?} at most",
        round.name,
        sent.len(),
        100.0 * duplicates,
        oracles::longest_stall(&handlings)
    ));
    if round.dispatch == "keyed" {
        let wrong = oracles::out_of_order(sent, &handlings);
        assert!(wrong.is_empty(), "{}: out of order {wrong:?}", round.name);
        let overlaps = oracles::overlaps(&handlings);
        assert!(
            overlaps.is_empty(),
            "{}: at the same time {overlaps:?}",
            round.name
        );
    }
    assert!(duplicates <= MAX_DUPLICATES, "{}: {duplicates}", round.name);
}

#[tokio::test]
async fn h5_h13_apache_kafka_only_a_rolling_restart_loses_nothing_and_keeps_the_order_of_each_key()
{
    let stack = Stack::start(support::stack_kind(), StackOptions::default())
        .await
        .unwrap();
    for number in 0..support::rounds() {
        for dispatch in ["tasks", "keyed"] {
            round(&stack, dispatch, number).await;
        }
    }
    stack.stop().await.unwrap();
}
