//! The requests of scenarios, captured records and placeholders.

mod loads;

use std::collections::BTreeSet;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::measured::{
    ERROR, NAME, STATUS, assert_all_ok, assert_error, orders, run, run_for, write,
};
use crate::responder::Responder;
use crate::support::client;

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
    // One user sends in the order of the wheel. The run may stop in the middle of a turn.
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
    assert_eq!(run.output.status.code(), Some(3));
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

const TAGGED: &str = "[[request]]\nname = 'create'\nbody = ''\ntags = ['write']\n\
                      [[request]]\nname = 'replace'\nbody = ''\ntags = ['write', 'slow']\n\
                      [[request]]\nname = 'find'\nbody = ''\n";

#[test]
fn tags_choose_the_kinds_that_are_sent() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = write(&folder, "mix.toml", TAGGED);
    let service = Responder::start(&["createOrder"], &["createOrder.reply"], orders);
    for (tags, expected) in [
        (&["--tags", "write"][..], &["create", "replace"][..]),
        (&["-E", "slow"], &["create", "find"]),
        (
            &["--tags", "slow,write", "--exclude-tags", "slow"],
            &["create"],
        ),
    ] {
        let arguments = [&["--scenario", scenario.to_str().unwrap()], tags].concat();
        let run = run(&service, &arguments);
        assert_all_ok(&run);
        let sent: BTreeSet<&str> = run.rows.iter().map(|row| &*row[NAME]).collect();
        assert_eq!(Vec::from_iter(sent), expected, "{tags:?}");
    }
}

#[test]
fn tags_that_choose_nothing_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = write(&folder, "mix.toml", TAGGED);
    let start = ["run", "--host", "kafka://127.0.0.1:1"];
    let told = |arguments: &[&str]| client().args(start).args(arguments).output().unwrap();
    let with = ["--scenario", scenario.to_str().unwrap()];
    for (tags, expected) in [
        (
            &["--tags", "wirte"][..],
            "--tags wirte: the scenario has no such tag; it has slow, write",
        ),
        (
            &["--exclude-tags", "x"],
            "--exclude-tags x: the scenario has no such tag",
        ),
        (
            &["--tags", "slow", "--exclude-tags", "write"],
            "--tags and --exclude-tags leave no request",
        ),
        (&["--tags", "a b"], "'--tags <TAGS>': takes letters, digits"),
    ] {
        assert_error(&told(&[&with, tags].concat()), 2, &[expected]);
    }
    assert_error(&told(&["--tags", "write"]), 2, &["--scenario"]);
}

/// The rows are used up long before this time.
const LONG: &str = "10m";

#[test]
fn rows_of_a_feeder_are_sent_once_and_end_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let rows = write(&folder, "rows.csv", "id,name\n1,a\n2,b\n3,c\n");
    let (sender, seen) = channel();
    let service = Responder::start(&["createOrder"], &["createOrder.reply"], move |request| {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let key = text(request.key.as_deref().unwrap_or_default());
        let _ = sender.send((key, text(&request.payload), request.text("n")));
        orders(request)
    });
    let body = r#"{"name":"{csv.name}"}"#;
    let arguments = [
        &[
            "--feeder",
            rows.to_str().unwrap(),
            "--feeder-order",
            "once",
            "--template",
        ][..],
        &[
            "--key",
            "{csv.id}",
            "--header",
            "n={csv.name}",
            "--body",
            body,
        ],
        &["-u", "2", "-r", "100"],
    ];
    let run = run_for(LONG, &service, &arguments.concat());
    assert_all_ok(&run);
    assert_eq!(run.rows.len(), 3);
    assert_eq!(run.json["ended_by"], "exhausted");
    drop(service);
    let mut sent: Vec<_> = seen.iter().collect();
    sent.sort();
    let expected = [("1", "a"), ("2", "b"), ("3", "c")];
    let expected = expected.map(|(id, name)| {
        (
            id.to_owned(),
            format!(r#"{{"name":"{name}"}}"#),
            name.to_owned(),
        )
    });
    assert_eq!(sent, expected);
}

#[test]
fn an_open_loop_ends_with_the_last_row_too() {
    let folder = tempfile::tempdir().unwrap();
    let rows = write(&folder, "rows.csv", "id\n1\n2\n3\n");
    let service = Responder::start(&["createOrder"], &["createOrder.reply"], orders);
    let arguments = ["--feeder", rows.to_str().unwrap(), "--feeder-order", "once"];
    let load = ["--key", "{csv.id}", "--rate", "100/s"];
    let run = run_for(LONG, &service, &[&arguments[..], &load].concat());
    assert_all_ok(&run);
    assert_eq!(run.rows.len(), 3);
    assert_eq!(run.json["ended_by"], "exhausted");
}

#[test]
fn columns_without_a_file_and_files_without_columns_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let rows = write(&folder, "rows.csv", "id,name\n1\n");
    let good = write(&folder, "good.csv", "id,name\n1,a\n");
    let (rows, good) = (rows.to_str().unwrap(), good.to_str().unwrap());
    let start = ["run", "--host", "kafka://127.0.0.1:1"];
    let told = |arguments: &[&str]| client().args(start).args(arguments).output().unwrap();
    for (arguments, expected) in [
        (
            &["--key", "{csv.id}"][..],
            "--key: {csv.id} at byte 1: there is no file of rows",
        ),
        (
            &["--feeder", good, "--key", "{csv.x}"],
            "--key: {csv.x} at byte 1: the feeder's file has the columns id, name",
        ),
        (
            &["--feeder", rows],
            "rows.csv: line 2: 1 field(s) where the header has 2",
        ),
        (
            &["--feeder", "no-such.csv"],
            "--feeder: no-such.csv cannot be read",
        ),
        (
            &["--feeder", good, "--feeder-order", "twice"],
            "takes sequential, random or once",
        ),
        (&["--feeder-order", "once"], "--feeder"),
        (
            &["--feeder", good, "--body", r#"{"a":"{csv.id}"}"#],
            "no {csv.COLUMN} of createOrder uses the rows of its feeder",
        ),
        (
            &["--feeder", good, "--json", good],
            "would write over an input",
        ),
    ] {
        assert_error(&told(arguments), 2, &[expected]);
    }
}

#[test]
fn no_output_replaces_a_file_that_the_scenario_names() {
    let folder = tempfile::tempdir().unwrap();
    let rows = write(&folder, "rows.csv", "id\n1\n");
    let text = "[[request]]\nname = 'a'\nbody = '{csv.id}'\nfeeder = 'rows.csv'\n";
    let scenario = write(&folder, "mix.toml", text);
    let mut command = client();
    command.args(["--host", "kafka://127.0.0.1:1", "-t", "1s", "--scenario"]);
    command.arg(&scenario).arg("--hdr").arg(&rows);
    assert_error(
        &command.output().unwrap(),
        2,
        &["--hdr", "would write over an input"],
    );
    assert_eq!(std::fs::read_to_string(&rows).unwrap(), "id\n1\n");
}
