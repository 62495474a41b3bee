//! The connection to the store, with a server that fails on request: idempotent commands get through, and errors that
//! pass by themselves differ from those that stay.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "store/documents.rs"]
mod documents;
#[path = "support/fake_store.rs"]
mod fake_store;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use fake_store::{Answer, FakeStore, Keys, error};
use http_body_util::BodyExt;
use order_service::app;
use order_service::asyncapi::Deployment;
use order_service::order::StoredOrder;
use order_service::store::redis::RedisStore;
use order_service::store::{OrderStore, StoreError};
use serde_json::Value;
use tower::ServiceExt;
use uuid::Uuid;

const ID: Uuid = Uuid::from_u128(1);
const KEY: &str = "order:00000000-0000-0000-0000-000000000001";
const STORED: &str =
    r#"{"id":"00000000-0000-0000-0000-000000000001","items":[{"sku":"a","count":1}]}"#;

/// Far longer than an answer takes on loopback, so that only silence reaches it.
const PATIENCE: Duration = Duration::from_secs(5);

fn order(id: u128) -> StoredOrder {
    let text = STORED.replace(&ID.to_string(), &Uuid::from_u128(id).to_string());
    serde_json::from_str(&text).unwrap()
}

fn open(server: &FakeStore) -> RedisStore {
    RedisStore::open(&server.url, PATIENCE).unwrap()
}

/// An error of the server does not replace a connection that is too young.
async fn grow_old() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

fn is_write(command: &[&str]) -> bool {
    matches!(command[0], "SET" | "EVAL" | "JSON.SET")
}

/// Another server is behind the address by now, but an open connection still leads to the old one.
#[tokio::test]
async fn h28_a_server_that_became_a_replica_is_left_for_a_new_connection() {
    for told in [
        "READONLY You can't write against a read only replica.",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "ERR Error running script (call to f_1): @user_script:1: -READONLY You can't write against a read only replica.",
    ] {
        let (keys, failed_over) = (Keys::default(), Arc::<AtomicBool>::default());
        let (held, over) = (keys.clone(), failed_over.clone());
        let server = FakeStore::start(move |connection, command: &[&str]| {
            if connection == 0 && over.load(Ordering::SeqCst) && is_write(command) {
                return error(told);
            }
            held.answer(command)
        })
        .await;
        let store = open(&server);
        assert!(store.insert(&order(1)).await.unwrap());
        grow_old().await;
        failed_over.store(true, Ordering::SeqCst);
        assert!(store.insert(&order(2)).await.unwrap(), "{told}");
        let found = store.find(ID).await.unwrap().unwrap();
        assert!(store.replace(&found.version, &order(1)).await.unwrap());
        assert_eq!(server.connections(), 2, "{told}");
    }
}

#[tokio::test]
async fn h28_a_server_that_stays_a_replica_is_not_connected_to_with_each_request() {
    let server = FakeStore::start(move |_, command: &[&str]| {
        if is_write(command) {
            return error("READONLY You can't write against a read only replica.");
        }
        Keys::default().answer(command)
    })
    .await;
    let store = open(&server);
    let begin = std::time::Instant::now();
    for id in 0..200 {
        let refused = store.insert(&order(id)).await;
        assert!(
            matches!(refused, Err(StoreError::Unavailable(_))),
            "{refused:?}"
        );
    }
    // At most one for each quarter of a second.
    let most = begin.elapsed().as_millis() / 250 + 2;
    assert!(server.connections() as u128 <= most);
}

#[tokio::test]
async fn h28_a_connection_that_was_closed_while_idle_costs_no_request() {
    let keys = Keys::default();
    // The server closes each connection after one order, as a server does with an idle one.
    let server = FakeStore::start(move |connection, command: &[&str]| {
        let first_of_it = command[0] != "SET" || command[1].ends_with(&connection.to_string());
        if first_of_it {
            keys.answer(command)
        } else {
            Answer::Close
        }
    })
    .await;
    let store = open(&server);
    for id in 0..3 {
        assert!(store.insert(&order(id)).await.unwrap(), "{id}");
    }
    assert_eq!(server.connections(), 3);
}

