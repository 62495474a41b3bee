//! The bridge in this process, on various runtimes and with various handlers.

use std::sync::mpsc;

use kafka_bridge::Dispatch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::group::Group;
use crate::member::{BLOCK, Handled, Member, app};
use crate::support::LIMIT;
use crate::support::requester::Requester;
use crate::{ids, load, stack};

/// Runs a scenario on its own thread, and fails if it gets stuck, even if it blocks its runtime.
fn unless_stuck(
    scenario: impl Future<Output = ()> + Send + 'static,
    runtime: tokio::runtime::Runtime,
) {
    let (done, ended) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        runtime.block_on(scenario);
        let _ = done.send(());
    });
    if let Err(mpsc::RecvTimeoutError::Timeout) = ended.recv_timeout(3 * LIMIT) {
        panic!("stuck");
    }
    thread.join().unwrap();
}

/// Members that share one executor thread, with records in flight when one comes or goes.
///
/// Not on librdkafka's mock, because there a new group waits for the session timeout of members that have left.
async fn members_come_and_go() {
    let stack = stack().await;
    for dispatch in [Dispatch::Serial, Dispatch::Tasks] {
        let group = format!("members-{dispatch}");
        let requester = Requester::new(&stack, &format!("{group}-"), 4).await;
        let handled = Handled::default();
        let join = || Member::join(&stack, &group, app(&handled), dispatch, &[]);
        let first = join().await;
        let over = CancellationToken::new();
        let (sent, last) = tokio::join!(load(&requester, "5", &over), async {
            let second = join().await;
            first.leave().await;
            let third = join().await;
            second.leave().await;
            over.cancel();
            third
        });
        requester.replies_to(&ids(&sent)).await;
        last.leave().await;
    }
    stack.stop().await.unwrap();
}

#[test]
fn h6_apache_kafka_only_members_on_a_current_thread_runtime_come_and_go_and_answer_everything() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    unless_stuck(members_come_and_go(), runtime.enable_all().build().unwrap());
}

#[test]
fn h6_apache_kafka_only_members_on_one_worker_thread_come_and_go_and_answer_everything() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
    // The scenario itself runs on the one worker too.
    unless_stuck(
        async { tokio::spawn(members_come_and_go()).await.unwrap() },
        runtime,
    );
}

/// Serves requests. The first one takes longer than the group waits for a poll.
async fn one_slow_handler(group: &str, slow: &str) {
    let stack = stack().await;
    let requester = Requester::new(&stack, &format!("{group}-"), 1).await;
    let handled = Handled::default();
    let properties = [
        ("max.poll.interval.ms", "6000"),
        ("session.timeout.ms", "6000"),
    ];
    let member = Member::join(&stack, group, app(&handled), Dispatch::Serial, &properties).await;
    let look = Group::of(&stack, group, &format!("{group}-createOrder"), 1);
    let before = look.members();
    // Enough requests behind the slow one to fill all buffers.
    let ids: Vec<String> = (0..100).map(|number| format!("request-{number}")).collect();
    for (number, id) in ids.iter().enumerate() {
        let body = if number == 0 { slow } else { "0" };
        requester.send(id, body).await;
    }
    // A member that the group removes would answer the first requests again and again.
    let answered = timeout(LIMIT, requester.replies_to(&ids)).await;
    answered.expect("all answers within the limit");
    look.until_lag_is_at_most(0).await;
    assert_eq!(before.len(), 1);
    assert_eq!(look.members(), before, "it left and came back");
    let counts = handled.counts();
    assert_eq!(counts.len(), ids.len());
    let twice = counts.iter().find(|(_, count)| **count > 1);
    assert_eq!(twice, None, "handled twice");
    member.leave().await;
    stack.stop().await.unwrap();
}

#[tokio::test]
async fn h20_apache_kafka_only_a_handler_slower_than_the_poll_interval_costs_no_membership() {
    one_slow_handler("slow", "10000").await;
}

/// This runtime has one thread, so the handler blocks the bridge and everything else.
#[tokio::test]
async fn h20_apache_kafka_only_a_handler_that_blocks_the_runtime_costs_no_membership() {
    one_slow_handler("blocked", &format!("{BLOCK}10000")).await;
}
