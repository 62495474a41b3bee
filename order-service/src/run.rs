//! Joins the bridge, the store and the HTTP servers, and runs them until a signal or a failure.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::Router;
use kafka_bridge::kafka::{KafkaSink, KafkaSource};
use kafka_bridge::{Bridge, Limits, Operation};
use metrics_exporter_prometheus::PrometheusHandle;
use program_shell::http::{Bounds, serve};
use program_shell::signals::Signals;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::admin::BridgeStatus;
use crate::cli::{self, Cli};
use crate::store::{StoreError, redis::RedisStore};
use crate::{admin, app, operations};

/// How often the recorder aggregates its samples. Without that, they fill the memory until somebody reads the metrics.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// Time between two checks of a store that is not ready.
const STORE_PAUSE: Duration = Duration::from_millis(250);

/// Runs the service until a signal stops it.
///
/// # Errors
///
/// Fails if an address is in use, if the store does not answer at the start or refuses a command that orders need, or
/// if Kafka fails for good.
pub async fn run(cli: Cli, metrics: PrometheusHandle) -> anyhow::Result<()> {
    run_layered(cli, metrics, |app| app).await
}

/// Runs the service with layers around its application. They apply to Kafka and HTTP.
///
/// # Errors
///
/// Fails as [`run`] does.
pub async fn run_layered(
    cli: Cli,
    metrics: PrometheusHandle,
    layers: impl FnOnce(Router) -> Router,
) -> anyhow::Result<()> {
    let mut signals = Signals::catch().context("catching the signals")?;
    warn_of_times(&cli);
    let store = RedisStore::open(&cli.store, cli.store_timeout);
    let store = Arc::new(store.context("--store")?);
    let limits = limits(&cli);
    let deployment = cli.deployment()?;
    let app = app::router(store.clone(), limits.max_request_bytes, &deployment);
    let app = layers(app);
    let operations =
        operations::operations(&app::document(), &deployment).context("--topic-prefix")?;
    let stop = CancellationToken::new();
    let status = BridgeStatus::default();
    let mut servers = JoinSet::new();
    let mut background = JoinSet::new();
    background.spawn(upkeep(metrics.clone()));
    if let Some(address) = cli.http {
        servers.spawn(http("--http", address, app.clone(), stop.clone()));
    }
    if let Some(address) = cli.admin {
        let letters = cli.dead_letter_topic.clone();
        let admin = admin::router(metrics, Arc::clone(&status), store.clone(), letters);
        servers.spawn(http("--admin", address, admin, stop.clone()));
    }
    tokio::select! {
        usable = until_usable(&store) => usable.context("--store: the store cannot be used")?,
        _ = signals.next() => return Ok(()),
        Some(ended) = servers.join_next() => return ended.context("server").flatten(),
    }
    let bridge = bridge(&cli, limits, app, operations).map_err(cli::explain)?;
    let _ = status.set(bridge.status());
    let bridge = bridge.with_graceful_shutdown(stop.clone().cancelled_owned());
    // Spawned, so that it runs on a worker thread like its tasks. On the main thread each wake-up would cross threads,
    // and serial dispatch, which runs in the bridge's own task, would look slower.
    let mut bridge = tokio::spawn(bridge);
    tracing::info!(dispatch = %cli.dispatch, group = cli.group_id, "serving");
    let ended_early = tokio::select! {
        summary = &mut bridge => return summary.context("--kafka")?.map(|_| ()).context("--kafka"),
        signal = signals.next() => {
            tracing::info!("{signal}, stopping");
            Ok(())
        }
        Some(ended) = servers.join_next() => ended.context("server").flatten(),
    };
    stop.cancel();
    let drained = async {
        let (summary, ()) = tokio::join!(bridge, drain(servers, cli.drain_timeout));
        summary.context("--kafka")?.context("--kafka")
    };
    let summary = tokio::select! {
        summary = drained => summary?,
        _ = signals.next() => bail!("a second signal stopped the service; records in flight come again"),
    };
    tracing::info!(?summary, "stopped");
    ended_early
}

