//! Live metrics for a scraper.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Behaviour, Service, client};

/// Only ends a failed test.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts the program. Returns it with the address of its metrics.
fn scraped(service: &Service, arguments: &[&str]) -> (Child, String) {
    let host = format!("kafka://{}", service.cluster.bootstrap_servers());
    let mut command = client();
    command.args(["--host", &host, "-X", "fetch.wait.max.ms=1"]);
    command
        .args(["--prometheus", "127.0.0.1:0"])
        .args(arguments);
    let piped = command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = lines.find_map(|line| {
        let line = line.unwrap();
        let address = line
            .strip_prefix("metrics: http://")?
            .strip_suffix("/metrics");
        Some(address.unwrap().to_owned())
    });
    std::thread::spawn(move || lines.for_each(drop));
    (child, address.unwrap())
}

fn get(address: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    let head = format!("host: {address}\r\nconnection: close\r\n\r\n");
    write!(stream, "GET /metrics HTTP/1.1\r\n{head}").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[test]
fn a_run_is_scraped_while_it_goes_on_in_the_terminal_and_on_the_page() {
    let page = ["--web", "127.0.0.1:0", "--autostart", "--autoquit", "0"];
    for arguments in [&[][..], &page] {
        let service = Service::start(Behaviour::Answer("500"));
        let (mut child, address) = scraped(&service, &[&["-t", "4s"], arguments].concat());
        let failed = r#"load_client_failures_total{kind="createOrder",status="error_status"} "#;
        let begun = Instant::now();
        let answer = loop {
            let answer = get(&address).unwrap_or_default();
            if answer.contains(failed) || begun.elapsed() > PATIENCE {
                break answer;
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let requests = r#"load_client_requests_total{kind="createOrder"} "#;
        for part in [
            "200 OK",
            "text/plain",
            "\nload_client_users 1\n",
            requests,
            failed,
        ] {
            assert!(answer.contains(part), "{part} in {answer}");
        }
        assert_eq!(child.wait().unwrap().code(), Some(3));
    }
}

#[test]
fn an_address_that_is_taken_is_named_with_its_flag() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let host = ["--host", "kafka://127.0.0.1:1", "-t", "1s"];
    let output = client()
        .args(host)
        .args(["--prometheus", &address])
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.starts_with(&format!("error: --prometheus: cannot listen at {address}")),
        "{told}"
    );
    assert_eq!(output.status.code(), Some(1));
}
