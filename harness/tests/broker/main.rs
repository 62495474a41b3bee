//! Hazards that need a broker: gaps in the log, topics that are created again, fetches without progress, members that
//! come, go or freeze, a missing broker.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod batch;
mod finished;
mod gaps;
mod group;
mod in_process;
mod member;
mod members;
mod produce;
mod remade;
mod stalled;
mod stop;
#[path = "../support/mod.rs"]
mod support;

use std::path::PathBuf;
use std::time::Duration;

use harness::service::{Service, ServiceOptions};
use harness::stack::{Stack, StackOptions};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use group::Group;
use support::LIMIT;
use support::requester::{ORDER, Requester};

const MODES: [&str; 2] = ["serial", "tasks"];

async fn stack() -> Stack {
    stack_with(StackOptions::default()).await
}

async fn stack_with(options: StackOptions) -> Stack {
    Stack::start(support::stack_kind(), options).await.unwrap()
}

/// A service of the group, on topics that begin with its name and a dash.
fn options(group: &str, mode: &str, arguments: &[&str]) -> ServiceOptions {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_harness")).with_file_name("order-service");
    ServiceOptions {
        program: Some(program),
        dispatch: Some(mode.to_owned()),
        group_id: Some(group.to_owned()),
        topic_prefix: format!("{group}-"),
        arguments: arguments.iter().map(|&one| one.to_owned()).collect(),
        ..ServiceOptions::default()
    }
}

async fn start(stack: &Stack, group: &str, arguments: &[&str]) -> Service {
    let options = options(group, "tasks", arguments);
    Service::start(stack, options).await.unwrap()
}

/// A request and its place in the log.
struct Sent {
    id: String,
    partition: i32,
    offset: i64,
}

/// Sends one request after the other until it is stopped.
async fn load(requester: &Requester, body: &str, over: &CancellationToken) -> Vec<Sent> {
    let mut sent = Vec::new();
    while !over.is_cancelled() {
        let id = format!("request-{}", sent.len());
        let (partition, offset) = requester.send(&id, body).await;
        sent.push(Sent {
            id,
            partition,
            offset,
        });
        sleep(Duration::from_millis(10)).await;
    }
    sent
}

fn ids(sent: &[Sent]) -> Vec<String> {
    sent.iter().map(|one| one.id.clone()).collect()
}

async fn until_at_least(admin: &str, metric: &str, least: f64) {
    let deadline = tokio::time::Instant::now() + LIMIT;
    while support::metric(admin, metric).await < least {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{metric} stays below {least}"
        );
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn lag_and_rebalances_are_seen_from_outside() {
    let stack = stack().await;
    let requester = Requester::new(&stack, "lag-", 1).await;
    let service = start(&stack, "lag", &["-X", "statistics.interval.ms=100"]).await;
    let assigned = "kafka_bridge_rebalances_total{kind=\"assign\"}";
    until_at_least(service.admin(), assigned, 1.0).await;
    // There is no lag before the first commit.
    requester.ask("first", ORDER).await;
    Group::of(&stack, "lag", "lag-createOrder", 1)
        .until_lag_is_at_most(0)
        .await;

    support::stall(&stack, Duration::from_millis(1500));
    for number in 0..5 {
        requester.send(&format!("behind-{number}"), ORDER).await;
    }
    let lag = "kafka_bridge_consumer_lag_records{topic=\"lag-createOrder\",partition=\"0\"}";
    until_at_least(service.admin(), lag, 5.0).await;
    let deadline = tokio::time::Instant::now() + LIMIT;
    while support::metric(service.admin(), lag).await > 0.0 {
        assert!(tokio::time::Instant::now() < deadline, "the lag stays");
        sleep(Duration::from_millis(50)).await;
    }
    service.stop().await.unwrap();
    stack.stop().await.unwrap();
}
