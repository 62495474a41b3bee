//! A stack starts, serves, and stops without a trace. An error about a missing part is one clear line.

mod support;

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use harness::programs;
use harness::stack::{Stack, StackOptions, free_port};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rustix::process::Signal;
use support::{Harness, LIMIT, STORES, complaint, stack_kind, wait_for};

#[tokio::test]
async fn a_stack_serves_topics_and_a_store() {
    let stack = Stack::start(stack_kind(), StackOptions::default())
        .await
        .unwrap();
    stack.create_topic("createOrder", 3).await.unwrap();
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", stack.bootstrap_servers())
        .create()
        .unwrap();
    let metadata = consumer.fetch_metadata(Some("createOrder"), LIMIT).unwrap();
    assert_eq!(metadata.topics()[0].partitions().len(), 3);
    let nothing = stack.stored("order:none").await.unwrap_err();
    assert_eq!(nothing.to_string(), "nothing stored at order:none");

    let store = stack.store_url().trim_start_matches("redis://").to_owned();
    assert!(TcpStream::connect(&store).is_ok());
    drop(consumer);
    stack.stop().await.unwrap();
    wait_for("the store's port to close", || {
        TcpStream::connect(&store).is_err()
    });
}

#[tokio::test]
async fn two_stacks_at_a_time_do_not_meet() {
    let start = || Stack::start(stack_kind(), StackOptions::default());
    let (first, second) = (start().await.unwrap(), start().await.unwrap());
    assert_ne!(first.kafka_url(), second.kafka_url());
    assert_ne!(first.store_url(), second.store_url());
    first.stop().await.unwrap();
    second.stop().await.unwrap();
}

#[test]
fn up_prints_the_urls_and_sigterm_or_a_hangup_ends_everything() {
    for signal in [Signal::TERM, Signal::HUP] {
        let harness = Harness::new();
        let port = free_port().unwrap().to_string();
        let up = harness.on_stack("up", &["--kafka-port", &port]);
        let running = harness.start_until(up, "STORE_URL=redis://127.0.0.1:");
        let kafka = format!("KAFKA_URL=kafka://127.0.0.1:{port}");
        assert!(running.output.contains(&kafka), "{:?}", running.output);
        assert_eq!(
            harness.processes(&STORES).len(),
            1,
            "no store among the children"
        );
        running.signal(signal);
        assert!(running.end().success());
        harness.assert_nothing_left();
    }
}

#[test]
fn up_prints_commands_that_work_as_they_stand_those_of_kcat_included() {
    let harness = Harness::new();
    let running = harness.start_until(harness.on_stack("up", &[]), "kcat -C");
    let printed = |program: &str| {
        let lines = running.output.iter();
        let mut lines = lines.filter_map(|line| line.strip_prefix("#   "));
        let line = lines.find(|line| line.contains(program));
        line.unwrap_or_else(|| panic!("{program}: {:?}", running.output))
            .to_owned()
    };
    let shell = |command: &str| {
        let mut shell = Command::new("sh");
        let lines = running.output.iter().filter(|line| !line.starts_with('#'));
        let variables: Vec<_> = lines.map(String::as_str).collect();
        let variables = variables.join("\n");
        shell.args(["-c", &format!("{variables}\nexec {command}")]);
        shell.current_dir(&harness.folder);
        shell
    };
    // Another test may use the port.
    let service = printed("/order-service ").replace(":8000", ":0");
    let log = harness.folder.path().join("service.log");
    let mut service = shell(&service)
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let load = printed("/load-client ").replace("-t 10s", "-t 1s");
    wait_for("replies to the load", || {
        shell(&load).output().unwrap().status.success()
    });
    let replies = || {
        let output = shell(&printed("kcat -C")).output().unwrap();
        let replies = String::from_utf8_lossy(&output.stdout);
        replies.matches("status-code=200").count()
    };
    let before = replies();
    assert!(before > 0, "replies to the load");
    assert!(shell(&printed("kcat -P")).status().unwrap().success());
    wait_for("the reply to kcat's order", || replies() == before + 1);
    support::send(i32::try_from(service.id()).unwrap(), Signal::TERM);
    assert!(service.wait().unwrap().success());
    running.signal(Signal::TERM);
    assert!(running.end().success());
    harness.assert_nothing_left();
}

#[test]
fn even_a_killed_harness_leaves_no_child() {
    if programs::on_path("setpriv").is_none() {
        eprintln!(
            "NOT RUN: without setpriv (util-linux) nothing ends the children of a killed harness"
        );
        return;
    }
    let harness = Harness::new();
    let running = harness.start_until(harness.on_stack("up", &[]), "STORE_URL=");
    running.signal(Signal::KILL);
    running.end();
    harness.assert_nothing_left();
}

#[test]
fn a_store_that_ends_by_itself_ends_the_stack() {
    let harness = Harness::new();
    let running = harness.start_until(harness.on_stack("up", &[]), "STORE_URL=");
    let stores = harness.processes(&STORES);
    assert_eq!(stores.len(), 1, "{stores:?}");
    support::send(stores[0], Signal::KILL);
    assert_eq!(running.end().code(), Some(1));
    harness.assert_nothing_left();
}

#[test]
fn a_missing_store_is_one_line_that_says_what_to_install() {
    let harness = Harness::new();
    let output = harness
        .on_stack("up", &[])
        .env("PATH", harness.folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        complaint(&output),
        "error: no store on PATH: install redis-server (make setup), kvrocks or valkey-server"
    );
}

#[test]
fn a_port_in_use_is_one_line_that_names_the_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let harness = Harness::new();
    let output = harness
        .on_stack("up", &["--store-port", &port])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        complaint(&output),
        format!(
            "error: --store-port {port}: the port is in use; choose another or leave the flag out"
        )
    );
    harness.assert_nothing_left();
}

#[test]
fn an_absent_broker_is_one_line_that_names_the_flag() {
    let harness = Harness::new();
    let arguments = [
        "demo",
        "--kafka",
        "kafka://127.0.0.1:1",
        "--store",
        "redis://u:secret@127.0.0.1:1",
    ];
    let output = harness.command(&arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let complaint = complaint(&output);
    assert!(
        complaint.starts_with("error: --kafka kafka://127.0.0.1:1: no broker answers"),
        "{complaint}"
    );
    assert!(
        !complaint.contains('\n') && !complaint.contains("secret"),
        "{complaint}"
    );
}

#[test]
fn a_missing_jvm_is_one_line_that_says_what_to_install() {
    let Some(store) = STORES
        .iter()
        .find_map(|name| Some((*name, programs::on_path(name)?)))
    else {
        panic!("the stack tests need a store on PATH")
    };
    let harness = Harness::new();
    let only_store = harness.folder.path().join("bin");
    std::fs::create_dir(&only_store).unwrap();
    std::os::unix::fs::symlink(store.1, only_store.join(store.0)).unwrap();
    let mut command = harness.command(&["up", "--stack", "native"]);
    let output = command
        .env("PATH", only_store)
        .env_remove("JAVA_HOME")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let complaint = complaint(&output);
    assert!(
        complaint.starts_with("error: no java on PATH: install a JDK"),
        "{complaint}"
    );
    harness.assert_nothing_left();
}
