//! Puts the real parts together and runs them until a signal or a failure.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use kafka_bridge::kafka::{KafkaSink, KafkaSource};
use kafka_bridge::{Bridge, Operation};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cli::Cli;
use crate::store::{OrderStore, redis::RedisStore};
use crate::{admin, app};

/// Runs the service until it is asked to stop.
///
/// # Errors
///
/// Fails when an address is taken, the store does not answer at the start, or Kafka fails for good.
pub async fn run(cli: Cli, metrics: PrometheusHandle) -> anyhow::Result<()> {
    let store = RedisStore::connect(&cli.store).await;
    let store: Arc<dyn OrderStore> =
        Arc::new(store.context("--store: the store cannot be used, is it running there?")?);
    let app = app::router(Arc::clone(&store));
    let bridge = bridge(&cli, app.clone())?;

    let stop = CancellationToken::new();
    let mut servers = JoinSet::new();
    if let Some(address) = cli.http {
        servers.spawn(http("--http", address, app, stop.clone()));
    }
    if let Some(address) = cli.admin {
        let admin = admin::router(metrics, bridge.status(), store);
        servers.spawn(http("--admin", address, admin, stop.clone()));
    }
    let stopping = stop.clone();
    let bridge = bridge.with_graceful_shutdown(async move { stopping.cancelled().await });
    let mut bridge = std::pin::pin!(bridge);
    tracing::info!(dispatch = %cli.dispatch, group = cli.group_id, "serving");

    let ended_early = tokio::select! {
        summary = &mut bridge => return summary.map(|_| ()).context("--kafka"),
        asked = stop_signal() => asked,
        Some(ended) = servers.join_next() => ended.context("server").flatten(),
    };
    stop.cancel();
    let summary = bridge.await.context("--kafka")?;
    tracing::info!(?summary, "stopped");
    while let Some(ended) = servers.join_next().await {
        ended.context("server").flatten()?;
    }
    ended_early
}

fn bridge(cli: &Cli, app: Router) -> anyhow::Result<Bridge<Router, KafkaSource, KafkaSink>> {
    let topic = format!("{}createOrder", cli.topic_prefix);
    let operation = Operation::post(&topic, "/orders").context("--topic-prefix")?;
    let mut builder = Bridge::builder(app)
        .operation(operation)
        .dispatch(cli.dispatch)
        .max_in_flight(cli.max_in_flight as usize)
        .request_timeout(cli.request_timeout)
        .drain_timeout(cli.drain_timeout)
        .without_reply_to(cli.without_reply_to)
        .reply_key(!cli.no_reply_key);
    if let Some(topics) = &cli.reply_topics {
        builder = builder.reply_topics(topics);
    }
    if let Some(topic) = &cli.dead_letter_topic {
        builder = builder.dead_letter_topic(topic);
    }
    for (name, value) in &cli.property {
        builder = builder.property(name, value);
    }
    Ok(builder.connect(&cli.kafka, &cli.group_id)?)
}

async fn http(
    flag: &'static str,
    address: SocketAddr,
    app: Router,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("{flag} {address}: choose another address"))?;
    tracing::info!(%address, "{flag} listening");
    let serving = axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned());
    serving.await.with_context(|| format!("{flag} {address}"))
}

async fn stop_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for Ctrl-C")?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM, stopping"),
        _ = interrupt.recv() => tracing::info!("Ctrl-C, stopping"),
    }
    Ok(())
}
