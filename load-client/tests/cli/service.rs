//! Services of other makes, and scenarios, by the built program.

use std::path::PathBuf;
use std::process::Output;
use std::sync::mpsc::channel;
use std::time::Duration;

use rdkafka::types::RDKafkaRespErr;
use tempfile::TempDir;

use crate::responder::{Received, Reply, Responder};
use crate::support::{client, rows};

const NAME: usize = 1;
const STATUS: usize = 3;
const ERROR: usize = 9;
/// Long enough for a reply on a busy machine, far from what a test takes.
const PATIENCE: [&str; 2] = ["--timeout", "20s"];

struct Run {
    output: Output,
    rows: Vec<Vec<String>>,
    json: serde_json::Value,
}

/// A run of one second.
fn run(service: &Responder, arguments: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let (csv, json) = (
        folder.path().join("run.csv"),
        folder.path().join("run.json"),
    );
    let mut command = service.client();
    command.args(["-t", "1s"]).args(PATIENCE).args(arguments);
    command.arg("--requests-record-file").arg(&csv);
    let output = command.arg("--json").arg(&json).output().unwrap();
    let text = std::fs::read(&json);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let text = text.unwrap_or_else(|_| panic!("no report: {stderr}"));
    Run {
        rows: rows(&csv),
        json: serde_json::from_slice(&text).unwrap(),
        output,
    }
}

#[track_caller]
fn assert_all_ok(run: &Run) {
    assert_eq!(run.output.status.code(), Some(0), "{:?}", run.output);
    assert!(!run.rows.is_empty());
    assert!(
        run.rows.iter().all(|row| row[STATUS] == "ok"),
        "{:?}",
        run.rows
    );
}

#[track_caller]
fn assert_error(output: &Output, code: i32, parts: &[&str]) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{told}");
    for part in parts {
        assert!(told.contains(part), "{part} is not in: {told}");
    }
}

/// Answers as a `@KafkaListener` with `@SendTo` does: the id's bytes, to the given partition.
fn spring(request: &Received) -> Vec<Reply> {
    let partition = request.bytes("kafka_replyPartition");
    let id = request.bytes("kafka_correlationId");
    assert_eq!(id.len(), 16, "not text");
    let reply = |partition, more: Option<(&'static str, Vec<u8>)>| {
        let correlation = ("kafka_correlationId", id.clone());
        Reply {
            topic: request.text("kafka_replyTopic"),
            partition: Some(partition),
            payload: b"{}".to_vec(),
            headers: std::iter::once(correlation).chain(more).collect(),
            ..Reply::default()
        }
    };
    let asked = i32::from_be_bytes(partition.try_into().unwrap());
    // Were other partitions read, this would fail the request.
    let decoy = ("kafka_exception-message", b"not yours".to_vec());
    vec![reply(0, Some(decoy)), reply(asked, None)]
}

#[test]
fn a_spring_service_unchanged() {
    let service = Responder::start(&["orders"], &["orders.reply"], spring);
    let topics = ["--topic", "orders", "--reply-topic", "orders.reply"];
    let more = ["--profile", "spring", "--reply-partition", "2"];
    let run = run(&service, &[topics, more].concat());
    assert_all_ok(&run);
    assert_eq!(
        run.json["unmatched_replies"], 0,
        "other partitions are not read"
    );
    let wire = &run.json["target"]["wire"];
    assert_eq!(wire["correlation"], "header:kafka_correlationId");
    assert_eq!(wire["correlation_format"], "uuid-bytes");
}

fn faststream(request: &Received) -> Vec<Reply> {
    let id = request.text("correlation_id");
    assert!(uuid::Uuid::parse_str(&id).is_ok(), "{id}");
    vec![Reply {
        topic: request.text("reply_to"),
        payload: b"done".to_vec(),
        headers: vec![
            ("correlation_id", id.into_bytes()),
            ("content-type", b"text/plain".to_vec()),
        ],
        ..Reply::default()
    }]
}

#[test]
fn a_faststream_service_unchanged() {
    let service = Responder::start(&["orders"], &["answers"], faststream);
    let topics = ["--topic", "orders", "--reply-topic", "answers"];
    let run = run(
        &service,
        &[&topics[..], &["--profile", "faststream"]].concat(),
    );
    assert_all_ok(&run);
}

