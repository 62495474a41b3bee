//! The service's connection to a store that fails without closing it, or that has become another server: with real
//! servers.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/stores.rs"]
mod stores;
mod support;

use std::time::Duration;

use harness::process::Child;
use harness::service::{Service, ServiceOptions};
#[cfg(feature = "tls")]
use harness::stack::free_port;
use harness::stack::{Stack, StackOptions};
use order_service::order::StoredOrder;
use order_service::store::redis::RedisStore;
use order_service::store::{OrderStore, StoreError};
use rustix::process::Signal;
use stores::{OneAddress, Server, order_service};
use support::requester::{ORDER, Requester};
use uuid::Uuid;

/// Far longer than an answer takes on loopback, so that only silence reaches it.
const PATIENCE: Duration = Duration::from_secs(10);

fn open(url: &str) -> RedisStore {
    RedisStore::open(url, PATIENCE).unwrap()
}

fn order(id: u128) -> StoredOrder {
    let id = Uuid::from_u128(id);
    let text = format!(r#"{{"id":"{id}","items":[{{"sku":"a","count":1}}]}}"#);
    serde_json::from_str(&text).unwrap()
}

/// An error of the server does not replace a connection that is too young.
async fn grow_old() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

/// A master with a replica that is in sync.
async fn pair() -> (Server, Server) {
    let master = Server::start(&[]);
    let port = master.port.to_string();
    let replica = Server::start(&["--replicaof", "127.0.0.1", &port]);
    replica
        .until("INFO replication", "master_link_status:up")
        .await;
    (master, replica)
}

/// The replica becomes the master, and the old one its replica.
async fn fail_over(address: &OneAddress, old: &Server, new: &Server) {
    let () = new.ask("REPLICAOF NO ONE").await;
    let () = old.ask(&format!("REPLICAOF 127.0.0.1 {}", new.port)).await;
    address.now_leads_to(new);
}

#[tokio::test]
async fn h28_an_order_gets_through_after_a_replica_was_promoted_behind_one_address() {
    let (master, replica) = pair().await;
    let address = OneAddress::before(&master).await;
    let store = open(&address.url());
    assert!(store.insert(&order(1)).await.unwrap());
    replica
        .until(&format!("EXISTS order:{}", Uuid::from_u128(1)), "1")
        .await;
    grow_old().await;
    fail_over(&address, &master, &replica).await;
    assert!(store.insert(&order(2)).await.unwrap());
    let found = store.find(Uuid::from_u128(1)).await.unwrap().unwrap();
    assert!(store.replace(&found.version, &order(1)).await.unwrap());
    store.ping().await.unwrap();
}

#[tokio::test]
async fn h28_requests_are_answered_after_a_replica_was_promoted_behind_one_address() {
    let stack = Stack::start(support::stack_kind(), StackOptions::default())
        .await
        .unwrap();
    let requester = Requester::new(&stack, "promoted-", 1).await;
    let (master, replica) = pair().await;
    let address = OneAddress::before(&master).await;
    let service = Service::start(&stack, options("promoted-", &address.url()))
        .await
        .unwrap();
    assert_eq!(requester.ask("before", ORDER).await.status(), "200");
    grow_old().await;
    fail_over(&address, &master, &replica).await;
    assert_eq!(requester.ask("after", ORDER).await.status(), "200");
    assert_eq!(support::get(service.admin(), "/readyz").await.0, 200);
    service.stop().await.unwrap();
    stack.stop().await.unwrap();
}

#[tokio::test]
async fn h28_a_connection_that_the_store_closed_while_idle_costs_no_request() {
    let server = Server::start(&["--timeout", "1"]);
    let store = open(&server.url());
    for id in 0..2 {
        assert!(store.insert(&order(id)).await.unwrap(), "{id}");
        // Only the connection of this question is left.
        server.until("INFO clients", "connected_clients:1\r").await;
    }
    assert!(store.find(Uuid::from_u128(1)).await.unwrap().is_some());
}

/// The other machine's system accepts data, but no program reads it.
#[tokio::test]
async fn h28_a_server_that_froze_is_left_for_the_one_behind_the_same_address() {
    let (frozen, other) = (Server::start(&[]), Server::start(&[]));
    let address = OneAddress::before(&frozen).await;
    let store = RedisStore::open(&address.url(), Duration::from_secs(2)).unwrap();
    assert!(store.insert(&order(1)).await.unwrap());
    frozen.child.signal(Signal::STOP);
    address.now_leads_to(&other);
    assert!(store.insert(&order(2)).await.unwrap());
    frozen.child.signal(Signal::CONT);
}

#[tokio::test]
async fn h28_readiness_is_what_a_write_needs_and_leaves_no_key() {
    let (master, replica) = pair().await;
    let red = open(&replica.url()).ping().await;
    assert!(matches!(red, Err(StoreError::Unavailable(_))), "{red:?}");
    let store = open(&master.url());
    store.ping().await.unwrap();
    for (setting, refuses, serves) in [("maxmemory", "1", "0"), ("min-replicas-to-write", "2", "0")]
    {
        let () = master.ask(&format!("CONFIG SET {setting} {refuses}")).await;
        let red = store.ping().await;
        assert!(
            matches!(red, Err(StoreError::Unavailable(_))),
            "{setting}: {red:?}"
        );
        let () = master.ask(&format!("CONFIG SET {setting} {serves}")).await;
        store.ping().await.unwrap();
    }
    assert_eq!(master.ask::<i64>("DBSIZE").await, 0);
}

#[tokio::test]
async fn h28_a_user_who_lacks_a_right_is_told_which_one_and_needs_no_more_than_those() {
    let server = Server::start(&[]);
    let url = format!("redis://orders:secret@127.0.0.1:{}", server.port);
    let mut all = vec!["eval", "get", "set"];
    let documents = server.has_documents().await;
    if documents {
        all.extend(["del", "exists", "json.get", "json.set", "rename"]);
    }
    for lacking in all.clone() {
        let rights: Vec<String> = all
            .iter()
            .filter(|right| **right != lacking)
            .map(|right| format!("+{right}"))
            .collect();
        let rights = rights.join(" ");
        let () = server
            .ask(&format!(
                "ACL SETUSER orders reset on >secret ~order:* {rights}"
            ))
            .await;
        match open(&url).check().await {
            // Strings are created and read without EVAL.
            Ok(()) if lacking == "eval" && !documents => {
                assert!(open(&url).insert(&order(0)).await.unwrap());
            }
            Err(StoreError::Refused(why)) => {
                assert!(why.contains(&format!("'{lacking}'")), "{why}");
            }
            other => panic!("{lacking}: {other:?}"),
        }
    }
    let rights = format!("+{}", all.join(" +"));
    let () = server
        .ask(&format!(
            "ACL SETUSER orders reset on >secret ~order:* {rights}"
        ))
        .await;
    let store = open(&url);
    store.check().await.unwrap();
    assert!(store.insert(&order(1)).await.unwrap());
    let found = store.find(Uuid::from_u128(1)).await.unwrap().unwrap();
    assert!(store.replace(&found.version, &order(1)).await.unwrap());
    store.ping().await.unwrap();
}

#[tokio::test]
async fn h28_a_node_of_a_cluster_is_refused_by_name_unless_it_has_all_keys() {
    let node = Server::start(&["--cluster-enabled", "yes"]);
    let refused = start(&node.url(), &[]).await;
    assert!(
        refused.contains("--store") && refused.contains("Redis Cluster"),
        "{refused}"
    );
    let () = node.ask("CLUSTER ADDSLOTSRANGE 0 16383").await;
    node.until("CLUSTER INFO", "cluster_state:ok").await;
    let store = open(&node.url());
    store.check().await.unwrap();
    for id in 0..20 {
        assert!(store.insert(&order(id)).await.unwrap());
    }
}

/// Starts a program that ends at its start. Returns its output.
async fn start(store: &str, variables: &[(String, String)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let arguments = ["--store", store, "--log", "warn"];
    let program = order_service();
    let mut child =
        Child::spawn_with("order-service", &program, arguments, variables.into(), &log).unwrap();
    let status = tokio::time::timeout(support::LIMIT, child.wait())
        .await
        .unwrap()
        .unwrap();
    let said = std::fs::read_to_string(&log).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    said
}

fn options(prefix: &str, store: &str) -> ServiceOptions {
    ServiceOptions {
        program: Some(order_service()),
        topic_prefix: prefix.to_owned(),
        store_url: Some(store.to_owned()),
        ..ServiceOptions::default()
    }
}

/// A store that loads a large file when it starts, here for as long as the test wants.
#[tokio::test]
async fn h28_a_store_that_loads_is_waited_for_and_what_is_asked_meanwhile_is_answered() {
    let stack = Stack::start(support::stack_kind(), StackOptions::default())
        .await
        .unwrap();
    let requester = Requester::new(&stack, "loading-", 1).await;
    let server = Server::start(&["--enable-debug-command", "yes"]);
    let () = server.ask("DEBUG POPULATE 40000").await;
    let () = server.ask("SAVE").await;
    let folder = server.stop().await;
    let slowly = [
        "--key-load-delay",
        "2000",
        "--loading-process-events-interval-bytes",
        "1024",
    ];
    let server = Server::start_in(folder, &slowly);
    server.until("INFO persistence", "loading:1").await;

    let mut service = Service::spawn(&stack, &options("loading-", &server.url())).unwrap();
    let admin = service.admin().to_owned();
    support::wait_for("the admin port", || {
        std::net::TcpStream::connect(&admin).is_ok()
    });
    let (status, why) = support::get(&admin, "/readyz").await;
    assert!(status == 503 && why.contains("BusyLoading"), "{why}");
    assert_eq!(support::get(&admin, "/healthz").await.0, 200);
    requester.send("meanwhile", ORDER).await;

    let () = server.ask("CONFIG SET key-load-delay 0").await;
    service
        .until_ready(&tokio_util::sync::CancellationToken::new())
        .await
        .unwrap();
    let reply = requester.next_reply().await;
    assert_eq!(
        (reply.status(), reply.key.as_deref()),
        ("200", Some("meanwhile"))
    );
    service.stop().await.unwrap();
    stack.stop().await.unwrap();
}

/// Needs the programs with the feature `tls`, and a `redis-server` with TLS.
#[cfg(feature = "tls")]
#[tokio::test]
async fn h28_a_store_over_tls_is_reached_if_its_authority_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(folder.path());
    let tls = free_port().unwrap();
    let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
    let _server = Server::start(&[
        "--tls-port",
        &tls.to_string(),
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-auth-clients",
        "no",
    ]);
    let url = format!("rediss://localhost:{tls}");
    let refused = start(&url, &[]).await;
    assert!(
        refused.contains("--store") && refused.contains("certificate"),
        "{refused}"
    );

    let admin = format!("127.0.0.1:{}", free_port().unwrap());
    let log = folder.path().join("log");
    let arguments = [
        "--store",
        &url,
        "--kafka",
        "kafka://127.0.0.1:1",
        "--admin",
        &admin,
    ];
    let known = [("SSL_CERT_FILE".to_owned(), certificate)];
    let mut child = Child::spawn_with(
        "order-service",
        &order_service(),
        arguments,
        known[..].into(),
        &log,
    )
    .unwrap();
    support::wait_for("the admin port", || {
        let ended = child.try_wait().unwrap();
        assert_eq!(ended, None, "{}", std::fs::read_to_string(&log).unwrap());
        std::net::TcpStream::connect(&admin).is_ok()
    });
    // The service checks the store first.
    loop {
        let (_, why) = support::get(&admin, "/readyz").await;
        if why.contains("no assignment") {
            break;
        }
        assert!(why.contains("waiting for the store"), "{why}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    child.stop(Duration::from_secs(20)).await.unwrap();
}

/// A self-signed certificate for `localhost`.
#[cfg(feature = "tls")]
fn certificate(folder: &std::path::Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let (certificate, key) = (folder.join("own.pem"), folder.join("own.key"));
    let made = std::process::Command::new("openssl")
        .args([
            "req", "-x509", "-batch", "-noenc", "-days", "2", "-newkey", "ec",
        ])
        .args([
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-subj",
            "/CN=localhost",
        ])
        .args(["-addext", "subjectAltName=DNS:localhost", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    (certificate, key)
}
