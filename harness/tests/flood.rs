//! A flood of requests while the store does not answer: memory stays flat, the group keeps its member, and all requests
//! are answered when the store is back (hazards H8, H20 and H21).
//!
//! `FLOOD_RECORDS` sets the size. The test prints the resident memory.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/sender.rs"]
mod sender;
mod support;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use harness::service::{Service, ServiceOptions};
use harness::stack::{Stack, StackKind, StackOptions};
use rdkafka::config::ClientConfig;
use sender::Sender;
use support::requester::{ORDER, Requester};
use tokio::time::sleep;

/// Longer than the poll interval below: the group would remove a member that does not poll.
const STALL: Duration = Duration::from_secs(12);
/// Most memory above that of an idle service, in bytes, for any length of the flood. It covers records in flight, and
/// those that librdkafka fetches ahead at any time (`queued.max.messages.kbytes`, 16 MiB and its bookkeeping). The
/// flood has 100 MB.
const MOST: u64 = 64 << 20;

fn records() -> usize {
    let records = std::env::var("FLOOD_RECORDS").ok();
    records.map_or(50_000, |records| {
        records.parse().expect("FLOOD_RECORDS takes a number")
    })
}

fn options() -> ServiceOptions {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_harness")).with_file_name("order-service");
    let arguments = [
        "--store-timeout",
        "100s",
        "--request-timeout",
        "110s",
        "--drain-timeout",
        "1s",
        "-X",
        "max.poll.interval.ms=6000",
        "-X",
        "session.timeout.ms=6000",
    ];
    ServiceOptions {
        program: Some(program),
        dispatch: Some("tasks".to_owned()),
        topic_prefix: "flood-".to_owned(),
        arguments: arguments.map(str::to_owned).into(),
        ..ServiceOptions::default()
    }
}

/// Memory of a process, in bytes.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kibibytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kibibytes << 10
}

/// Samples the memory until the time is over. Returns the least and the most.
async fn watch(process: u32, time: Duration) -> (u64, u64) {
    let end = tokio::time::Instant::now() + time;
    let mut seen = (u64::MAX, 0);
    while tokio::time::Instant::now() < end {
        let now = resident(process);
        seen = (seen.0.min(now), seen.1.max(now));
        sleep(Duration::from_millis(50)).await;
    }
    seen
}

#[tokio::test]
async fn h8_h20_h21_apache_kafka_only_a_flood_with_a_stalled_store_keeps_memory_flat_and_is_answered_after_it()
 {
    let stack = Stack::start(support::stack_kind(), StackOptions::default())
        .await
        .unwrap();
    let requester = Requester::new(&stack, "flood-", 4).await;
    let mut service = Service::start(&stack, options()).await.unwrap();
    let process = service.child().id().unwrap();
    let idle = resident(process);

    // Blanks behind the order: a record has 2 KiB, all have 100 MB, and the stored order is small.
    let body = format!("{ORDER}{}", " ".repeat(2048 - ORDER.len()));
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", stack.bootstrap_servers());
    let mut sender = Sender::new(&config, "flood-createOrder", &requester.reply_topic, body);

    let stalled = support::Stalled::now(&stack);
    while sender.sent.len() < records() {
        sender.send(1000).await;
    }
    support::until_at_least_one(service.admin(), "kafka_bridge_pauses_total").await;
    let (least, most) = watch(process, STALL).await;
    assert!(
        most - idle <= MOST,
        "{most} bytes resident, {idle} when idle"
    );
    // The stall shows while it lasts.
    assert!(support::metric(service.admin(), "kafka_bridge_oldest_unfinished_seconds").await > 3.0);

    drop(stalled);
    let mut answered = BTreeSet::new();
    while answered.len() < sender.sent.len() {
        let reply = requester.next_reply().await;
        assert_eq!(reply.status(), "200", "{reply:?}");
        answered.insert(reply.header("x-id").unwrap().to_owned());
    }
    assert_eq!(
        support::metric(service.admin(), "kafka_bridge_revoked_partitions_total").await,
        0.0
    );
    if stack.kind() == StackKind::Native {
        assert_eq!(
            requester.replies_in_all(),
            sender.sent.len() as i64,
            "each answered once"
        );
    }
    support::until_healthy(service.admin()).await;
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    support::tell(&format!(
        "flood: {} records of 2 KiB, store stalled for {STALL:?}: resident {:.1} MiB idle, \
         {:.1} to {:.1} MiB during the stall, {:.1} MiB after all was answered",
        sender.sent.len(),
        mebibytes(idle),
        mebibytes(least),
        mebibytes(most),
        mebibytes(resident(process)),
    ));
    service.stop().await.unwrap();
    stack.stop().await.unwrap();
}
