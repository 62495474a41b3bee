//! A stop loses no reply, and it ends even without a broker.

use std::collections::BTreeSet;
use std::time::Duration;

use harness::service::Service;
use rustix::process::Signal;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::group::Group;
use crate::support::requester::{ORDER, Requester};
use crate::support::{LIMIT, stall};
use crate::{MODES, Sent, load, options, stack, until_at_least};

/// The store does not answer during the stop, for longer than the drain. The records in flight are given up, and must
/// not be committed.
#[tokio::test]
async fn h7_after_a_stop_under_load_what_is_committed_has_its_reply() {
    let stack = stack().await;
    for mode in MODES {
        let group = format!("term-{mode}");
        let requester = Requester::new(&stack, &format!("{group}-"), 2).await;
        // The store may still be stalled when the next service starts.
        let times = ["--drain-timeout", "1s", "--store-timeout", "10s"];
        let options = options(&group, mode, &times);
        let mut service = Service::start(&stack, options).await.unwrap();
        let over = CancellationToken::new();
        let (sent, ()) = tokio::join!(load(&requester, ORDER, &over), async {
            until_at_least(service.admin(), "kafka_bridge_records_total", 20.0).await;
            stall(&stack, Duration::from_secs(4));
            until_at_least(service.admin(), "kafka_bridge_in_flight_records", 1.0).await;
            service.child().signal(Signal::TERM);
            let ended = timeout(LIMIT, service.child().wait()).await;
            ended.expect("the end within the limit").unwrap();
            over.cancel();
        });
        let committed = Group::of(&stack, &group, &format!("{group}-createOrder"), 2).committed();
        let is_committed = |one: &&Sent| committed.get(&one.partition) > Some(&one.offset);
        let committed: Vec<&Sent> = sent.iter().filter(is_committed).collect();
        assert!(committed.len() >= 20, "{mode}: {}", committed.len());
        assert!(
            committed.len() < sent.len(),
            "{mode}: nothing was in flight"
        );
        // The service has ended, so the topic has all replies now.
        let mut answered = BTreeSet::new();
        for _ in 0..requester.replies_in_all() {
            answered.extend(requester.next_reply().await.key);
        }
        let lost = committed.iter().find(|one| !answered.contains(&one.id));
        let lost = lost.map(|one| &one.id);
        assert_eq!(lost, None, "{mode}: committed without a reply");
    }
    stack.stop().await.unwrap();
}

/// Drain (2 s), last commit and leaving the group (8 s), and slack for a busy machine. By itself, librdkafka needs
/// about 45 s to give up a broker.
const END_LIMIT: Duration = Duration::from_secs(25);

#[tokio::test]
async fn h7_apache_kafka_only_a_stop_without_a_broker_ends() {
    for mode in MODES {
        let mut stack = stack().await;
        let requester = Requester::new(&stack, "gone-", 1).await;
        let options = options("gone", mode, &["--drain-timeout", "2s"]);
        let mut service = Service::start(&stack, options).await.unwrap();
        assert_eq!(requester.ask("before", ORDER).await.status(), "200");
        // In flight when the broker ends: the order is saved a moment later, but no reply is possible.
        stall(&stack, Duration::from_millis(1500));
        for number in 0..5 {
            requester.send(&format!("in-flight-{number}"), ORDER).await;
        }
        until_at_least(service.admin(), "kafka_bridge_in_flight_records", 1.0).await;
        let broker = stack.broker_process(0).unwrap();
        broker.signal(Signal::KILL);
        broker.wait().await.unwrap();
        service.child().signal(Signal::TERM);
        let ended = timeout(END_LIMIT, service.child().wait()).await;
        let status = ended.expect("the end within the limit").unwrap();
        assert_eq!(status.code(), Some(1), "{mode}: offsets are not committed");
        drop(stack);
    }
}
