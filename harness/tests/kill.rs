//! kill -9 under load: the service is killed at random times while a client sends, and started again. Each request gets
//! a reply, and has exactly one order in the store (hazards H1 and H19).
//!
//! `ROUNDS=20` repeats it. Each round prints the share of replies beyond the first. `SEED` repeats the times of an
//! earlier run.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use harness::service::{Service, ServiceOptions};
use harness::stack::{Stack, StackKind, StackOptions};
use rustix::process::Signal;
use support::requester::{ORDER, Reply, Requester};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

const KILLS: u64 = 3;

/// Random numbers that a seed decides, so that a round can be repeated.
struct Chance {
    seed: u64,
    drawn: u64,
}

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.drawn += 1;
        let mut hasher = DefaultHasher::new();
        (self.seed, self.drawn).hash(&mut hasher);
        hasher.finish() % bound
    }
}

fn seed() -> u64 {
    if let Ok(seed) = std::env::var("SEED") {
        return seed.parse().expect("SEED takes a number");
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::from(now.unwrap().subsec_nanos())
}

fn options(stack: &Stack, dispatch: &str, name: &str) -> ServiceOptions {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_harness")).with_file_name("order-service");
    let mut arguments = vec!["-X".to_owned(), "session.timeout.ms=6000".to_owned()];
    if stack.kind() == StackKind::Native {
        // A static member gets the partitions of its killed predecessor at once, without a wait for the session timeout
        // (KIP-345).
        arguments.extend(["-X".to_owned(), format!("group.instance.id={name}")]);
    }
    ServiceOptions {
        program: Some(program),
        dispatch: Some(dispatch.to_owned()),
        group_id: Some(name.to_owned()),
        topic_prefix: format!("{name}-"),
        arguments,
        ..ServiceOptions::default()
    }
}

/// Sends requests with ten keys until it is stopped. Returns their ids.
async fn load(requester: &Requester, name: &str, stop: &CancellationToken) -> Vec<String> {
    let mut ids = Vec::new();
    while !stop.is_cancelled() {
        // New in each round. Otherwise the keys would be those of an earlier round's orders.
        let id = format!("{name}-{}", ids.len());
        let echo = format!("x-request-id:{id}");
        let headers: [(&str, &[u8]); 3] = [
            ("reply-to", requester.reply_topic.as_bytes()),
            ("x-reply-set-header", echo.as_bytes()),
            ("idempotency-key", id.as_bytes()),
        ];
        let key = format!("key-{}", ids.len() % 10);
        requester
            .send_raw(&key, Some(ORDER.as_bytes()), &headers)
            .await;
        ids.push(id);
        sleep(Duration::from_millis(1)).await;
    }
    ids
}

/// Kills and restarts the service, sometimes while the store does not answer, so that many records are in flight.
async fn kill_repeatedly(stack: &Stack, options: &ServiceOptions, chance: &mut Chance) -> Service {
    let mut service = Service::start(stack, options.clone()).await.unwrap();
    for _ in 0..KILLS {
        sleep(Duration::from_millis(200 + chance.below(1500))).await;
        if chance.below(2) == 0 {
            let pause = 300 + chance.below(1000);
            support::stall(stack, Duration::from_millis(pause));
            sleep(Duration::from_millis(chance.below(pause))).await;
        }
        service.child().signal(Signal::KILL);
        service.child().wait().await.unwrap();
        service = Service::start(stack, options.clone()).await.unwrap();
    }
    service
}

async fn round(stack: &Stack, dispatch: &str, number: usize, seed: u64) {
    let name = format!("kill-{dispatch}-{number}");
    let requester = Requester::new(stack, &format!("{name}-"), 4).await;
    let orders_before = support::order_count(stack).await;
    let mut chance = Chance { seed, drawn: 0 };
    let over = CancellationToken::new();
    let options = options(stack, dispatch, &name);
    let (ids, service) = tokio::join!(load(&requester, &name, &over), async {
        let service = kill_repeatedly(stack, &options, &mut chance).await;
        over.cancel();
        service
    });
    let replies = replies(&requester, &ids).await;
    service.stop().await.unwrap();
    let context = format!("{name}, seed {seed}");
    let orders = orders(&replies, &context);
    for order in &orders {
        let stored = stack.stored(&format!("order:{order}")).await.unwrap();
        assert!(stored.contains("id-1234"), "{context}: {stored}");
    }
    assert_eq!(
        orders.len(),
        ids.len(),
        "{context}: requests shared an order"
    );
    let made = support::order_count(stack).await - orders_before;
    assert_eq!(made, ids.len(), "{context}: orders in the store");
    let extra = requester.replies_in_all() - ids.len() as i64;
    support::tell(&format!(
        "kill -9, {name}: {} requests, {KILLS} kills, {:.3} % of the replies came more than once",
        ids.len(),
        100.0 * extra as f64 / ids.len() as f64
    ));
}

/// Collects replies by their echoed id, until each request has one.
async fn replies(requester: &Requester, ids: &[String]) -> BTreeMap<String, Vec<Reply>> {
    let mut replies: BTreeMap<String, Vec<Reply>> = BTreeMap::new();
    while !ids.iter().all(|id| replies.contains_key(id)) {
        let reply = requester.next_reply().await;
        let id = reply
            .header("x-request-id")
            .expect("the echoed id")
            .to_owned();
        replies.entry(id).or_default().push(reply);
    }
    replies
}

/// Returns the orders in the replies: one for each request, even if it was answered several times.
fn orders(replies: &BTreeMap<String, Vec<Reply>>, context: &str) -> BTreeSet<String> {
    let mut orders = BTreeSet::new();
    for (id, replies) in replies {
        let mut own = BTreeSet::new();
        for reply in replies {
            assert_eq!(reply.status(), "200", "{context}, {id}: {reply:?}");
            let order: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
            own.insert(order["id"].as_str().unwrap().to_owned());
        }
        assert_eq!(own.len(), 1, "{context}: {id} made several orders: {own:?}");
        orders.extend(own);
    }
    orders
}

#[tokio::test]
async fn h1_h19_apache_kafka_only_kill_9_at_random_instants_loses_nothing_and_makes_each_order_once()
 {
    let stack = Stack::start(support::stack_kind(), StackOptions::default())
        .await
        .unwrap();
    let seed = seed();
    support::tell(&format!("SEED={seed}"));
    for number in 0..support::rounds() {
        for dispatch in ["tasks", "keyed"] {
            round(&stack, dispatch, number, seed.wrapping_add(number as u64)).await;
        }
    }
    stack.stop().await.unwrap();
}
