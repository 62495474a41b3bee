use std::net::SocketAddr;

use axum::body::Bytes;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;

/// The time limit for a test that does not end.
const PATIENCE: Duration = Duration::from_secs(60);
const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(50);

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const HALF_A_HEAD: &str = "GET / HTTP/1.1\r\nhost:";
const HALF_A_BODY: &str = "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n12345";

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

async fn start(app: Router, bounds: Bounds) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let ended = tokio::spawn(serve(listener, app, bounds, stop.clone()));
    Server {
        address,
        stop,
        ended,
    }
}

impl Server {
    async fn send(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    async fn stop(self) {
        self.stop.cancel();
        let ended = timeout(PATIENCE, self.ended).await;
        ended.expect("the server holds on").unwrap();
    }
}

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "here" }))
        .route("/echo", post(|body: Bytes| async move { body }))
}

fn bounds(connections: usize, wait: Duration) -> Bounds {
    Bounds {
        connections,
        wait,
        wait_at_stop: SHORT,
    }
}

/// Returns all that the server sends until it closes the connection.
async fn rest(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut text)).await;
    // A server that closes with unread data resets the connection, which also ends it.
    let _ = read.expect("the connection stays open");
    String::from_utf8(text).unwrap()
}

async fn until_answered(stream: &mut TcpStream) {
    let mut text = Vec::new();
    while !text.ends_with(b"here") {
        let read = timeout(PATIENCE, stream.read_buf(&mut text)).await;
        assert_ne!(read.expect("no answer").unwrap(), 0, "no answer");
    }
}

#[tokio::test]
async fn h29_what_a_client_leaves_unfinished_is_closed() {
    let server = start(app(), bounds(8, SHORT)).await;
    for unfinished in ["", HALF_A_HEAD, GET] {
        let rest = rest(server.send(unfinished).await).await;
        assert_eq!(rest.contains("200 OK"), unfinished == GET, "{rest}");
    }
    let refused = rest(server.send(HALF_A_BODY).await).await;
    assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
    server.stop().await;
}

#[tokio::test]
async fn h29_connections_beyond_the_bound_wait_for_others_to_end() {
    let server = start(app(), bounds(2, LONG)).await;
    let mut served = server.send(GET).await;
    until_answered(&mut served).await;
    let _held = server.send(HALF_A_HEAD).await;
    let mut waiting = server.send(GET).await;
    let unanswered = timeout(SHORT, waiting.read_u8()).await;
    assert!(unanswered.is_err(), "a third connection was served");
    drop(served);
    until_answered(&mut waiting).await;
    server.stop().await;
}

/// More than the system buffers on both sides.
const LARGE: usize = 64 << 20;

#[tokio::test]
async fn h29_a_client_that_reads_nothing_loses_its_place() {
    let large = get(|| async { Bytes::from_static(&[b'a'; LARGE]) });
    let server = start(app().route("/large", large), bounds(1, SHORT)).await;
    let several = GET.replace("/ ", "/large ").repeat(3);
    let _held = server.send(&several).await;
    let mut waiting = server.send(GET).await;
    until_answered(&mut waiting).await;
    server.stop().await;
}

#[test]
fn h29_two_servers_leave_half_of_the_files() {
    for (files, connections) in [(1024, 256), (1 << 20, CONNECTIONS), (3, 1)] {
        assert_eq!(connections_for(files), connections, "{files}");
    }
}

#[tokio::test]
async fn h29_unfinished_requests_do_not_hold_up_the_stop() {
    let server = start(app(), bounds(8, LONG)).await;
    let mut idle = server.send(GET).await;
    until_answered(&mut idle).await;
    let half = server.send(HALF_A_HEAD).await;
    let body = server.send(HALF_A_BODY).await;
    server.stop().await;
    for stream in [idle, half, body] {
        rest(stream).await;
    }
}

#[tokio::test]
async fn a_request_that_is_being_answered_is_answered_in_spite_of_the_stop() {
    let (begun, has_begun) = oneshot::channel();
    let (end, may_end) = oneshot::channel::<()>();
    let gates = Arc::new(std::sync::Mutex::new(Some((begun, may_end))));
    let slow = get(move || async move {
        let (begun, may_end) = gates.lock().unwrap().take().unwrap();
        begun.send(()).unwrap();
        let parts = stream::once(async {
            let _ = may_end.await;
            Ok::<_, Infallible>("the last part")
        });
        Body::from_stream(parts)
    });
    let server = start(Router::new().route("/", slow), bounds(8, LONG)).await;
    let client = server.send(GET).await;
    has_begun.await.unwrap();
    server.stop.cancel();
    sleep(4 * SHORT).await;
    end.send(()).unwrap();
    let answer = rest(client).await;
    assert!(answer.contains("the last part"), "{answer}");
    server.stop().await;
}
