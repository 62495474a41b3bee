//! Nothing is lost with a broker: a graceful stop, a rebalance, kill -9 and a stalled store, each one under load that
//! goes on until the event is over.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::path::PathBuf;
use std::time::Duration;

use harness::service::{Service, ServiceOptions};
use harness::stack::{Stack, StackKind, StackOptions, free_port};
use rustix::process::Signal;
use support::requester::{ORDER, Requester};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

const MODES: [&str; 3] = ["serial", "tasks", "keyed"];
/// Long enough for an offset commit (five per second) during the stall, and below the 2 s after which the service
/// answers 503.
const STALL: Duration = Duration::from_millis(1500);

async fn stack() -> Stack {
    Stack::start(support::stack_kind(), StackOptions::default())
        .await
        .unwrap()
}

fn options(mode: &str, group: &str) -> ServiceOptions {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_harness")).with_file_name("order-service");
    // The shortest session timeout that a broker allows by default, so that the group soon removes a killed member.
    let session = ["-X", "session.timeout.ms=6000"].map(str::to_owned);
    ServiceOptions {
        program: Some(program),
        dispatch: Some(mode.to_owned()),
        group_id: Some(group.to_owned()),
        topic_prefix: format!("{group}-"),
        arguments: session.into(),
        ..ServiceOptions::default()
    }
}

/// Sends one request after the other until it is stopped. Returns their ids.
async fn load(requester: &Requester, stop: &CancellationToken) -> Vec<String> {
    let mut ids = Vec::new();
    while !stop.is_cancelled() {
        let id = format!("request-{}", ids.len());
        requester.send(&id, ORDER).await;
        ids.push(id);
        sleep(Duration::from_millis(1)).await;
    }
    ids
}

#[tokio::test]
async fn h7_a_graceful_stop_under_load_answers_each_request_exactly_once() {
    let stack = stack().await;
    for mode in MODES {
        let group = format!("stop-{mode}");
        let requester = Requester::new(&stack, &format!("{group}-"), 2).await;
        let first = Service::start(&stack, options(mode, &group)).await.unwrap();
        let over = CancellationToken::new();
        let (ids, ()) = tokio::join!(load(&requester, &over), async {
            sleep(Duration::from_millis(1300)).await;
            first.stop().await.unwrap();
            over.cancel();
        });
        let second = Service::start(&stack, options(mode, &group)).await.unwrap();
        let replies = requester.replies_to(&ids).await;
        second.stop().await.unwrap();

        assert!(
            replies
                .values()
                .flatten()
                .all(|reply| reply.status() == "200"),
            "{mode}"
        );
        let total = requester.replies_in_all();
        assert_eq!(
            total,
            ids.len() as i64,
            "{mode}: a graceful stop repeats nothing"
        );
    }
    stack.stop().await.unwrap();
}

#[tokio::test]
async fn h1_a_kill_with_work_in_flight_loses_no_request_and_no_reply() {
    let stack = stack().await;
    for mode in MODES {
        let group = format!("kill-{mode}");
        let requester = Requester::new(&stack, &format!("{group}-"), 2).await;
        let mut first = Service::start(&stack, options(mode, &group)).await.unwrap();
        let over = CancellationToken::new();
        let (ids, ()) = tokio::join!(load(&requester, &over), async {
            sleep(Duration::from_millis(1200)).await;
            // Commits go on while no request can finish. A commit that passes a record in flight would lose it here.
            support::stall(&stack, STALL);
            sleep(STALL - Duration::from_millis(200)).await;
            first.child().signal(Signal::KILL);
            over.cancel();
        });
        first.child().wait().await.unwrap();
        let second = Service::start(&stack, options(mode, &group)).await.unwrap();
        let replies = requester.replies_to(&ids).await;
        second.stop().await.unwrap();

        for reply in replies.values().flatten() {
            assert_eq!(reply.status(), "200", "{mode}");
            let order: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
            let key = format!("order:{}", order["id"].as_str().unwrap());
            assert!(
                stack.stored(&key).await.unwrap().contains("id-1234"),
                "{mode}: {key}"
            );
        }
    }
    stack.stop().await.unwrap();
}

