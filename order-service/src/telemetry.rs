//! The log on standard error, and the recorder of metrics.

use std::io::stderr;

use anyhow::Context;
use clap::ValueEnum;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use program_shell::terminal::shows_colours;
use tracing_subscriber::EnvFilter;

/// Upper bounds of the buckets of all histograms, in seconds: 0.1 ms to 30 s.
const BUCKETS: [f64; 16] = [
    0.0001, 0.0003, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0,
];

/// The format of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text for people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// Starts the log; `filter` is a list of directives such as `info,kafka_bridge=debug`.
///
/// # Errors
///
/// Fails if the filter is wrong.
pub fn init_log(filter: &str, format: LogFormat) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).with_context(|| {
        format!("--log {filter}: takes directives such as info,kafka_bridge=debug")
    })?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Standard error may be closed: printing such an error there would panic.
        .log_internal_errors(false)
        .with_writer(stderr);
    match format {
        LogFormat::Text => log.with_ansi(shows_colours(&stderr())).init(),
        LogFormat::Json => log
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .init(),
    }
    Ok(())
}

/// Installs the recorder of metrics. Its handle renders the answer of `/metrics`.
///
/// # Errors
///
/// Fails if there is a recorder already.
pub fn init_metrics() -> anyhow::Result<PrometheusHandle> {
    let builder = PrometheusBuilder::new()
        .set_buckets(&BUCKETS)
        .context("metrics buckets")?;
    let handle = builder.install_recorder().context("metrics recorder")?;
    kafka_bridge::describe_metrics();
    Ok(handle)
}