/// The connection ends between the write and its answer. The second try finds the order.
#[tokio::test]
async fn h28_a_create_whose_answer_was_lost_is_answered_as_one_order() {
    let (keys, lost) = (Keys::default(), Arc::<AtomicUsize>::default());
    let (held, counted) = (keys.clone(), lost.clone());
    let server = FakeStore::start(move |connection, command: &[&str]| {
        let answer = held.answer(command);
        if connection == 0 && is_write(command) {
            counted.fetch_add(1, Ordering::SeqCst);
            return Answer::Close;
        }
        answer
    })
    .await;
    let store = Arc::new(open(&server));
    let body = r#"{"items":[{"sku":"a","count":1}]}"#;
    let (status, answered) = call(store.clone(), Method::POST, "/orders", body).await;
    assert_eq!(
        (status, lost.load(Ordering::SeqCst)),
        (200, 1),
        "{answered}"
    );
    let id = answered["id"].as_str().unwrap();
    assert!(keys.get(&format!("order:{id}")).is_some());

    let path = format!("/orders/{id}");
    let (status, cancelled) = call(store, Method::DELETE, &path, "").await;
    assert_eq!((status, &cancelled["cancelled"]), (200, &Value::from(true)));
}

#[tokio::test]
async fn h28_a_connection_that_does_not_answer_in_time_is_given_up_for_a_second_try() {
    let (keys, frozen) = (Keys::default(), Arc::<AtomicUsize>::default());
    let (held, silent) = (keys.clone(), frozen.clone());
    let server = FakeStore::start(move |connection, command: &[&str]| {
        if connection < silent.load(Ordering::SeqCst) {
            return Answer::Freeze;
        }
        held.answer(command)
    })
    .await;
    let patience = Duration::from_secs(1);
    let store = RedisStore::open(&server.url, patience).unwrap();
    assert!(store.insert(&order(1)).await.unwrap());
    frozen.store(1, Ordering::SeqCst);
    assert!(store.insert(&order(2)).await.unwrap());
    assert_eq!(server.connections(), 2);
    // Both tries get no answer.
    frozen.store(3, Ordering::SeqCst);
    let begin = std::time::Instant::now();
    let late = store.insert(&order(3)).await;
    assert!(matches!(late, Err(StoreError::Unreachable(_))), "{late:?}");
    assert!(begin.elapsed() >= patience, "{:?}", begin.elapsed());
    assert!(store.insert(&order(3)).await.unwrap());
    assert_eq!(server.connections(), 4);
}