#[test]
fn an_error_of_a_nest_service_is_a_failure() {
    let service = Responder::start(&["sum"], &["sum.reply"], |request| {
        assert_eq!(request.text("kafka_replyPartition"), "1");
        vec![Reply {
            topic: request.text("kafka_replyTopic"),
            partition: Some(1),
            headers: vec![
                ("kafka_correlationId", request.bytes("kafka_correlationId")),
                ("kafka_nest-err", b"{\"status\":\"error\"}".to_vec()),
                ("kafka_nest-is-disposed", vec![0]),
            ],
            ..Reply::default()
        }]
    });
    let topics = ["--topic", "sum", "--reply-topic", "sum.reply"];
    let more = ["--profile", "nest", "--reply-partition", "1"];
    let run = run(&service, &[topics, more].concat());
    assert_eq!(run.output.status.code(), Some(1));
    assert!(!run.rows.is_empty());
    for row in &run.rows {
        assert_eq!(row[STATUS], "error_status");
        assert_eq!(row[ERROR], "kafka_nest-err: {\"status\":\"error\"}");
    }
}

#[test]
fn ids_in_the_key_and_in_the_body() {
    // Takes the id from the key and answers with it in the body.
    let service = Responder::start(&["orders"], &["answers"], |request| {
        let id = String::from_utf8(request.key.clone().unwrap()).unwrap();
        assert_eq!(id.len(), 32, "hex");
        vec![Reply {
            topic: request.text("answer-to"),
            payload: format!(r#"{{"meta":{{"of":"{id}"}}}}"#).into_bytes(),
            ..Reply::default()
        }]
    });
    let topics = ["--topic", "orders", "--reply-topic", "answers"];
    let options = [
        "--correlation",
        "key",
        "--reply-correlation",
        "payload:/meta/of",
        "--correlation-format",
        "hex",
        "--reply-to-header",
        "answer-to",
        "--status-header",
        "none",
    ];
    assert_all_ok(&run(&service, &[&topics[..], &options].concat()));
}

#[test]
fn an_id_in_the_request_body() {
    let service = Responder::start(&["orders"], &["answers"], |request| {
        let body: serde_json::Value = serde_json::from_slice(&request.payload).unwrap();
        assert_eq!(body["sku"], "a");
        vec![Reply {
            topic: request.text("reply_to"),
            key: Some(body["meta"]["id"].as_str().unwrap().into()),
            ..Reply::default()
        }]
    });
    let topics = ["--topic", "orders", "--reply-topic", "answers"];
    let options = [
        "--profile",
        "faststream",
        "--correlation",
        "payload:/meta/id",
        "--reply-correlation",
        "key",
        "--body",
        r#"{"sku":"a"}"#,
    ];
    assert_all_ok(&run(&service, &[&topics[..], &options].concat()));
}

/// The order service: 201 for an order, 404 for one that is looked for.
fn orders(request: &Received) -> Vec<Reply> {
    let echo = request.text("x-reply-set-header");
    let (_, id) = echo.split_once(':').unwrap();
    let status = if request.topic == "createOrder" {
        "201"
    } else {
        "404"
    };
    vec![Reply {
        topic: request.text("reply-to"),
        headers: vec![("status-code", status.into()), ("x-request-id", id.into())],
        ..Reply::default()
    }]
}

fn write(folder: &TempDir, name: &str, content: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

#[test]
fn a_scenario_sends_its_kinds_in_their_shares() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = write(
        &folder,
        "mix.toml",
        r#"
            [[request]]
            name = "create"
            weight = 3
            body = '{"id":"{uuid}","number":{counter}}'
            key = "customer-{user}"
            expect_status = 201

            [[request]]
            name = "find"
            topic = "findOrder"
            reply_topic = "findOrder.reply"
            body = "{random:1:100}"
            headers = { tenant = "blue" }
            expect_status = "404"
        "#,
    );
    let (sender, seen) = channel();
    let topics = ["createOrder", "findOrder"];
    let replies = ["createOrder.reply", "findOrder.reply"];
    let service = Responder::start(&topics, &replies, move |request| {
        let text = String::from_utf8(request.payload.clone()).unwrap();
        let _ = sender.send((request.topic.clone(), text, request.key.clone()));
        if request.topic == "findOrder" {
            assert_eq!(request.text("reply-to"), "findOrder.reply");
            assert_eq!(request.text("tenant"), "blue");
        }
        orders(request)
    });
    let run = run(&service, &["--scenario", scenario.to_str().unwrap()]);
    assert_all_ok(&run);
    let creates = run.rows.iter().filter(|row| row[NAME] == "create").count();
    let finds = run.rows.iter().filter(|row| row[NAME] == "find").count();
    assert_eq!(creates + finds, run.rows.len());
    // One user: the order is that of the wheel, which may stop in the midst of a turn.
    assert!(creates.abs_diff(finds * 3) <= 3, "{creates} {finds}");
    assert!(run.json["target"]["body_bytes"].is_null());
    drop(service);
    let seen: Vec<_> = seen.iter().collect();
    assert_eq!(seen.len(), run.rows.len());
    let (_, text, key) = &seen[0];
    let body: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(body["number"], 1);
    assert_eq!(key.as_deref(), Some(&b"customer-0"[..]));
    for (topic, text, _) in &seen {
        if topic == "findOrder" {
            assert!((1..=100).contains(&text.parse::<i32>().unwrap()), "{text}");
        }
    }
}

#[test]
fn an_answer_of_another_status_is_a_failure_of_its_kind_alone() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[[request]]\nname = 'create'\nbody = ''\n[[request]]\nname = 'find'\ntopic = 'findOrder'\nbody = ''\n";
    let scenario = write(&folder, "mix.toml", text);
    let topics = ["createOrder", "findOrder"];
    let service = Responder::start(&topics, &["createOrder.reply"], orders);
    let run = run(&service, &["--scenario", scenario.to_str().unwrap()]);
    assert_eq!(run.output.status.code(), Some(1));
    for row in &run.rows {
        let expected = match &*row[NAME] {
            "create" => ("ok", ""),
            _ => ("error_status", "status 404"),
        };
        assert_eq!((&*row[STATUS], &*row[ERROR]), expected);
    }
    assert!(run.rows.iter().any(|row| row[NAME] == "find"));
}

