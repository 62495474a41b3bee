//! Nothing is lost against a broker: a graceful stop, a rebalance and kill -9, each under load.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::ops::Range;
use std::path::PathBuf;

use harness::service::{Service, ServiceOptions};
use harness::stack::{Stack, StackKind, StackOptions};
use rustix::process::Signal;
use support::requester::{ORDER, Requester};

const REQUESTS: usize = 600;
/// How many replies are seen before the service is stopped: some are done, most are not.
const BEFORE_THE_STOP: usize = 50;
const MODES: [&str; 2] = ["serial", "tasks"];

fn options(mode: &str, group: &str) -> ServiceOptions {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_harness")).with_file_name("order-service");
    // The shortest session that a broker allows by default, so that the group soon gives up a
    // member that was killed.
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

async fn send_all(requester: &Requester) -> Vec<String> {
    send(requester, 0..REQUESTS).await
}

async fn send(requester: &Requester, numbers: Range<usize>) -> Vec<String> {
    let ids: Vec<String> = numbers.map(|number| format!("request-{number}")).collect();
    for id in &ids {
        requester.send(id, ORDER).await;
    }
    ids
}

async fn some_replies(requester: &Requester) -> Vec<String> {
    let mut seen = Vec::new();
    for _ in 0..BEFORE_THE_STOP {
        seen.push(requester.next_reply().await.key.unwrap());
    }
    seen
}

#[tokio::test]
async fn a_graceful_stop_under_load_answers_each_request_exactly_once() {
    let stack = Stack::start(support::stack_kind(), StackOptions::default())
        .await
        .unwrap();
    for mode in MODES {
        let group = format!("stop-{mode}");
        let requester = Requester::new(&stack, &format!("{group}-"), 2).await;
        let first = Service::start(&stack, options(mode, &group)).await.unwrap();
        let (ids, seen) = tokio::join!(send_all(&requester), async {
            let seen = some_replies(&requester).await;
            first.stop().await.unwrap();
            seen
        });
        let second = Service::start(&stack, options(mode, &group)).await.unwrap();
        let unseen: Vec<String> = ids.into_iter().filter(|id| !seen.contains(id)).collect();
        let replies = requester.replies_to(&unseen).await;
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
            total, REQUESTS as i64,
            "{mode}: a graceful stop repeats nothing"
        );
    }
    stack.stop().await.unwrap();
}

#[tokio::test]
async fn a_kill_under_load_loses_no_request_and_no_reply() {
    let stack = Stack::start(support::stack_kind(), StackOptions::default())
        .await
        .unwrap();
    for mode in MODES {
        let group = format!("kill-{mode}");
        let requester = Requester::new(&stack, &format!("{group}-"), 2).await;
        let mut first = Service::start(&stack, options(mode, &group)).await.unwrap();
        let (ids, seen) = tokio::join!(send_all(&requester), async {
            let seen = some_replies(&requester).await;
            first.child().signal(Signal::KILL);
            seen
        });
        first.child().wait().await.unwrap();
        let second = Service::start(&stack, options(mode, &group)).await.unwrap();
        let unseen: Vec<String> = ids.into_iter().filter(|id| !seen.contains(id)).collect();
        let replies = requester.replies_to(&unseen).await;
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
async fn instances_that_come_and_go_answer_each_request() {
    let stack = Stack::start(support::stack_kind(), StackOptions::default())
        .await
        .unwrap();
    for mode in MODES {
        let group = format!("rebalance-{mode}");
        let requester = Requester::new(&stack, &format!("{group}-"), 4).await;
        let first = Service::start(&stack, options(mode, &group)).await.unwrap();
        // The newcomer joins under load, and the first one leaves under load.
        let (mut ids, second) = tokio::join!(
            send(&requester, 0..REQUESTS / 2),
            Service::start(&stack, options(mode, &group)),
        );
        let second = second.unwrap();
        let (rest, stopped) = tokio::join!(send(&requester, REQUESTS / 2..REQUESTS), first.stop());
        stopped.unwrap();
        ids.extend(rest);
        requester.replies_to(&ids).await;
        second.stop().await.unwrap();
        // librdkafka's mock refuses every commit while a group forms, also that of a partition which
        // is being revoked; its records are then repeated. Apache Kafka takes it.
        if support::stack_kind() == StackKind::Native {
            let total = requester.replies_in_all();
            assert_eq!(
                total, REQUESTS as i64,
                "{mode}: a rebalance repeats nothing"
            );
        }
    }
    stack.stop().await.unwrap();
}