/// Waits for the servers to end. An HTTP request may hang for ever: the end of the program cuts it after the limit.
async fn drain(mut servers: JoinSet<anyhow::Result<()>>, limit: Duration) {
    let all = async { while servers.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(limit, all).await;
}

fn warn_of_times(cli: &Cli) {
    if cli.store_timeout >= cli.request_timeout {
        tracing::warn!(
            store = ?cli.store_timeout,
            request = ?cli.request_timeout,
            "requests to a store that stalls get 504 instead of 503: choose --store-timeout below --request-timeout"
        );
    }
}

/// Waits while the store answers that it is not ready yet: requests stay in Kafka meanwhile. Fails if no store answers,
/// because a wrong address is more likely than an outage.
async fn until_usable(store: &RedisStore) -> Result<(), StoreError> {
    let mut told = None;
    loop {
        let cause = match store.check().await {
            Err(StoreError::Unavailable(cause)) => cause,
            Err(StoreError::Unreachable(cause)) if told.is_some() => cause,
            other => return other,
        };
        if told.as_ref() != Some(&cause) {
            tracing::warn!(cause, "--store: waiting for the store to take orders");
            told = Some(cause);
        }
        tokio::time::sleep(STORE_PAUSE).await;
    }
}

fn limits(cli: &Cli) -> Limits {
    let limits = Limits::default();
    let max_in_flight = cli.max_in_flight as usize;
    Limits {
        max_in_flight,
        max_uncommitted: limits.max_uncommitted.max(max_in_flight),
        max_request_bytes: cli.max_request_bytes as usize,
        ..limits
    }
}

fn bridge(
    cli: &Cli,
    limits: Limits,
    app: Router,
    operations: Vec<Operation>,
) -> Result<Bridge<Router, KafkaSource, KafkaSink>, kafka_bridge::Error> {
    let mut builder = Bridge::builder(app)
        .operations(operations)
        .dispatch(cli.dispatch)
        .limits(limits)
        .request_timeout(cli.request_timeout)
        .drain_timeout(cli.drain_timeout)
        .revocation_timeout(cli.revoke_timeout)
        .without_reply_to(cli.without_reply_to)
        .reply_key(!cli.no_reply_key)
        .profiles(cli.profiles())
        .on_failure(cli.failure.policy());
    if let Some(age) = cli.stuck_after {
        builder = builder.stuck_after(age);
    }
    if let Some(header) = &cli.deadline_header {
        builder = builder.deadline_header(header.clone());
    }
    if let Some(topics) = &cli.reply_topics {
        builder = builder.reply_topics(topics);
    }
    if let Some(topic) = &cli.dead_letter_topic {
        builder = builder.dead_letter_topic(topic);
    }
    for (name, value) in &cli.property {
        builder = builder.property(name, value);
    }
    builder.connect(&cli.kafka, &cli.group_id)
}

async fn upkeep(metrics: PrometheusHandle) {
    let mut ticks = tokio::time::interval(METRICS_UPKEEP);
    loop {
        ticks.tick().await;
        metrics.run_upkeep();
    }
}

async fn http(
    flag: &'static str,
    address: SocketAddr,
    app: Router,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("{flag} {address}: choose another address"))?;
    // For port 0 the system chooses one, which only this log line shows.
    let address = listener.local_addr().unwrap_or(address);
    tracing::info!(%address, "{flag} listening");
    serve(listener, app, Bounds::default(), stop).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    /// Builds a bridge as the program does. It needs no broker.
    fn built(arguments: &[&str]) -> Result<(), String> {
        let own = ["order-service", "--kafka", "kafka://127.0.0.1:1"];
        let cli = Cli::parse_from([&own, arguments].concat());
        let operations =
            operations::operations(&app::document(), &cli.deployment().unwrap()).unwrap();
        let bridge = bridge(&cli, limits(&cli), Router::new(), operations);
        bridge
            .map(drop)
            .map_err(|error| cli::explain(error).to_string())
    }

    const RETRY: [&str; 4] = ["--on-failure", "retry", "--dead-letter-topic", "dlq"];

    #[test]
    fn h27_defaults_agree_with_one_another_and_with_one_flag_changed() {
        let cases: [&[&str]; 7] = [
            &[],
            &["--request-timeout", "10m"],
            &["--max-attempts", "100"],
            &["--retry-backoff", "5s"],
            &["--max-in-flight", "1000000"],
            &["--revoke-timeout", "40s"],
            &["--drain-timeout", "10m"],
        ];
        for case in cases {
            assert_eq!(built(case), Ok(()), "{case:?}");
            assert_eq!(built(&[&RETRY, case].concat()), Ok(()), "{case:?}");
        }
    }

    #[test]
    fn h27_settings_that_defeat_one_another_are_refused_and_both_are_named() {
        let cases: [(&[&str], [&str; 2]); 6] = [
            (
                &["--stuck-after", "60s"],
                ["stuck_after (60s)", "5 x request_timeout (30s)"],
            ),
            (
                &["--stuck-after", "20s", "--request-timeout", "20s"],
                ["stuck_after", "request_timeout"],
            ),
            (
                &["--retry-backoff", "6s"],
                ["first_backoff (6s)", "max_backoff (5s)"],
            ),
            (
                &["--revoke-timeout", "44s"],
                ["revocation_timeout (44s)", "session.timeout.ms (45s)"],
            ),
            (
                &["-X", "max.poll.interval.ms=4000"],
                ["revocation_timeout (3s)", "max.poll.interval.ms (4s)"],
            ),
            (
                &["-X", "message.max.bytes=500000"],
                ["max_reply_bytes (921600)", "message.max.bytes (500000)"],
            ),
        ];
        for (case, both) in cases {
            let told = built(&[&RETRY, case].concat()).unwrap_err();
            assert!(
                both.iter().all(|one| told.contains(one)),
                "{case:?}: {told}"
            );
            assert!(told.starts_with('-'), "names the flag: {told}");
        }
    }
}
