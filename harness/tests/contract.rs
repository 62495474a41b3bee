//! The wire contract with a broker and a store: the replies to good and bad input.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "contract/http.rs"]
mod http;
#[path = "contract/idle.rs"]
mod idle;
#[path = "contract/monitoring.rs"]
mod monitoring;
#[path = "contract/requesters.rs"]
mod requesters;
#[path = "../../order-service/tests/support/contract.rs"]
mod rows;
#[path = "contract/same_answers.rs"]
mod same_answers;
mod support;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use harness::service::{Service, ServiceOptions};
use harness::stack::{Stack, StackOptions, free_port};
use rustix::process::Signal;
use support::requester::{ORDER, Requester};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

async fn stack() -> Stack {
    Stack::start(support::stack_kind(), StackOptions::default())
        .await
        .unwrap()
}

fn options(prefix: &str, arguments: &[&str]) -> ServiceOptions {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_harness")).with_file_name("order-service");
    ServiceOptions {
        program: Some(program),
        topic_prefix: prefix.to_owned(),
        arguments: arguments
            .iter()
            .map(|argument| (*argument).to_owned())
            .collect(),
        ..ServiceOptions::default()
    }
}

#[tokio::test]
async fn a_reply_has_its_headers_in_order_and_the_order_is_stored() {
    let stack = stack().await;
    let requester = Requester::new(&stack, "rows-", 1).await;
    let service = Service::start(&stack, options("rows-", &[])).await.unwrap();

    let good = requester.ask("good", ORDER).await;
    let names = [
        "status-code",
        "content-type",
        "content-length",
        "x-request-id",
    ];
    assert_eq!(good.names(), names);
    assert_eq!(
        (good.status(), good.header("x-request-id")),
        ("200", Some("good"))
    );
    let order: serde_json::Value = serde_json::from_str(&good.body).unwrap();
    let id = order["id"].as_str().unwrap();
    let stored = stack.stored(&format!("order:{id}")).await.unwrap();
    assert!(stored.contains("id-1234"), "{stored}");
    let expected = format!(r#"{{"id":"{id}","items":[{{"sku":"id-1234","count":1}}]}}"#);
    assert_eq!(good.body, expected);

    let bad = requester.ask("bad", "{").await;
    assert_eq!(bad.names(), names);
    assert_eq!(
        (bad.status(), bad.header("x-request-id")),
        ("400", Some("bad"))
    );
    assert_eq!(bad.header("content-type"), Some("application/problem+json"));
    service.stop().await.unwrap();
    stack.stop().await.unwrap();
}

#[tokio::test]
async fn unusual_records_get_their_answer_and_the_next_one_is_served() {
    let stack = stack().await;
    let requester = Requester::new(&stack, "odd-", 1).await;
    let service = Service::start(&stack, options("odd-", &[])).await.unwrap();
    let reply_to = ("reply-to", requester.reply_topic.as_bytes());

    requester.send_raw("null", None, &[reply_to]).await;
    assert_eq!(requester.next_reply().await.status(), "400");

    let text = ("content-type", &b"text/plain"[..]);
    requester
        .send_raw("text", Some(b"{}"), &[reply_to, text])
        .await;
    assert_eq!(requester.next_reply().await.status(), "415");

    // These do not name exactly one header: the request is answered, and nothing is echoed.
    for wish in [
        &b"a: 1\r\nb: 2"[..],
        b"novalue",
        b"a: 1\n folded",
        b"status-code: 599",
        b"",
    ] {
        let wish = ("x-reply-set-header", wish);
        requester
            .send_raw("wish", Some(ORDER.as_bytes()), &[reply_to, wish])
            .await;
        let reply = requester.next_reply().await;
        assert_eq!(reply.status(), "200", "{wish:?}");
        assert_eq!(
            reply.names(),
            ["status-code", "content-type", "content-length"],
            "{wish:?}"
        );
    }

    // Too many headers: the request is answered if the return address is among those that are read.
    let names: Vec<String> = (0..2000).map(|number| format!("x-{number}")).collect();
    let mut many: Vec<(&str, &[u8])> = vec![reply_to];
    many.extend(names.iter().map(|name| (name.as_str(), &b"v"[..])));
    requester
        .send_raw("many", Some(ORDER.as_bytes()), &many)
        .await;
    assert_eq!(requester.next_reply().await.status(), "400");
    many.rotate_left(1);
    requester
        .send_raw("hidden", Some(ORDER.as_bytes()), &many)
        .await;

    // No reply is possible or allowed: nothing comes, and the next record is served.
    requester
        .send_raw("silent", Some(ORDER.as_bytes()), &[])
        .await;
    let own = format!("odd-{}", "createOrder");
    for address in [&own, "__consumer_offsets", "payments", "..", ""] {
        let address = ("reply-to", address.as_bytes());
        requester
            .send_raw("hostile", Some(ORDER.as_bytes()), &[address])
            .await;
    }
    assert_eq!(requester.ask("after", ORDER).await.status(), "200");
    service.stop().await.unwrap();
    stack.stop().await.unwrap();
}

#[tokio::test]
async fn h14_a_reply_topic_that_does_not_exist_is_not_created_and_the_record_is_dead_lettered() {
    let stack = stack().await;
    let requester = Requester::new(&stack, "gone-", 1).await;
    let letters = Requester::new(&stack, "letters-", 1).await;
    let arguments = ["--dead-letter-topic", &letters.reply_topic];
    let service = Service::start(&stack, options("gone-", &arguments))
        .await
        .unwrap();

    let missing = "gone-createOrder.reply.missing";
    let address = ("reply-to", missing.as_bytes());
    requester
        .send_raw("lost", Some(ORDER.as_bytes()), &[address])
        .await;
    let letter = letters.next_reply().await;
    assert_eq!(letter.key.as_deref(), Some("lost"));
    assert_eq!(
        (letter.header("dead-letter-offset"), &*letter.body),
        (Some("0"), ORDER)
    );
    assert!(
        letter
            .header("dead-letter-cause")
            .unwrap()
            .contains(missing),
        "{letter:?}"
    );
    assert!(
        !requester.topic_exists(missing),
        "a return address must not create a topic"
    );
    assert_eq!(requester.ask("after", ORDER).await.status(), "200");
    service.stop().await.unwrap();
    stack.stop().await.unwrap();
}

#[tokio::test]
async fn a_store_that_is_down_is_answered_with_503_until_it_is_back() {
    let stack = stack().await;
    let requester = Requester::new(&stack, "down-", 1).await;
    let folder = tempfile::tempdir().unwrap();
    let port = free_port().unwrap();
    let store = support::start_store(port, folder.path());
    let url = format!("redis://127.0.0.1:{port}");
    let service = Service::start(&stack, options("down-", &["--store", &url]))
        .await
        .unwrap();
    assert_eq!(requester.ask("up", ORDER).await.status(), "200");

    store.stop(Duration::from_secs(10)).await.unwrap();
    let reply = requester.ask("down", ORDER).await;
    assert_eq!(
        (reply.status(), reply.header("x-request-id")),
        ("503", Some("down"))
    );
    assert!(
        !reply.body.contains(&port.to_string()),
        "the store's address is not for requesters: {reply:?}"
    );

    let store = support::start_store(port, folder.path());
    // The service reconnects by itself. How many requests that takes is not part of the contract.
    for attempt in 0.. {
        assert!(
            attempt < 100,
            "the store is back, but the service does not use it"
        );
        if requester
            .ask(&format!("back-{attempt}"), ORDER)
            .await
            .status()
            == "200"
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    service.stop().await.unwrap();
    store.stop(Duration::from_secs(10)).await.unwrap();
    stack.stop().await.unwrap();
}

/// If the timeouts were the other way round, the requester would get 504.
#[tokio::test]
async fn a_store_that_stalls_is_told_within_the_stores_own_timeout_and_logged_as_json() {
    let stack = stack().await;
    let requester = Requester::new(&stack, "stalled-", 1).await;
    let folder = tempfile::tempdir().unwrap();
    let port = free_port().unwrap();
    let store = support::start_store(port, folder.path());
    let url = format!("redis://127.0.0.1:{port}");
    let flags = ["--store", &url, "--log-format", "json"];
    let times = ["--store-timeout", "200ms", "--request-timeout", "1500ms"];
    let flags = [&flags[..], &times].concat();
    let mut service = Service::start(&stack, options("stalled-", &flags))
        .await
        .unwrap();

    store.signal(Signal::STOP);
    let reply = requester.ask("stalled", ORDER).await;
    assert_eq!(reply.status(), "503", "{reply:?}");
    store.signal(Signal::CONT);

    let log = std::fs::read_to_string(service.child().log()).unwrap();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let told =
        |line: &serde_json::Value| line["message"] == "store failed" && line["level"] == "ERROR";
    assert!(lines.iter().any(told), "{log}");
    service.stop().await.unwrap();
    store.stop(Duration::from_secs(10)).await.unwrap();
    stack.stop().await.unwrap();
}

/// Only with `kcat`, an independent client: it sends the seed's headers, and gets the seed's reply.
#[tokio::test]
async fn kcat_gets_the_seeds_reply() {
    let stack = stack().await;
    let requester = Requester::new(&stack, "", 1).await;
    let service = Service::start(&stack, options("", &[])).await.unwrap();

    let brokers = stack.bootstrap_servers();
    let id = "x-reply-set-header=x-request-id:5f0c3c1e-7a51-4d0e-9c57-6ad8b7a1f0d2";
    let mut produce = Command::new("kcat");
    produce.args(["-b", brokers, "-P", "-t", "createOrder"]);
    produce.args(["-H", "reply-to=createOrder.reply", "-H", id]);
    kcat(produce, ORDER).await;

    let mut consume = Command::new("kcat");
    consume.args([
        "-b",
        brokers,
        "-C",
        "-q",
        "-t",
        &requester.reply_topic,
        "-o",
        "beginning",
    ]);
    consume.args(["-c", "1", "-f", "%h|%s"]);
    let printed = kcat(consume, "").await;
    let (headers, body) = printed.split_once('|').unwrap();
    let length = body.len();
    let expected = format!(
        "status-code=200,content-type=application/json,content-length={length},\
         x-request-id=5f0c3c1e-7a51-4d0e-9c57-6ad8b7a1f0d2"
    );
    assert_eq!(headers, expected);
    let order: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(order["items"][0]["sku"], "id-1234");
    service.stop().await.unwrap();
    stack.stop().await.unwrap();
}

/// rdkafka panics when it reads such a name, and cannot write one. The record behind ten of them is answered, and
/// nothing is printed.
#[tokio::test]
async fn h10_kcat_record_with_binary_header_names_is_answered_quietly() {
    let stack = stack().await;
    let requester = Requester::new(&stack, "binary-", 1).await;
    let mut service = Service::start(&stack, options("binary-", &[]))
        .await
        .unwrap();
    let mut produce = Command::new("kcat");
    produce.args([
        "-b",
        stack.bootstrap_servers(),
        "-P",
        "-t",
        "binary-createOrder",
    ]);
    for number in b'0'..=b'9' {
        let header = [b"\xff\xfe", &[number][..], b"=1"].concat();
        produce.arg("-H").arg(OsStr::from_bytes(&header));
    }
    produce.args(["-H", &format!("reply-to={}", requester.reply_topic)]);
    kcat(produce, ORDER).await;
    assert_eq!(requester.next_reply().await.status(), "200");
    let log = service.child().log_tail();
    assert!(!log.contains("panicked"), "{log}");
    service.stop().await.unwrap();
    stack.stop().await.unwrap();
}

async fn kcat(mut command: Command, input: &str) -> String {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command
        .spawn()
        .expect("kcat on PATH: install kcat, or skip this test by name");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .await
        .unwrap();
    let output = tokio::time::timeout(support::LIMIT, child.wait_with_output()).await;
    let output = output.expect("kcat ends within the limit").unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
