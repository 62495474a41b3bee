//! The built program against a service on librdkafka's mock cluster.

use std::path::PathBuf;
use std::process::{Output, Stdio};

use crate::support::{Behaviour, REPLY_TOPIC, Service, rows};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

mod outages;

const STATUS: usize = 3;
const RESPONSE_TIME: usize = 2;
/// Two for each of the three partitions of the reply topic, and two for one partition of the request topic.
const LOOK_UPS_BEFORE_THE_RUN: usize = 8;

struct Files {
    _folder: TempDir,
    csv: PathBuf,
    json: PathBuf,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            csv: folder.path().join("run.csv"),
            json: folder.path().join("run.json"),
            _folder: folder,
        }
    }

    fn arguments(&self) -> [&str; 4] {
        let (csv, json) = (self.csv.to_str().unwrap(), self.json.to_str().unwrap());
        ["--requests-record-file", csv, "--json", json]
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(&self.json).unwrap()).unwrap()
    }

    fn no_part_is_left(&self) -> bool {
        !self.csv.with_extension("csv.part").exists()
    }
}

fn run(service: &Service, files: &Files, arguments: &[&str]) -> Output {
    let mut command = service.client();
    command.args(files.arguments()).args(arguments);
    command.output().unwrap()
}

#[track_caller]
fn assert_code(output: &Output, code: i32) {
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(code), "{stdout}\n{stderr}");
}

#[test]
fn every_request_is_answered_from_the_first_on() {
    let (service, files) = (Service::start(Behaviour::Answer("200")), Files::new());
    let output = run(
        &service,
        &files,
        &["-u", "3", "-r", "100", "-t", "2s", "--timeout", "10s"],
    );
    assert_code(&output, 0);
    let rows = rows(&files.csv);
    assert!(!rows.is_empty());
    assert!(rows.iter().all(|row| row[STATUS] == "ok"), "{rows:?}");
    let first = rows
        .iter()
        .min_by_key(|row| row[5].parse::<u64>().unwrap())
        .unwrap();
    assert!(
        first[RESPONSE_TIME].parse::<f64>().unwrap() > 0.0,
        "the first request is answered"
    );
    assert!(files.no_part_is_left());
    let json = files.json();
    assert_eq!(json["summary"]["outcomes"]["ok"], rows.len());
    assert_eq!(json["ended_by"], "run_time");
    assert_eq!(
        json["client_settings"]["consumer"]["fetch.wait.max.ms"],
        "1"
    );
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("Aggregated") && text.contains("percentiles"),
        "{text}"
    );
    // The CSV and the summary agree on the rate.
    let read = load_client::compare::read_run(&files.csv).unwrap();
    let (read, told) = (
        read.throughput.unwrap(),
        json["summary"]["throughput"].as_f64().unwrap(),
    );
    // serde_json rounds the last digit of a number.
    assert!((read / told - 1.0).abs() < 1e-12, "{read} {told}");
}

#[test]
fn a_fast_reply_is_not_missed_though_offsets_are_slow_to_look_up() {
    let (service, files) = (Service::start(Behaviour::Answer("200")), Files::new());
    // The first end offset and low watermark of each partition succeed. Later ones fail.
    let mut errors = vec![RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR; LOOK_UPS_BEFORE_THE_RUN];
    errors.extend([RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION; 12]);
    service
        .cluster
        .request_errors(RDKafkaApiKey::ListOffsets, &errors);
    let output = run(&service, &files, &["-t", "1s", "--timeout", "10s"]);
    assert_code(&output, 0);
    assert!(!rows(&files.csv).is_empty());
}

#[test]
fn a_request_looks_as_the_wire_contract_says() {
    let (service, files) = (Service::start(Behaviour::Answer("201")), Files::new());
    let output = run(
        &service,
        &files,
        &["-t", "1s", "--body", "{\"a\":1}", "--header", "tenant=blue"],
    );
    assert_code(&output, 0);
    let seen = service.next_seen();
    assert_eq!(
        (seen.key, seen.payload.as_slice()),
        (None, &b"{\"a\":1}"[..])
    );
    let names: Vec<_> = seen.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["reply-to", "tenant", "x-reply-set-header"]);
    assert_eq!(seen.headers[0].1, "createOrder.reply");
    let id = seen.headers[2].1.strip_prefix("x-request-id:").unwrap();
    assert!(uuid::Uuid::parse_str(id).is_ok(), "{id}");
}

#[test]
fn an_error_status_is_a_failure_and_no_latency() {
    for (behaviour, error) in [
        (Behaviour::Answer("500"), "status 500"),
        (
            Behaviour::AnswerWithoutStatus,
            "the reply has no status-code header",
        ),
    ] {
        let (service, files) = (Service::start(behaviour), Files::new());
        let output = run(&service, &files, &["-t", "1s"]);
        assert_code(&output, 3);
        let rows = rows(&files.csv);
        assert!(!rows.is_empty());
        for row in rows {
            assert_eq!(
                (row[STATUS].as_str(), row[RESPONSE_TIME].as_str()),
                ("error_status", "")
            );
            assert_eq!(row[9], error);
        }
        assert!(files.json()["summary"]["total"]["response"].is_null());
        assert!(String::from_utf8_lossy(&output.stdout).contains(error));
    }
}

