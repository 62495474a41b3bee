//! The bridge with an application that does nothing: what `harness limits` holds against the bare echo loop
//! of `echo.rs`. It writes `ready` to standard error when it has its partitions.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::routing::post;
use clap::Parser;
use kafka_bridge::{Bridge, Dispatch, EchoSetHeaderLayer, Operation};
use tokio::signal::unix::{SignalKind, signal};

/// Answers each record of a topic with 200 and no body.
#[derive(Debug, Parser)]
struct Arguments {
    /// The brokers, `kafka://host:port`
    #[arg(long)]
    kafka: String,
    /// The consumer group
    #[arg(long)]
    group_id: String,
    /// The topic to serve
    #[arg(long)]
    topic: String,
    /// serial, tasks or keyed
    #[arg(long)]
    dispatch: Dispatch,
    /// How many records may be under way
    #[arg(long, default_value_t = 1024)]
    max_in_flight: usize,
    /// How long each request takes, in milliseconds
    #[arg(long, default_value_t = 0)]
    work: u64,
    /// A librdkafka property, `key=value`
    #[arg(short = 'X', env = "LIMITS_PROPERTIES", value_delimiter = '\n')]
    property: Vec<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
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
        .operation(Operation::post(&arguments.topic, "/work")?)
        .max_in_flight(arguments.max_in_flight)
        .dispatch(arguments.dispatch);
    for property in &arguments.property {
        let (name, value) = property.split_once('=').context("-X takes key=value")?;
        builder = builder.property(name, value);
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let bridge = builder.connect(&arguments.kafka, &arguments.group_id)?;
    let mut status = bridge.status();
    tokio::spawn(async move {
        if status.wait_for(|status| status.ready).await.is_ok() {
            // Who waits for it finds out by a time-out too.
            let _ = writeln!(std::io::stderr(), "ready");
        }
    });
    let stop = async move {
        terminate.recv().await;
    };
    // On a worker of the runtime, as order-service does: on the main thread each wake-up would cross threads.
    tokio::spawn(bridge.with_graceful_shutdown(stop)).await??;
    Ok(())
}