#[tokio::test]
async fn instances_that_come_and_go_under_load_answer_each_request() {
    let stack = stack().await;
    for mode in MODES {
        let group = format!("rebalance-{mode}");
        let requester = Requester::new(&stack, &format!("{group}-"), 4).await;
        let first = Service::start(&stack, options(mode, &group)).await.unwrap();
        let over = CancellationToken::new();
        let (ids, second) = tokio::join!(load(&requester, &over), async {
            let second = Service::start(&stack, options(mode, &group)).await.unwrap();
            support::until_at_least_one(second.admin(), "kafka_bridge_records_total").await;
            support::until_at_least_one(first.admin(), "kafka_bridge_revoked_partitions_total")
                .await;
            first.stop().await.unwrap();
            over.cancel();
            second
        });
        requester.replies_to(&ids).await;
        second.stop().await.unwrap();
        // librdkafka's mock refuses all commits during a rebalance, also those of a revoked partition, whose records
        // are then repeated. Apache Kafka accepts them.
        if support::stack_kind() == StackKind::Native {
            let total = requester.replies_in_all();
            assert_eq!(
                total,
                ids.len() as i64,
                "{mode}: a rebalance repeats nothing"
            );
        }
    }
    stack.stop().await.unwrap();
}

#[tokio::test]
async fn h8_a_stalled_store_pauses_intake_and_everything_is_answered_after_it() {
    let stack = stack().await;
    for mode in MODES {
        let group = format!("stall-{mode}");
        let requester = Requester::new(&stack, &format!("{group}-"), 2).await;
        let mut options = options(mode, &group);
        options
            .arguments
            .extend(["--max-in-flight", "4"].map(str::to_owned));
        let service = Service::start(&stack, options).await.unwrap();
        let over = CancellationToken::new();
        let (ids, ()) = tokio::join!(load(&requester, &over), async {
            // Repeated, because a slow machine may send too few requests to fill the buffers.
            for _ in 0..30 {
                support::stall(&stack, STALL);
                sleep(STALL + Duration::from_millis(200)).await;
                if support::metric(service.admin(), "kafka_bridge_pauses_total").await >= 1.0 {
                    break;
                }
            }
            support::until_at_least_one(service.admin(), "kafka_bridge_pauses_total").await;
            over.cancel();
        });
        let replies = requester.replies_to(&ids).await;
        assert!(
            replies
                .values()
                .flatten()
                .all(|reply| reply.status() == "200"),
            "{mode}"
        );
        service.stop().await.unwrap();
        assert_eq!(requester.replies_in_all(), ids.len() as i64, "{mode}");
    }
    stack.stop().await.unwrap();
}

/// librdkafka keeps the pause of a partition that is revoked while paused.
#[tokio::test]
async fn a_partition_that_was_revoked_while_paused_is_served_when_it_comes_back() {
    let stack = stack().await;
    let group = "paused";
    let requester = Requester::new(&stack, "paused-", 4).await;
    let mut first = options("tasks", group);
    first
        .arguments
        .extend(["--max-in-flight", "4"].map(str::to_owned));
    let first = Service::start(&stack, first).await.unwrap();
    // The new member has another store, because the first one's is stalled when it joins.
    let folder = tempfile::tempdir().unwrap();
    let port = free_port().unwrap();
    let store = support::start_store(port, folder.path());
    let mut second = options("tasks", group);
    let url = format!("redis://127.0.0.1:{port}");
    second.arguments.extend(["--store".to_owned(), url]);

    let over = CancellationToken::new();
    let (ids, second) = tokio::join!(load(&requester, &over), async {
        support::stall(&stack, 8 * STALL);
        support::until_at_least_one(first.admin(), "kafka_bridge_pauses_total").await;
        let second = Service::start(&stack, second).await.unwrap();
        support::until_at_least_one(first.admin(), "kafka_bridge_revoked_partitions_total").await;
        over.cancel();
        second
    });
    // When all is answered, the first member has resumed. Only then do the partitions come back.
    requester.replies_to(&ids).await;
    second.stop().await.unwrap();
    // Enough for all partitions.
    let later: Vec<String> = (0..100).map(|number| format!("later-{number}")).collect();
    for id in &later {
        requester.send(id, ORDER).await;
    }
    requester.replies_to(&later).await;
    first.stop().await.unwrap();
    store.stop(Duration::from_secs(10)).await.unwrap();
    stack.stop().await.unwrap();
}