#[test]
fn captured_records_are_sent_again_with_the_return_address_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let captured = concat!(
        r#"{"topic":"x","partition":0,"offset":0,"tstype":"create","ts":1,"broker":0,"headers":["reply-to","old.reply","x-reply-set-header","x-request-id:old","trace","7"],"key":"k","payload":"first {uuid}"}"#,
        "\n",
        r#"{"topic":"x","partition":0,"offset":1,"tstype":"create","ts":1,"broker":0,"key":null,"payload":"second"}"#,
        "\n"
    );
    let file = write(&folder, "captured", captured);
    let (sender, seen) = channel();
    let service = Responder::start(&["createOrder"], &["createOrder.reply"], move |request| {
        let trace = request.headers.get("trace").cloned();
        let _ = sender.send((request.payload.clone(), request.key.clone(), trace));
        orders(request)
    });
    assert_all_ok(&run(&service, &["--body-lines", file.to_str().unwrap()]));
    let next = || seen.recv_timeout(Duration::from_secs(60)).unwrap();
    let first = (
        b"first {uuid}".to_vec(),
        Some(b"k".to_vec()),
        Some(b"7".to_vec()),
    );
    assert_eq!(next(), first);
    assert_eq!(next(), (b"second".to_vec(), None, None));
    assert_eq!(next(), first, "around again");
}

