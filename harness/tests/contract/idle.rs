//! HTTP connections that send no request, or half of one.

use std::fs;

use harness::service::Service;
use harness::stack::free_port;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::support::{LIMIT, requester::Requester, wait_for};
use super::{options, stack};

const CONNECTIONS: usize = 1000;
/// The limit of open files. The service uses a quarter of it for connections.
const FILES: u64 = 4 * CONNECTIONS as u64 + 96;
/// Connections to open at once: fewer than the queue of the listener has places.
const BATCH: usize = 250;
/// Most memory of one connection, in a build that is not optimised.
const MOST_BYTES_EACH: usize = 32 << 10;
const HALF_A_REQUEST: &[u8] = b"GET /openapi.json HTTP/1.1\r\nhost:";

/// Raises the soft limit, which the service inherits. It is 1,024 on many machines.
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

/// A connection after one answered request.
async fn answered(http: &str) -> TcpStream {
    let mut stream = TcpStream::connect(http).await.unwrap();
    let request = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = [0; 12];
    let read = timeout(LIMIT, stream.read_exact(&mut answer)).await;
    read.expect("no answer").unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    stream
}

#[tokio::test]
async fn h29_idle_connections_cost_little_are_closed_and_do_not_hold_up_the_stop() {
    allow_files();
    let stack = stack().await;
    let _topics = Requester::new(&stack, "idle-", 1).await;
    let http = format!("127.0.0.1:{}", free_port().unwrap());
    // The drain is longer than this test waits.
    let arguments = ["--http", &http, "--drain-timeout", "150s"];
    let service = Service::start(&stack, options("idle-", &arguments)).await;
    let mut service = service.unwrap();
    let pid = service.child().id().unwrap();

    let (files, before) = (open_files(pid), resident_bytes(pid));
    let mut idle = Vec::new();
    while idle.len() < CONNECTIONS {
        for _ in 0..BATCH {
            idle.push(TcpStream::connect(&http).await.unwrap());
        }
        // Connections are accepted in order, so all before this one are open. A count of files would be less exact.
        answered(&http).await;
    }
    let each = resident_bytes(pid).saturating_sub(before) / CONNECTIONS;
    assert!(each <= MOST_BYTES_EACH, "{each} bytes a connection");

    let mut half = TcpStream::connect(&http).await.unwrap();
    half.write_all(HALF_A_REQUEST).await.unwrap();
    let closed = timeout(LIMIT, half.read_to_end(&mut Vec::new())).await;
    closed.expect("half a request stays open").unwrap();
    wait_for("the end of what is idle", || {
        open_files(pid) < files + CONNECTIONS / 10
    });
    drop(idle);

    // The first request is incomplete: hyper itself closes a connection with a later incomplete request.
    let mut half = TcpStream::connect(&http).await.unwrap();
    half.write_all(HALF_A_REQUEST).await.unwrap();
    let _accepted = answered(&http).await;
    service.child().signal(Signal::HUP);
    wait_for("the end of the service", || {
        service.child().try_wait().unwrap().is_some()
    });
    let status = service.child().try_wait().unwrap().unwrap();
    assert!(status.success(), "{status}: {}", service.child().log_tail());
    stack.stop().await.unwrap();
}
