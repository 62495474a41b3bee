//! A stop loses no reply and comes to an end, whatever is left of the broker.

use std::collections::BTreeSet;
use std::time::Duration;

use harness::service::Service;
use rustix::process::Signal;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::group::Group;
use crate::support::LIMIT;
use crate::support::requester::{ORDER, Requester};
use crate::{MODES, Sent, load, options, stack, stall, until_at_least};

#[tokio::test]
async fn h7_after_a_stop_under_load_what_is_committed_has_its_reply() {
    let stack = stack().await;
    for mode in MODES {
        let group = format!("term-{mode}");
        let requester = Requester::new(&stack, &format!("{group}-"), 2).await;
        let service = Service::start(&stack, options(&group, mode, &[]))
            .await
            .unwrap();
        let over = CancellationToken::new();
        let (sent, ()) = tokio::join!(load(&requester, ORDER, &over), async {
            until_at_least(service.admin(), "kafka_bridge_records_total", 20.0).await;
            service.stop().await.unwrap();
            over.cancel();
        });
        let committed = Group::of(&stack, &group, &format!("{group}-createOrder"), 2).committed();
        let is_committed = |one: &&Sent| committed.get(&one.partition) > Some(&one.offset);
        let committed: Vec<String> = sent
            .iter()
            .filter(is_committed)
            .map(|one| one.id.clone())
            .collect();
        assert!(committed.len() >= 20, "{mode}: {}", committed.len());
        // The service is gone: what is not in the topic by now never comes.
        let mut answered = BTreeSet::new();
        for _ in 0..requester.replies_in_all() {
            answered.extend(requester.next_reply().await.key);
        }
        let lost = committed.iter().find(|id| !answered.contains(*id));
        assert_eq!(lost, None, "{mode}: committed without a reply");
        assert_eq!(
            answered.len(),
            committed.len(),
            "{mode}: answered and not committed"
        );
    }
    stack.stop().await.unwrap();
}

#[tokio::test]
async fn h7_apache_kafka_only_a_stop_without_a_broker_ends() {
    for mode in MODES {
        let mut stack = stack().await;
        let requester = Requester::new(&stack, "gone-", 1).await;
        let options = options("gone", mode, &["--drain-timeout", "2s"]);
        let mut service = Service::start(&stack, options).await.unwrap();
        assert_eq!(requester.ask("before", ORDER).await.status(), "200");
        // In flight when the broker goes: taken, saved a moment later, and not to be answered any more.
        stall(&stack, Duration::from_millis(1500)).await;
        for number in 0..5 {
            requester.send(&format!("in-flight-{number}"), ORDER).await;
        }
        until_at_least(service.admin(), "kafka_bridge_in_flight_records", 1.0).await;
        stack.kill_broker().await.unwrap();
        service.child().signal(Signal::TERM);
        let ended = timeout(LIMIT, service.child().wait()).await;
        let status = ended.expect("the end within the limit").unwrap();
        assert_eq!(status.code(), Some(1), "{mode}: offsets are not committed");
        drop(stack);
    }
}
