//! A bridge that logs in to Apache Kafka with tokens (SASL/OAUTHBEARER): it serves, renews tokens in time, survives a
//! source that fails, and shows no token.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::routing::post;
use harness::stack::{Stack, StackKind, StackOptions};
use kafka_bridge::kafka::{KafkaSink, KafkaSource, Token, TokenSource};
use kafka_bridge::{Blocked, Bridge, Error, Operation, Summary};
use support::LIMIT;
use support::requester::{ORDER, Requester};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Lifetime of a token. Then the broker ends connections without a newer one.
const LIFETIME: Duration = Duration::from_secs(4);

/// A source of unsigned tokens, which the broker accepts (KIP-255).
#[derive(Clone, Default)]
struct Unsecured {
    calls: Arc<AtomicUsize>,
    /// Number of calls that fail before the first token.
    failures: usize,
}

impl TokenSource for Unsecured {
    fn token(&self) -> Result<Token, Box<dyn std::error::Error + Send + Sync>> {
        if self.calls.fetch_add(1, Ordering::SeqCst) < self.failures {
            return Err("as the test asked".into());
        }
        let now = SystemTime::now();
        let seconds = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap().as_secs();
        let (begin, end) = (seconds(now), seconds(now + LIFETIME));
        let claims = format!(r#"{{"sub":"bridge","iat":{begin},"exp":{end}}}"#);
        let token = format!(
            "{}.{}.",
            base64url(br#"{"alg":"none"}"#),
            base64url(claims.as_bytes())
        );
        Ok(Token::new(token, UNIX_EPOCH + Duration::from_secs(end)))
    }
}

/// Base64 for URLs, without padding (RFC 4648, 5).
fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digits = bytes.chunks(3).flat_map(|chunk| {
        let byte = |index| u32::from(chunk.get(index).copied().unwrap_or_default());
        let all = byte(0) << 16 | byte(1) << 8 | byte(2);
        (0..=chunk.len()).map(move |index| DIGITS[(all >> (18 - 6 * index)) as usize & 63] as char)
    });
    digits.collect()
}

/// The log of this process.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Records all log lines from now on.
    fn start() -> Self {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(move || writer.clone())
            .finish();
        // The subscriber of the first test stays, which is enough.
        let _ = tracing::subscriber::set_global_default(subscriber);
        log
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn stack() -> Stack {
    let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;";
    let properties = [
        ("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-512,OAUTHBEARER"),
        (
            "listener.name.sasl_ssl.oauthbearer.sasl.jaas.config",
            module,
        ),
        (
            "listener.name.sasl_ssl.oauthbearer.connections.max.reauth.ms",
            "60000",
        ),
    ];
    let properties = properties.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let options = StackOptions {
        secure: true,
        broker_properties: properties.into(),
        ..StackOptions::default()
    };
    Stack::start(StackKind::Native, options).await.unwrap()
}

fn bridge(stack: &Stack, topic: &str, source: Unsecured) -> Bridge<Router, KafkaSource, KafkaSink> {
    let listener = stack.secure().unwrap();
    let app = Router::new().route("/orders", post(|body: String| async move { body }));
    Bridge::builder(app)
        .operation(Operation::post(topic, "/orders").unwrap())
        .property("security.protocol", "sasl_ssl")
        .property("sasl.mechanism", "OAUTHBEARER")
        .property("ssl.ca.location", listener.ca.display().to_string())
        .property("debug", "security,broker,protocol")
        .token_source(source)
        .connect(&format!("kafka://{}", listener.servers()), topic)
        .unwrap()
}

struct Running {
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<Summary, Error>>,
}

impl Running {
    fn start(bridge: Bridge<Router, KafkaSource, KafkaSink>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let signal = async { stopped.await.unwrap_or_default() };
        let ended = tokio::spawn(bridge.with_graceful_shutdown(signal));
        Self { stop, ended }
    }

    async fn stop(self) -> Summary {
        self.stop.send(()).unwrap();
        self.ended.await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn apache_kafka_only_tokens_are_renewed_while_requests_are_served_and_seen_nowhere() {
    let log = Log::start();
    let stack = stack().await;
    let requester = Requester::new(&stack, "renewed-", 1).await;
    let source = Unsecured::default();
    let running = Running::start(bridge(&stack, "renewed-createOrder", source.clone()));
    let mut served = 0;
    // Several lifetimes. Without newer tokens all connections would have ended meanwhile.
    while source.calls.load(Ordering::SeqCst) < 6 {
        let reply = requester.ask(&format!("id-{served}"), ORDER).await;
        assert_eq!(reply.status(), "200");
        served += 1;
        assert!(served < 1000, "the bridge no longer asks the source");
        sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(running.stop().await.replied, served);
    stack.stop().await.unwrap();
    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(log.contains("OAUTHBEARER"), "librdkafka told nothing");
    // The header of each token, and the beginning of each token's claims.
    for part in [
        &base64url(br#"{"alg":"none"}"#),
        &base64url(br#"{"sub":"bridge",""#)[..20],
    ] {
        let shown = log.lines().find(|line| line.contains(part));
        assert_eq!(shown, None);
    }
}

#[tokio::test]
async fn apache_kafka_only_a_source_that_fails_is_told_and_served_after_it_recovers() {
    let stack = stack().await;
    let requester = Requester::new(&stack, "failing-", 1).await;
    let source = Unsecured {
        failures: 1,
        ..Unsecured::default()
    };
    let bridge = bridge(&stack, "failing-createOrder", source);
    let mut status = bridge.status();
    let running = Running::start(bridge);
    let told = timeout(LIMIT, async {
        loop {
            let obstacles = status.borrow_and_update().obstacles();
            if let Some(one) = obstacles.into_iter().next() {
                return one;
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    let told = told.await.unwrap();
    assert_eq!(told.blocked, Blocked::Login);
    assert_eq!(told.cause, "as the test asked");
    assert_eq!(requester.ask("good", ORDER).await.status(), "200");
    assert_eq!(status.borrow_and_update().obstacles(), []);
    running.stop().await;
    stack.stop().await.unwrap();
}
