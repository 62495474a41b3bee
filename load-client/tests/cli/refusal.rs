//! What cannot be is told in one line, with the flag and the fix.

use rdkafka::types::RDKafkaRespErr;

use crate::measured::{assert_error, orders, write};
use crate::responder::Responder;
use crate::support::client;

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
    let text = "[[request]]\nname = 'a'\nbody = ''\nheaders = { Reply-To = 'x' }\n";
    let own = write(&folder, "own.toml", text);
    let own = ["--scenario", own.to_str().unwrap()];
    assert_refused(&own, &["--scenario: request a: cannot set reply-to"]);
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
