//! Conditions on the bodies of replies: `--expect-body` and `expect_body`.

use crate::measured::{ERROR, NAME, STATUS, assert_all_ok, assert_error, orders, run, write};
use crate::responder::{Received, Reply, Responder};
use crate::support::client;

/// Answers like the order service, with an open order as the body.
fn open_orders(request: &Received) -> Vec<Reply> {
    let mut replies = orders(request);
    for reply in &mut replies {
        reply.payload = br#"{"id":7,"status":"open"}"#.to_vec();
    }
    replies
}

fn start() -> Responder {
    Responder::start(&["createOrder"], &["createOrder.reply"], open_orders)
}

#[test]
fn a_body_that_fails_a_check_is_a_failure_with_a_name_of_its_own() {
    let (service, folder) = (start(), tempfile::tempdir().unwrap());
    let (prefix, html) = (folder.path().join("stats"), folder.path().join("run.html"));
    let files = [
        "--csv",
        prefix.to_str().unwrap(),
        "--html",
        html.to_str().unwrap(),
    ];
    let checks = [
        "--expect-body",
        "text:status",
        "--expect-body",
        "json:/status=paid",
    ];
    let run = run(&service, &[&checks[..], &files].concat());
    assert_eq!(run.output.status.code(), Some(3), "{:?}", run.output);
    assert!(!run.rows.is_empty());
    for row in &run.rows {
        let told = (&*row[STATUS], &*row[ERROR]);
        assert_eq!(told, ("failed_check", "the body fails json:/status=paid"));
        assert_eq!(row[2], "", "a failure is never a latency");
    }
    let count = run.json["summary"]["outcomes"]["failed_check"].as_u64();
    assert_eq!(count, Some(run.rows.len() as u64));
    let expected = serde_json::json!(["text:status", "json:/status=paid"]);
    assert_eq!(run.json["target"]["wire"]["expect_body"], expected);
    let read = |path| std::fs::read_to_string(path).unwrap();
    let text = String::from_utf8_lossy(&run.output.stdout).into_owned();
    let failures = read(folder.path().join("stats_failures.csv"));
    assert!(
        text.contains(r#"first body: {"id":7,"status":"open"}"#),
        "{text}"
    );
    let body = run.json["summary"]["errors"][0]["first_body"].as_str();
    assert_eq!(body, Some(r#"{"id":7,"status":"open"}"#));
    assert!(
        failures.lines().next().unwrap().ends_with(",First Body"),
        "{failures}"
    );
    assert!(
        failures.contains(r#"{""id"":7,""status"":""open""}"#),
        "{failures}"
    );
    let html = read(html);
    assert!(html.contains("{&#34;id&#34;:7,&#34;status&#34;:&#34;open&#34;}"));
    for shown in [text, failures, html] {
        assert!(
            shown.contains("the body fails json:/status=paid"),
            "{shown}"
        );
    }
}

#[test]
fn checks_of_a_kind_replace_those_of_the_run_and_come_after_the_status() {
    let (service, folder) = (start(), tempfile::tempdir().unwrap());
    let text = "[[request]]\nname = 'own'\nbody = ''\nexpect_body = 'regex:^.\"id\":[0-9]+,'\n\
                [[request]]\nname = 'usual'\nbody = ''\n\
                [[request]]\nname = 'refused'\nbody = ''\nexpect_status = 404\n\
                [[request]]\nname = 'as usual'\nbody = ''\nexpect_status = 201\n";
    let scenario = write(&folder, "mix.toml", text);
    let run = run(
        &service,
        &[
            "--scenario",
            scenario.to_str().unwrap(),
            "--expect-body",
            "text:paid",
        ],
    );
    assert!(run.rows.len() >= 4);
    for row in &run.rows {
        let expected = match &*row[NAME] {
            "own" => "ok",
            "usual" | "as usual" => "failed_check",
            _ => "error_status",
        };
        assert_eq!(row[STATUS], expected);
    }
}

#[test]
fn bodies_that_are_as_expected_change_nothing() {
    let service = start();
    let checks = [
        "--expect-body",
        "json:/id=7",
        "--expect-body",
        "regex:op[e]n",
    ];
    assert_all_ok(&run(&service, &checks));
}

#[test]
fn invalid_checks_are_refused_with_their_flag_or_variable() {
    let host = ["run", "--host", "kafka://127.0.0.1:1"];
    let refused = |arguments: &[&str]| client().args(host).args(arguments).output().unwrap();
    let takes = [
        "'--expect-body <CHECK>': takes text:TEXT",
        "json:/POINTER=VALUE",
    ];
    assert_error(&refused(&["--expect-body", "paid"]), 2, &takes);
    let regex = ["'--expect-body <CHECK>': not a regular expression: unclosed group"];
    assert_error(&refused(&["--expect-body", "regex:("]), 2, &regex);
    let both = ["--expect-body", "text:a", "--publish-only"];
    assert_error(&refused(&both), 2, &["--expect-body", "--publish-only"]);
    let mut by_variable = client();
    by_variable
        .args(host)
        .env("LOAD_CLIENT_EXPECT_BODY", "text:a\npaid");
    let told = by_variable.output().unwrap();
    assert_error(&told, 2, &["'LOAD_CLIENT_EXPECT_BODY': takes text:TEXT"]);
}
