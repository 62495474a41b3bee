//! The commit has the finished requests behind a slow one too, so that a crash repeats only the slow one.

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use kafka_bridge::{Dispatch, EchoSetHeaderLayer};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::batch::numbered;
use crate::group::Group;
use crate::member::{Handled, Member};
use crate::stack;
use crate::support::LIMIT;
use crate::support::requester::Requester;

const SLOW: &str = "slow";

/// An application that answers at once, except one request, which waits for the sign.
fn app(handled: &Handled, sign: &CancellationToken) -> Router {
    type Shared = (Handled, CancellationToken);
    let handle = |State((handled, sign)): State<Shared>, headers: HeaderMap, body: String| async move {
        let wish = headers.get("x-reply-set-header").unwrap();
        let (_, id) = wish.to_str().unwrap().split_once(':').unwrap();
        handled.note(id.trim());
        if body == SLOW {
            sign.cancelled().await;
        }
        body
    };
    Router::new()
        .route("/orders", post(handle))
        .layer(EchoSetHeaderLayer::default())
        .with_state((handled.clone(), sign.clone()))
}

/// Waits until the metadata of the commit ends with this text.
async fn until_written(group: &Group, end: &str) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let commits = group.commits();
        let written = commits.elements()[0].metadata().to_owned();
        if written.ends_with(end) {
            return;
        }
        assert!(Instant::now() < deadline, "written: {written:?}");
        sleep(std::time::Duration::from_millis(50)).await;
    }
}

async fn a_crash_repeats_the_slow_one_only(protocol: &str) {
    let stack = stack().await;
    let group = &format!("finished-{protocol}");
    let requester = Requester::new(&stack, &format!("{group}-"), 1).await;
    let (handled, sign) = (Handled::default(), CancellationToken::new());
    let mut properties = vec![("group.protocol", protocol)];
    if protocol == "classic" {
        // How long the group waits for a killed member.
        properties.push(("session.timeout.ms", "6000"));
    }
    let join = || {
        let app = app(&handled, &sign);
        Member::join(&stack, group, app, Dispatch::Tasks, &properties)
    };
    let first = join().await;
    requester.send(SLOW, SLOW).await;
    let others = numbered("other", 20);
    for id in &others {
        requester.send(id, "0").await;
    }
    requester.replies_to(&others).await;
    let progress = Group::of(&stack, group, &format!("{group}-createOrder"), 1);
    until_written(&progress, " finished=1:0:1+20").await;
    first.kill().await;

    let second = join().await;
    let last = numbered("last", 1);
    requester.send(&last[0], "0").await;
    requester.replies_to(&last).await;
    sign.cancel();
    requester.replies_to(&[SLOW.to_owned()]).await;
    progress.until_lag_is_at_most(0).await;
    let mut counts = handled.counts();
    assert_eq!(counts.remove(SLOW), Some(2));
    let again: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    assert!(again.is_empty(), "handled again: {again:?}");
    assert_eq!(counts.len(), others.len() + last.len());
    second.leave().await;
    stack.stop().await.unwrap();
}

#[tokio::test]
async fn h33_what_is_finished_behind_a_slow_request_is_not_handled_again_after_a_crash() {
    a_crash_repeats_the_slow_one_only("classic").await;
}

#[tokio::test]
async fn h33_apache_kafka_only_nor_is_it_in_a_group_that_the_broker_assigns() {
    a_crash_repeats_the_slow_one_only("consumer").await;
}
