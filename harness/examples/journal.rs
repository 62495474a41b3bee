//! A service that only records when each request starts and ends, for the tests of rolling restarts. It is an axum
//! application over `kafka-bridge` in its own process.
//!
//! Each event is one line, `start|end <nanoseconds> <key> <id>`, appended in one write. The clock is the machine's
//! monotonic one, so that the lines of several instances can be put in order.

mod common;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use clap::Parser;
use kafka_bridge::{Bridge, Dispatch, EchoSetHeaderLayer, Operation};
use rustix::time::{ClockId, clock_gettime};
use tokio::signal::unix::{SignalKind, signal};

/// Answers each record of a topic, and keeps a journal.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    member: common::Member,
    /// Dispatch mode: serial, tasks, keyed or partition
    #[arg(long)]
    dispatch: Dispatch,
    /// File to append to
    #[arg(long)]
    journal: PathBuf,
    /// Longest time of a request, in milliseconds
    #[arg(long, default_value_t = 64)]
    work: u64,
    /// How long a revoked partition waits for its records, in milliseconds
    #[arg(long, default_value_t = 3000)]
    revoke: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let member = &arguments.member;
    // For rounds that fail. The journal has the requests.
    let level = std::env::var("RUST_LOG").unwrap_or_else(|_| "kafka_bridge=debug".to_owned());
    tracing_subscriber::fmt()
        .with_env_filter(level)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let journal = OpenOptions::new()
        .append(true)
        .create(true)
        .open(&arguments.journal);
    let journal = Arc::new(journal.context("--journal")?);
    let app = Router::new()
        .route("/work", post(work))
        .layer(EchoSetHeaderLayer::default())
        .with_state((journal, arguments.work));
    let mut builder = Bridge::builder(app)
        .operation(Operation::post(&member.topic, "/work")?)
        .dispatch(arguments.dispatch)
        .revocation_timeout(Duration::from_millis(arguments.revoke));
    for (name, value) in member.properties()? {
        builder = builder.property(name, value);
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let bridge = builder.connect(&member.kafka, &member.group_id)?;
    let mut status = bridge.status();
    let stop = async move {
        terminate.recv().await;
    };
    let ready = async move {
        // Written once. The bridge goes on even if nobody reads it.
        if status.wait_for(|status| status.ready).await.is_ok() {
            let _ = writeln!(std::io::stderr(), "ready");
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        summary = bridge.with_graceful_shutdown(stop) => {
            let _ = writeln!(std::io::stderr(), "{:?}", summary?);
            Ok(())
        }
        () = ready => Ok(()),
    }
}

/// Takes up to `--work` milliseconds, depending on the id, so that records overtake each other unless their order is
/// kept.
async fn work(
    State((journal, longest)): State<(Arc<File>, u64)>,
    headers: HeaderMap,
) -> &'static str {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("-")
    };
    let (key, id) = (text("x-key"), text("x-id"));
    note(&journal, "start", key, id);
    let spread = id
        .bytes()
        .fold(0_u64, |sum, byte| sum.wrapping_mul(31) + u64::from(byte))
        % longest.max(1);
    tokio::time::sleep(Duration::from_millis(spread)).await;
    note(&journal, "end", key, id);
    "done"
}

fn note(journal: &File, event: &str, key: &str, id: &str) {
    let now = clock_gettime(ClockId::Monotonic);
    let nanoseconds = i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec);
    let line = format!("{event} {nanoseconds} {key} {id}\n");
    let mut journal = journal;
    journal
        .write_all(line.as_bytes())
        .expect("the journal can be written");
}
