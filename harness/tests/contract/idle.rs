//! Connections over HTTP that ask for nothing, or for half of something.

use std::fs;
use std::net::TcpStream;

use harness::service::Service;
use harness::stack::free_port;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::support::{LIMIT, requester::Requester, wait_for};
use super::{options, stack};

const CONNECTIONS: usize = 3000;
const BACKLOG: usize = 250;
/// A connection that the service serves, in a build that is not optimised.
const MOST_BYTES_EACH: usize = 32 << 10;
const HALF_A_REQUEST: &[u8] = b"GET /openapi.json HTTP/1.1\r\nhost:";

/// The files that this test needs, and the service twice over.
fn allow_files() {
    let needed = 2 * CONNECTIONS as u64 + 500;
    let now = getrlimit(Resource::Nofile);
    if now.current.is_some_and(|own| own < needed) {
        let maximum = now.maximum;
        let raised = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(needed),
                maximum,
            },
        );
        raised.expect("ulimit -Hn of 6500, or skip this test by name");
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

#[tokio::test]
async fn h29_idle_connections_cost_little_are_closed_and_do_not_hold_up_the_stop() {
    allow_files();
    let stack = stack().await;
    let _topics = Requester::new(&stack, "idle-", 1).await;
    let http = format!("127.0.0.1:{}", free_port().unwrap());
    // Longer than this test waits for the end.
    let arguments = ["--http", &http, "--drain-timeout", "150s"];
    let service = Service::start(&stack, options("idle-", &arguments)).await;
    let mut service = service.unwrap();
    let pid = service.child().id().unwrap();

    let (files, before) = (open_files(pid), resident_bytes(pid));
    let mut idle = Vec::new();
    while idle.len() < CONNECTIONS {
        // No more at a time than the backlog holds: what it drops is tried again a second later.
        idle.extend((0..BACKLOG).map(|_| TcpStream::connect(&http).unwrap()));
        let open = files + idle.len();
        wait_for("all connections", || open_files(pid) >= open);
    }
    let each = resident_bytes(pid).saturating_sub(before) / CONNECTIONS;
    assert!(each <= MOST_BYTES_EACH, "{each} bytes a connection");

    let mut half = tokio::net::TcpStream::connect(&http).await.unwrap();
    half.write_all(HALF_A_REQUEST).await.unwrap();
    let closed = timeout(LIMIT, half.read_to_end(&mut Vec::new())).await;
    closed.expect("half a request stays open").unwrap();
    wait_for("the end of what is idle", || {
        open_files(pid) < files + CONNECTIONS / 10
    });
    drop(idle);

    let mut half = tokio::net::TcpStream::connect(&http).await.unwrap();
    half.write_all(HALF_A_REQUEST).await.unwrap();
    wait_for("the connection", || open_files(pid) > files);
    service.child().signal(Signal::HUP);
    wait_for("the end of the service", || {
        service.child().try_wait().unwrap().is_some()
    });
    let status = service.child().try_wait().unwrap().unwrap();
    assert!(status.success(), "{status}: {}", service.child().log_tail());
    stack.stop().await.unwrap();
}
