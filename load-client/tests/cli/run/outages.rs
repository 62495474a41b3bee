//! Brokers that are not reachable, and replies that cannot be read.

use std::process::Child;
use std::time::Duration;

use super::*;

/// Starts a run, and waits for its first request.
fn begin(service: &Service, files: &Files, arguments: &[&str]) -> Child {
    let mut command = service.client();
    command.args(files.arguments()).args(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    service.next_seen();
    child
}

#[test]
fn a_broker_that_stays_away_fails_the_requests_in_flight_at_their_time_out_by_its_cause() {
    let (service, files) = (Service::start(Behaviour::Ignore), Files::new());
    let child = begin(&service, &files, &["-t", "1s", "--timeout", "5s"]);
    service.cluster.broker_down(-1).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_code(&output, 3);
    let rows = rows(&files.csv);
    assert_eq!(rows[0][STATUS], "consumer_failure", "{rows:?}");
    assert!(rows[0][9].contains("createOrder.reply failed"), "{rows:?}");
    assert!(files.json()["duration_seconds"].as_f64() > Some(4.9));
}

#[test]
fn an_outage_that_heals_within_the_time_out_fails_nothing() {
    let (service, files) = (Service::start(Behaviour::Answer("200")), Files::new());
    let child = begin(&service, &files, &["-t", "4s", "--timeout", "60s"]);
    service.cluster.broker_down(-1).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    service.cluster.broker_up(-1).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_code(&output, 0);
    let rows = rows(&files.csv);
    assert!(rows.iter().all(|row| row[STATUS] == "ok"), "{rows:?}");
    let waited = rows
        .iter()
        .map(|row| row[RESPONSE_TIME].parse::<f64>().unwrap());
    assert!(waited.fold(0.0, f64::max) > 900.0);
}

#[test]
fn replies_that_cannot_be_read_fail_by_the_clients_words() {
    let (service, files) = (Service::start(Behaviour::Answer("200")), Files::new());
    let child = begin(&service, &files, &["-t", "2s", "--timeout", "3s"]);
    // Every later fetch fails as for a batch with a wrong checksum.
    let errors = vec![RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_MSG; 100_000];
    service
        .cluster
        .request_errors(RDKafkaApiKey::Fetch, &errors);
    let output = child.wait_with_output().unwrap();
    assert_code(&output, 3);
    let rows = rows(&files.csv);
    let failed: Vec<_> = rows.iter().filter(|row| row[STATUS] != "ok").collect();
    assert!(!failed.is_empty(), "{rows:?}");
    for row in failed {
        assert_eq!(row[STATUS], "consumer_failure", "{rows:?}");
        let told = "createOrder.reply failed: InvalidMessage";
        assert!(row[9].contains(told), "{rows:?}");
    }
    assert_eq!(
        files.json()["summary"]["errors"][0]["status"],
        "consumer_failure"
    );
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("consumer_failure"), "{told}");
}