#[test]
fn placeholders_of_the_command_line() {
    let (sender, seen) = channel();
    let service = Responder::start(&["createOrder"], &["createOrder.reply"], move |request| {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let key = text(request.key.as_deref().unwrap_or_default());
        let _ = sender.send((text(&request.payload), key, request.text("n")));
        orders(request)
    });
    let options = [
        "--key",
        "{counter}",
        "--header",
        "n={counter}",
        "--body",
        r#"{"n":"{counter}"}"#,
    ];
    let (one, literal) = ("1".to_owned(), "{counter}".to_owned());
    assert_all_ok(&run(&service, &options));
    let first = seen.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(
        first,
        (r#"{"n":"{counter}"}"#.to_owned(), one.clone(), literal)
    );
    while seen.try_recv().is_ok() {}
    assert_all_ok(&run(&service, &[&options[..], &["--template"]].concat()));
    let first = seen.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(first, (r#"{"n":"1"}"#.to_owned(), one.clone(), one));
}

/// The command line is refused: exit code 2, and all parts in the message.
#[track_caller]
fn assert_refused(arguments: &[&str], parts: &[&str]) {
    let mut command = client();
    command.args(["run", "--host", "kafka://127.0.0.1:1"]);
    assert_error(&command.args(arguments).output().unwrap(), 2, parts);
}

#[test]
fn files_that_cannot_be_used_are_named_with_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[[request]]\nname = 'a'\nbody = '{uid}'\n";
    let scenario = write(&folder, "mix.toml", text);
    let scenario = scenario.to_str().unwrap();
    let place = format!("--scenario: {scenario}:3:8: unknown placeholder");
    assert_refused(&["--scenario", scenario], &[&place, "{uuid}"]);
    let both = ["--scenario", scenario, "--body", "{}"];
    assert_refused(&both, &["--scenario", "--body"]);
    let missing = "--scenario: no/such.toml cannot be read";
    assert_refused(&["--scenario", "no/such.toml"], &[missing]);
    let missing = "--body-lines: no/such cannot be read";
    assert_refused(&["--body-lines", "no/such"], &[missing]);
}

#[test]
fn contradictions_are_said_before_anything_is_sent() {
    for (arguments, parts) in [
        (
            "--profile spring --expect-status 200",
            ["--expect-status", "--status-header"],
        ),
        (
            "--profile spring --header kafka_replyTopic=x",
            ["--header", "cannot set kafka_replyTopic"],
        ),
        (
            "--reply-partition 1",
            ["--reply-partition", "--reply-partition-header"],
        ),
        ("--profile kafka", ["--profile", "faststream"]),
        (
            "--correlation body",
            ["--correlation", "payload:/JSON/POINTER"],
        ),
        ("--correlation key --key x", ["--key", "--correlation"]),
        (
            "--correlation payload:/id --body []",
            ["--correlation", "no JSON object"],
        ),
        (
            "--own-reply-topic --reply-topic x",
            ["--own-reply-topic", "--reply-topic"],
        ),
        ("--own-reply-topic 0", ["--own-reply-topic", "0"]),
        (
            "--template --body \"{uid}\"",
            ["--body", "unknown placeholder {uid}"],
        ),
    ] {
        let arguments: Vec<_> = arguments.split(' ').collect();
        assert_refused(&arguments, &parts);
    }
}

fn fails(service: &Responder, arguments: &[&str], parts: &[&str]) {
    let mut command = service.client();
    let output = command.args(["-t", "1s"]).args(arguments).output();
    assert_error(&output.unwrap(), 1, parts);
}

#[test]
fn a_reply_topic_without_permission_is_named() {
    let service = Responder::start(&["createOrder"], &["createOrder.reply"], orders);
    let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    let refused = service.cluster.topic_error("createOrder.reply", refusal);
    refused.unwrap();
    fails(
        &service,
        &[],
        &[
            "createOrder.reply cannot be used",
            "authorization",
            "--reply-topic",
        ],
    );
}

#[test]
fn topics_and_partitions_of_a_scenario_are_checked_before_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[[request]]\nname = 'find'\ntopic = 'noSuchTopic'\nbody = ''\n";
    let scenario = write(&folder, "mix.toml", text);
    let service = Responder::start(&["createOrder"], &["createOrder.reply"], orders);
    let scenario = ["--scenario", scenario.to_str().unwrap()];
    fails(
        &service,
        &scenario,
        &["topic noSuchTopic does not exist", "the scenario's topic"],
    );
    let partition = ["--profile", "nest", "--reply-partition", "3"];
    fails(
        &service,
        &partition,
        &["createOrder.reply has no partition 3", "--reply-partition"],
    );
}

#[test]
fn an_own_reply_topic_that_cannot_be_created_is_named_with_its_flag() {
    // The mock cluster creates no topics on demand.
    let service = Responder::start(&["createOrder"], &[], orders);
    let parts = [
        "--own-reply-topic: load-client.reply.",
        "could not be created",
    ];
    fails(&service, &["--own-reply-topic"], &parts);
}
