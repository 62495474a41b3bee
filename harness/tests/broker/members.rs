//! Members of a group that freeze, restart with a static name, or get their partitions from the broker.

use std::time::Duration;

use harness::service::Service;
use rustix::process::Signal;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::group::Group;
use crate::support;
use crate::support::requester::{ORDER, Requester};
use crate::{MODES, ids, load, options, stack, start, until_at_least};

/// A member is frozen for longer than its session timeout. Another member answers, and the records that the first one
/// still has are not committed over the other's progress.
#[tokio::test]
async fn h4_apache_kafka_only_a_member_that_was_frozen_loses_its_partitions_and_no_request() {
    let stack = stack().await;
    let group = "frozen";
    let requester = Requester::new(&stack, "frozen-", 2).await;
    let session = ["-X", "session.timeout.ms=6000"];
    let mut first = start(&stack, group, &session).await;
    let over = CancellationToken::new();
    let (sent, second) = tokio::join!(load(&requester, ORDER, &over), async {
        until_at_least(first.admin(), "kafka_bridge_records_total", 1.0).await;
        first.child().signal(Signal::STOP);
        let second = start(&stack, group, &session).await;
        until_at_least(second.admin(), "kafka_bridge_records_total", 1.0).await;
        first.child().signal(Signal::CONT);
        let lost = "kafka_bridge_rebalances_total{kind=\"lost\"}";
        until_at_least(first.admin(), lost, 1.0).await;
        over.cancel();
        second
    });
    requester.replies_to(&ids(&sent)).await;
    Group::of(&stack, group, "frozen-createOrder", 2)
        .until_lag_is_at_most(0)
        .await;
    first.stop().await.unwrap();
    second.stop().await.unwrap();
    stack.stop().await.unwrap();
}

#[tokio::test]
async fn apache_kafka_only_a_static_member_that_restarts_moves_no_partition_of_another() {
    let stack = stack().await;
    let group = "static";
    let requester = Requester::new(&stack, "static-", 4).await;
    // Partitions move with the next heartbeat.
    let member = ["-X", "heartbeat.interval.ms=300", "-X"];
    let named = |name| [&member[..], &[name]].concat();
    let first = start(&stack, group, &named("group.instance.id=first")).await;
    let second = start(&stack, group, &named("group.instance.id=second")).await;
    let over = CancellationToken::new();
    let (sent, first) = tokio::join!(load(&requester, ORDER, &over), async {
        until_at_least(second.admin(), "kafka_bridge_records_total", 1.0).await;
        first.stop().await.unwrap();
        // Enough time for the other member to get the partitions of a member that leaves.
        sleep(Duration::from_secs(2)).await;
        let first = start(&stack, group, &named("group.instance.id=first")).await;
        until_at_least(first.admin(), "kafka_bridge_records_total", 1.0).await;
        over.cancel();
        first
    });
    requester.replies_to(&ids(&sent)).await;
    let moved = support::metric(second.admin(), "kafka_bridge_revoked_partitions_total").await;
    assert_eq!(moved, 0.0);
    assert_eq!(requester.replies_in_all(), sent.len() as i64, "repeated");
    first.stop().await.unwrap();
    second.stop().await.unwrap();
    stack.stop().await.unwrap();
}

#[tokio::test]
async fn apache_kafka_only_members_of_a_group_that_the_broker_assigns_come_and_go() {
    let stack = stack().await;
    for mode in MODES {
        let group = format!("kip848-{mode}");
        let requester = Requester::new(&stack, &format!("{group}-"), 4).await;
        let join = || async {
            let options = options(&group, mode, &["-X", "group.protocol=consumer"]);
            Service::start(&stack, options).await.unwrap()
        };
        let first = join().await;
        let over = CancellationToken::new();
        let (sent, second) = tokio::join!(load(&requester, ORDER, &over), async {
            let second = join().await;
            until_at_least(second.admin(), "kafka_bridge_records_total", 1.0).await;
            first.stop().await.unwrap();
            let handled = support::metric(second.admin(), "kafka_bridge_records_total").await;
            until_at_least(second.admin(), "kafka_bridge_records_total", handled + 20.0).await;
            over.cancel();
            second
        });
        requester.replies_to(&ids(&sent)).await;
        Group::of(&stack, &group, &format!("{group}-createOrder"), 4)
            .until_lag_is_at_most(0)
            .await;
        second.stop().await.unwrap();
    }
    stack.stop().await.unwrap();
}
