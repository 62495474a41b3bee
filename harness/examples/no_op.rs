//! The bridge with an application that does nothing. `harness limits` compares it with the bare echo loop of `echo.rs`.
//! It writes `ready` to standard error when it has its partitions.

mod common;

use std::io::Write;
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use clap::Parser;
use kafka_bridge::{Bridge, Dispatch, EchoSetHeaderLayer, Operation};
use tokio::signal::unix::{SignalKind, signal};

/// Answers each record of a topic with 200 and no body.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    member: common::Member,
    /// Dispatch mode: serial, tasks, keyed or partition
    #[arg(long)]
    dispatch: Dispatch,
    /// Most records in flight
    #[arg(long, default_value_t = 1024)]
    max_in_flight: usize,
    /// How long each request takes, in milliseconds
    #[arg(long, default_value_t = 0)]
    work: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let member = &arguments.member;
    let level = std::env::var("RUST_LOG").unwrap_or_else(|_| "warn".to_owned());
    tracing_subscriber::fmt()
        .with_env_filter(level)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let work = Duration::from_millis(arguments.work);
    let handler = move || async move {
        if !work.is_zero() {
            tokio::time::sleep(work).await;
        }
    };
    let app = Router::new()
        .route("/work", post(handler))
        .layer(EchoSetHeaderLayer::default());
    let mut builder = Bridge::builder(app)
        .operation(Operation::post(&member.topic, "/work")?)
        .max_in_flight(arguments.max_in_flight)
        .dispatch(arguments.dispatch);
    for (name, value) in member.properties()? {
        builder = builder.property(name, value);
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let bridge = builder.connect(&member.kafka, &member.group_id)?;
    let mut status = bridge.status();
    tokio::spawn(async move {
        if status.wait_for(|status| status.ready).await.is_ok() {
            // If this fails, the caller notices by its timeout.
            let _ = writeln!(std::io::stderr(), "ready");
        }
    });
    let stop = async move {
        terminate.recv().await;
    };
    // Spawned, as in order-service: on the main thread each wake-up would cross threads.
    tokio::spawn(bridge.with_graceful_shutdown(stop)).await??;
    Ok(())
}