#[test]
fn silence_is_a_time_out_and_no_latency() {
    let (service, files) = (Service::start(Behaviour::Ignore), Files::new());
    let output = run(&service, &files, &["-t", "1s", "--timeout", "1s"]);
    assert_code(&output, 3);
    let rows = rows(&files.csv);
    assert!(!rows.is_empty());
    for row in rows {
        assert_eq!(
            (row[STATUS].as_str(), row[RESPONSE_TIME].as_str()),
            ("timeout", "")
        );
    }
}

#[test]
fn foreign_records_on_the_reply_topic_are_passed_over() {
    let (service, files) = (
        Service::start(Behaviour::PrecededByHostileRecord),
        Files::new(),
    );
    let output = run(&service, &files, &["-t", "1s"]);
    assert_code(&output, 0);
    assert!(files.json()["unmatched_replies"].as_u64() > Some(0));
}

#[test]
fn kcat_header_name_that_is_no_text_does_not_end_the_reply_consumer() {
    let (service, files) = (Service::start(Behaviour::Answer("200")), Files::new());
    let mut command = service.client();
    let child = command
        .args(files.arguments())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = child.spawn().unwrap();
    service.next_seen();
    // rdkafka cannot write such a name itself.
    service.produce_with_kcat(REPLY_TOPIC, b"\xff\xfe=1");
    // The queue may still have earlier requests. Later requests prove that replies still arrive.
    while service.seen.try_recv().is_ok() {}
    for _ in 0..20 {
        service.next_seen();
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_code(&output, 0);
    assert_eq!(files.json()["unmatched_replies"], 1);
}

#[test]
fn replies_of_before_the_run_are_not_read() {
    let (service, files) = (Service::start(Behaviour::Answer("200")), Files::new());
    assert_code(&run(&service, &files, &["-t", "1s"]), 0);
    assert_code(&run(&service, &files, &["-t", "1s"]), 0);
    assert_eq!(files.json()["unmatched_replies"], 0);
}

#[test]
fn a_missing_topic_is_named_with_its_flag() {
    let service = Service::start(Behaviour::Ignore);
    for (flag, other) in [("--topic", "--reply-topic"), ("--reply-topic", "--topic")] {
        let files = Files::new();
        let output = run(&service, &files, &[flag, "no.such.topic", "-t", "1s"]);
        assert_code(&output, 1);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(
            error.contains("topic no.such.topic does not exist"),
            "{error}"
        );
        assert!(
            error.contains(&format!("change {flag}")) && !error.contains(other),
            "{error}"
        );
        assert!(!files.csv.exists() && files.no_part_is_left());
    }
}

#[test]
fn an_unreachable_broker_is_named_with_its_flag() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let host = format!("kafka://127.0.0.1:{port}");
    let output = crate::support::client()
        .args(["--host", &host, "-t", "1s"])
        .output()
        .unwrap();
    assert_code(&output, 1);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains("no broker answered") && error.contains("--host"),
        "{error}"
    );
}

#[test]
fn publishing_only_needs_no_reply_topic_and_no_service() {
    let (service, files) = (Service::start(Behaviour::Ignore), Files::new());
    let output = run(
        &service,
        &files,
        &[
            "--publish-only",
            "--reply-topic",
            "no.such.topic",
            "-t",
            "1s",
        ],
    );
    assert_code(&output, 0);
    let rows = rows(&files.csv);
    assert!(!rows.is_empty() && rows.iter().all(|row| row[STATUS] == "ok"));
    let seen = service.next_seen();
    assert!(
        seen.headers.iter().all(|(name, _)| name != "reply-to"),
        "{seen:?}"
    );
}

#[test]
fn interrupted_once_it_drains_and_leaves_a_whole_csv() {
    let (service, files) = (Service::start(Behaviour::Answer("200")), Files::new());
    for signal in [Signal::INT, Signal::TERM] {
        let mut command = service.client();
        let child = command
            .args(files.arguments())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = child.spawn().unwrap();
        service.next_seen();
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_code(&output, 0);
        assert!(rows(&files.csv).iter().all(|row| row[STATUS] == "ok"));
        assert!(std::fs::read_to_string(&files.csv).unwrap().ends_with('\n'));
        assert!(files.no_part_is_left());
        assert_eq!(files.json()["ended_by"], "signal");
        // All requests of this client are handled before the next client starts.
        while service.seen.try_recv().is_ok() {}
        std::fs::remove_file(&files.csv).unwrap();
    }
}

#[test]
fn interrupted_twice_it_stops_at_once_and_reports_the_censored() {
    let (service, files) = (Service::start(Behaviour::Ignore), Files::new());
    let mut command = service.client();
    let child = command
        .args(files.arguments())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    service.next_seen();
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::INT).unwrap();
    // Signals of one kind merge, so the second must wait until the program has seen the first.
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("stopping") {
        line.clear();
        assert!(
            std::io::BufRead::read_line(&mut stderr, &mut line).unwrap() > 0,
            "it says that it stops"
        );
    }
    kill_process(pid, Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_code(&output, 130);
    let rows = rows(&files.csv);
    assert_eq!((rows.len(), rows[0][STATUS].as_str()), (1, "censored"));
    assert_eq!(files.json()["summary"]["total"]["censored"], 1);
}