#[tokio::test]
async fn h28_a_store_that_loads_is_waited_for_and_one_that_lacks_a_command_is_not() {
    let loading = "LOADING Redis is loading the dataset in memory";
    let rows = [
        ("SET", loading, None),
        ("EVAL", loading, None),
        (
            "SET",
            "OOM command not allowed when used memory > 'maxmemory'.",
            None,
        ),
        ("SET", "NOREPLICAS Not enough good replicas to write.", None),
        (
            "SET",
            "READONLY You can't write against a read only replica.",
            None,
        ),
        ("GET", "NOAUTH Authentication required.", Some("NOAUTH")),
        (
            "SET",
            "MOVED 866 127.0.0.1:7001",
            Some("proxy that follows"),
        ),
        (
            "EVAL",
            "CROSSSLOT Keys in request don't hash to the same slot",
            Some("proxy that follows"),
        ),
    ];
    for (refused, told, named) in rows {
        let keys = Keys::default();
        let server = FakeStore::start(move |_, command: &[&str]| {
            if command[0] == refused {
                return error(told);
            }
            keys.answer(command)
        })
        .await;
        let checked = open(&server).check().await;
        match (named, checked) {
            (None, Err(StoreError::Unavailable(_))) => {}
            (Some(named), Err(StoreError::Refused(why))) => {
                assert!(why.contains(named), "{told}: {why}");
            }
            (_, other) => panic!("{told}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn h28_a_database_that_the_server_does_not_have_is_not_waited_for() {
    let keys = Keys::default();
    let mut server = FakeStore::start(move |_, command: &[&str]| match command[0] {
        "SELECT" => error("ERR DB index is out of range"),
        _ => keys.answer(command),
    })
    .await;
    server.url.push_str("/99");
    match open(&server).check().await {
        Err(StoreError::Refused(why)) => assert!(why.contains("out of range"), "{why}"),
        other => panic!("{other:?}"),
    }
}

/// A proxy that knows only the commands that an order needs. For the others it has its own error texts.
#[tokio::test]
async fn h28_a_proxy_serves_without_the_commands_that_orders_do_not_need() {
    for told in [
        "unsupported command 'x'",
        "ERR unsupported command 'x'",
        "ERR unknown command 'x'",
    ] {
        let keys = Keys::default();
        let server = FakeStore::start(move |_, command: &[&str]| match command[0] {
            "GET" | "SET" | "EVAL" => keys.answer(command),
            _ => error(told),
        })
        .await;
        let store = open(&server);
        store.check().await.unwrap();
        assert!(store.insert(&order(1)).await.unwrap());
        let found = store.find(ID).await.unwrap().unwrap();
        assert!(store.replace(&found.version, &order(1)).await.unwrap());
        store.ping().await.unwrap();
    }
}

#[tokio::test]
async fn h28_a_cluster_of_several_shards_is_refused_by_name_and_one_of_one_is_served() {
    for (shards, served, is_down) in [
        (3, false, false),
        (0, false, false),
        // With documents, the command that asks for them is refused first.
        (0, false, true),
        (1, true, false),
    ] {
        let keys = Keys::default();
        let server = FakeStore::start(move |_, command: &[&str]| match command[0] {
            "JSON.GET" if is_down => error("CLUSTERDOWN Hash slot not served"),
            "CLUSTER" => {
                let about = format!("cluster_state:ok\r\ncluster_size:{shards}\r\n");
                Answer::Send(format!("${}\r\n{about}\r\n", about.len()))
            }
            _ => keys.answer(command),
        })
        .await;
        match open(&server).check().await {
            Ok(()) => assert!(served, "{shards}"),
            Err(StoreError::Refused(why)) if !served => {
                assert!(why.contains("Redis Cluster"), "{why}");
            }
            other => panic!("{shards}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_store_that_runs_no_scripts_still_creates_and_reads_orders_that_are_strings() {
    for told in [
        "NOPERM User orders has no permissions to run the 'eval' command or its subcommand",
        "ERR unknown command 'EVAL', with args beginning with:",
        "unsupported command 'eval'",
    ] {
        let keys = Keys::default();
        let server = FakeStore::start(move |_, command: &[&str]| match command[0] {
            "EVAL" => error(told),
            _ => keys.answer(command),
        })
        .await;
        let store = Arc::new(open(&server));
        store.check().await.unwrap();
        let body = r#"{"items":[{"sku":"a","count":1}]}"#;
        let (status, created) = call(store.clone(), Method::POST, "/orders", body).await;
        assert_eq!(status, 200, "{created}");
        let path = format!("/orders/{}", created["id"].as_str().unwrap());
        assert_eq!(call(store.clone(), Method::GET, &path, "").await.0, 200);
        assert_eq!(call(store, Method::DELETE, &path, "").await.0, 500);
    }
}

#[tokio::test]
async fn h28_readiness_asks_for_a_write_and_leaves_nothing() {
    let complaints = [
        "ERR new objects must be created at the root",
        "SYNTAXERR A new Valkey key's path must be root",
    ];
    for (documents, complaint) in [(false, ""), (true, complaints[0]), (true, complaints[1])] {
        let (keys, replica) = (Keys::default(), Arc::<AtomicBool>::default());
        keys.set_documents(documents);
        let (held, read_only) = (keys.clone(), replica.clone());
        let server = FakeStore::start(move |_, command: &[&str]| {
            if read_only.load(Ordering::SeqCst) && is_write(command) {
                return error("READONLY You can't write against a read only replica.");
            }
            match command[0] {
                "JSON.SET" if documents => error(complaint),
                _ => held.answer(command),
            }
        })
        .await;
        let store = open(&server);
        store.ping().await.unwrap();
        assert_eq!(keys.get("order:probe"), None);
        replica.store(true, Ordering::SeqCst);
        let red = store.ping().await;
        assert!(matches!(red, Err(StoreError::Unavailable(_))), "{red:?}");
    }
}

async fn call(store: Arc<RedisStore>, method: Method, path: &str, body: &str) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap();
    let router = app::router(store, 1 << 20, &Deployment::default());
    let response = router.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}
