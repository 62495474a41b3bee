//! A refused command line gets one line, with the flag and the fix.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use rdkafka::types::RDKafkaRespErr;

use crate::measured::{assert_error, orders, write};
use crate::responder::Responder;
use crate::support::client;

/// Asserts that the command line is refused with exit code 2, and that the message has all parts.
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
            "--header Reply-To=x",
            ["cannot set reply-to", "use --reply-topic"],
        ),
        (
            "--correlation header:id --header ID=x",
            ["cannot set id", "use --correlation"],
        ),
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
            ["--correlation", "not a JSON object"],
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
    // The mock cluster does not create topics on demand.
    let service = Responder::start(&["createOrder"], &[], orders);
    let parts = [
        "--own-reply-topic: createOrder.reply.load-client-",
        "could not be created",
    ];
    fails(&service, &["--own-reply-topic"], &parts);
}

/// Starts a broker that answers, and gives itself a name that nobody can resolve. The oldest protocol is enough for
/// that.
fn broker_with_a_wrong_name() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            // The connection lives as long as the test.
            std::thread::spawn(move || while answer_metadata(&mut connection).is_ok() {});
        }
    });
    port
}

/// Reads one request, and answers it like a request for metadata, in version 0.
fn answer_metadata(connection: &mut TcpStream) -> std::io::Result<()> {
    let mut length = [0; 4];
    connection.read_exact(&mut length)?;
    let mut request = vec![0; u32::from_be_bytes(length) as usize];
    connection.read_exact(&mut request)?;
    let mut answer = request[4..8].to_vec();
    let text = |text: &str| [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat();
    let number = |number: i32| number.to_be_bytes();
    answer.extend([number(1), number(7)].concat());
    answer.extend(text("no-such-host.invalid"));
    answer.extend([number(9092), number(2)].concat());
    for topic in ["createOrder", "createOrder.reply"] {
        answer.extend([0, 0]);
        answer.extend(text(topic));
        answer.extend(number(1));
        answer.extend([0, 0]);
        // Partition, leader, replicas, and in-sync replicas.
        answer.extend([0, 7, 1, 7, 1, 7].map(number).concat());
    }
    connection.write_all(&(answer.len() as u32).to_be_bytes())?;
    connection.write_all(&answer)
}

#[test]
fn a_broker_that_advertises_a_name_that_does_not_resolve_is_named() {
    let host = format!("kafka://127.0.0.1:{}", broker_with_a_wrong_name());
    let oldest = ["api.version.request=false", "broker.version.fallback=0.8.2"];
    for more in [&[][..], &["--publish-only"]] {
        let mut command = client();
        command.args(["--host", &host, "-t", "1s"]).args(more);
        let output = command
            .args(oldest.iter().flat_map(|own| ["-X", own]))
            .output()
            .unwrap();
        let parts = [
            "no-such-host.invalid:9092",
            "advertised.listeners",
            "createOrder",
        ];
        assert_error(&output, 1, &parts);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!told.contains("--reply-topic"), "{told}");
    }
}
