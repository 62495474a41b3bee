//! The orders service with a slower handler, for `harness simulate`.
//!
//! It takes the flags of `order-service`, and `--spin NANOSECONDS`: each request keeps its thread busy for that long
//! before the application gets it. With `--spin 0` it is the orders service.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use order_service::cli::Cli;
use order_service::{run, telemetry};

fn main() -> anyhow::Result<()> {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    let spin = take_spin(&mut arguments)?;
    let (cli, _) = Cli::read(arguments).unwrap_or_else(|error| error.exit());
    telemetry::init_log(&cli.log, cli.log_format)?;
    kafka_bridge::kafka::quiet_unreadable_headers();
    let metrics = telemetry::init_metrics()?;
    let runtime = tokio::runtime::Runtime::new().context("starting the runtime")?;
    runtime.block_on(run::run_layered(cli, metrics, |app| slowed(app, spin)))
}

/// Removes the flag that the orders service does not know from the arguments.
fn take_spin(arguments: &mut Vec<OsString>) -> anyhow::Result<Duration> {
    let is_flag = |argument: &OsString| argument == "--spin";
    let Some(place) = arguments.iter().position(is_flag) else {
        bail!("--spin NANOSECONDS is missing");
    };
    arguments.remove(place);
    let is_there = place < arguments.len();
    let value = is_there.then(|| arguments.remove(place));
    let value = value.and_then(|value| value.to_str()?.parse().ok());
    value
        .map(Duration::from_nanos)
        .context("--spin takes nanoseconds")
}

fn slowed(app: Router, spin: Duration) -> Router {
    if spin.is_zero() {
        return app;
    }
    app.layer(from_fn(move |request: Request, next: Next| async move {
        let start = Instant::now();
        while start.elapsed() < spin {
            std::hint::spin_loop();
        }
        next.run(request).await
    }))
}
