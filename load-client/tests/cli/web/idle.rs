//! Connections without requests: their cost for the program, and that they delay nothing.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

use super::page::Page;
use crate::support::client;

const CONNECTIONS: usize = 1000;
/// With this limit the program accepts this many connections and some more, because it uses a quarter of its files for
/// them.
const FILES: u64 = 4 * CONNECTIONS as u64 + 96;
/// The most bytes of one connection, in a build that is not optimised.
const MOST_BYTES_EACH: usize = 32 << 10;
const PATIENCE: Duration = Duration::from_secs(60);

/// Raises the soft limit, which the program inherits. On many machines it is 1,024.
fn allow_files() {
    let now = getrlimit(Resource::Nofile);
    if now.current.is_some_and(|own| own < FILES) {
        let maximum = now.maximum;
        let raised = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(FILES),
                maximum,
            },
        );
        raised.expect("ulimit -Hn of 4096, or skip this test by name");
    }
}

fn resident_bytes(pid: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: usize = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kib << 10
}

fn open_files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Returns the number of the next file that the program opens. The limit applies to numbers, and an inherited file may
/// have a high one.
fn next_file(pid: u32) -> u64 {
    let is_free = |number: &u64| !fs::exists(format!("/proc/{pid}/fd/{number}")).unwrap();
    (0..).find(is_free).unwrap()
}

fn send(address: &str, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

#[test]
fn h29_idle_connections_cost_little_are_closed_and_do_not_hold_up_the_end() {
    allow_files();
    let page = Page::open("127.0.0.1:1", &[]);
    assert_eq!(page.get("/").0, 200);
    let host = &page.address;
    let before = resident_bytes(page.id());
    let mut events = send(
        host,
        &format!("GET /events HTTP/1.1\r\nhost: {host}\r\n\r\n"),
    );
    let half = || send(host, "GET / HTTP/1.1\r\nhost:");
    let mut halves: Vec<_> = (0..CONNECTIONS).map(|_| half()).collect();
    let deadline = Instant::now() + PATIENCE;
    while open_files(page.id()) < CONNECTIONS {
        assert!(Instant::now() < deadline, "the connections are not served");
        std::thread::sleep(Duration::from_millis(20));
    }
    let each = resident_bytes(page.id()).saturating_sub(before) / CONNECTIONS;
    assert!(each <= MOST_BYTES_EACH, "{each} bytes a connection");

    let end = halves[0].read(&mut [0; 1]);
    assert_eq!(end.expect("half a request stays open"), 0);
    // A client that reads events is not idle: after the events so far, more arrive.
    events.set_nonblocking(true).unwrap();
    while events.read(&mut [0; 4096]).is_ok_and(|bytes| bytes > 0) {}
    events.set_nonblocking(false).unwrap();
    assert_ne!(events.read(&mut [0; 4096]).unwrap(), 0);

    halves.push(half());
    page.signal();
    let output = page.ended();
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn h29_a_program_without_files_to_open_serves_again_when_it_has_some() {
    let mut child = client()
        .args(["--host", "kafka://127.0.0.1:1", "--web", "127.0.0.1:0"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let (told, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            let _ = told.send(line);
        }
    });
    let next = || lines.recv_timeout(PATIENCE).expect("a line in time");
    let line = next();
    let address = line.split("http://").nth(1).expect(&line);
    let address = address.split(' ').next().unwrap().to_owned();
    // Far below the bound on connections, which the program has computed from its limit at the start.
    let few = next_file(child.id()) + 2;
    let own = Pid::from_child(&child);
    let limit = getrlimit(Resource::Nofile);
    let current = Some(few);
    prlimit(Some(own), Resource::Nofile, Rlimit { current, ..limit }).unwrap();
    let held: Vec<_> = (0..20)
        .map(|_| TcpStream::connect(&address).unwrap())
        .collect();
    let line = next();
    assert!(line.contains("no connection can be accepted"), "{line}");
    drop(held);
    let request = format!("GET / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    let mut stream = send(&address, &request);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
