//! `harness soak`: starts all parts, finds the possible load, sends half of it, and takes samples.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use load_client::stats::quantile;
use serde::Serialize;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::drift::{Drift, Growth, Sample, drift, mebibytes};
use super::load::{Load, Results};
use crate::cli::SoakArguments;
use crate::environment::Provenance;
use crate::faults::{World, create_topic, resident};
use crate::files;
use crate::service::{Service, ServiceOptions};
use crate::stack::{Description, StackKind};
use crate::wait;

const INSTANCES: usize = 3;
const PARTITIONS: i32 = 8;
const REPLY_PARTITIONS: i32 = 4;
const TOPIC: &str = "createOrder";
const REPLY_TOPIC: &str = "createOrder.reply";
/// Requests of a backlog. The rate at which the service works it off is the possible load. The first backlog is a
/// warm-up.
const BACKLOG: u64 = 5000;
const BACKLOG_LIMIT: Duration = Duration::from_secs(120);
const FEWEST_SAMPLES: u32 = 6;
/// Retention, because a topic would otherwise grow with the run: the size of a partition's files, and the time between
/// two checks.
const RETENTION: [(&str, &str); 3] = [
    ("log.retention.bytes", "67108864"),
    ("log.segment.bytes", "16777216"),
    ("log.retention.check.interval.ms", "30000"),
];

/// The result of a soak.
#[derive(Debug, Serialize)]
struct Report {
    #[serde(flatten)]
    provenance: Provenance,
    stack: Description,
    /// Requests per second.
    rate: u32,
    samples: Vec<Sample>,
    drift: Drift,
}

/// Runs the soak. Returns the text to print, and whether all bounds were kept.
///
/// # Errors
///
/// Fails if a part cannot be started or ends by itself, and after an interruption.
pub async fn soak(arguments: SoakArguments, stop: &CancellationToken) -> Result<(String, bool)> {
    if arguments.stack != StackKind::Native {
        bail!(
            "--stack {}: the soak needs --stack native",
            arguments.stack.name()
        );
    }
    if arguments.time < arguments.sample_time * FEWEST_SAMPLES {
        bail!("--time must be at least {FEWEST_SAMPLES} times --sample-time, to show a trend");
    }
    let json = arguments.json.as_deref().map(files::prepare);
    let json = json.transpose().context("--json")?;
    let world = World::start(1, Some(arguments.logs.join("stack")), &RETENTION, stop).await?;
    let report = wait::unless_stopped(stop, on(&world, &arguments, stop)).await;
    world.stop().await?;
    let report = report??;
    if let Some(json) = json {
        files::fill_json(json, &report).await.context("--json")?;
    }
    Ok((text(&report), report.drift.findings.is_empty()))
}

async fn on(world: &World, arguments: &SoakArguments, stop: &CancellationToken) -> Result<Report> {
    let provenance = Provenance::now();
    create_topic(world.servers(), TOPIC, PARTITIONS).await?;
    create_topic(world.servers(), REPLY_TOPIC, REPLY_PARTITIONS).await?;
    let mut services = start(world, arguments, stop).await?;
    let mut load = Load::start(world.servers(), TOPIC, REPLY_TOPIC, REPLY_PARTITIONS)?;
    let rate = match arguments.rate {
        Some(rate) => rate,
        None => half_capacity(&mut load).await?,
    };
    tracing::info!("{rate} requests a second for {:?}", arguments.time);
    let (over, results) = (CancellationToken::new(), load.results());
    results.take();
    let (sent, samples) = tokio::join!(load.send(rate, &over), async {
        let samples = watch(world, &mut services, arguments, &results).await;
        over.cancel();
        samples
    });
    sent?;
    let samples = samples?;
    let mut drift = drift(&samples);
    load.until_answered(BACKLOG_LIMIT).await;
    match results.unanswered_and_failed() {
        (0, 0) => {}
        (open, failed) => drift.findings.push(format!(
            "{open} requests got no reply, {failed} got a failure"
        )),
    }
    for service in services {
        service.stop().await?;
    }
    Ok(Report {
        provenance,
        stack: world.description(),
        rate,
        samples,
        drift,
    })
}

async fn start(
    world: &World,
    arguments: &SoakArguments,
    stop: &CancellationToken,
) -> Result<Vec<Service>> {
    let mut services = Vec::new();
    for index in 0..INSTANCES {
        let options = ServiceOptions {
            program: arguments.order_service.clone(),
            dispatch: Some("tasks".to_owned()),
            group_id: Some("soak".to_owned()),
            log: Some(arguments.logs.join(format!("service-{index}.log"))),
            stop: stop.clone(),
            ..ServiceOptions::default()
        };
        services.push(world.start_service(&options)?);
    }
    for service in &mut services {
        service.until_ready(stop).await?;
    }
    Ok(services)
}

async fn half_capacity(load: &mut Load) -> Result<u32> {
    let slow = "the service did not work off the backlog in time: give --rate";
    load.burst(BACKLOG, BACKLOG_LIMIT).await?.context(slow)?;
    let capacity = load.burst(BACKLOG, BACKLOG_LIMIT).await?.context(slow)?;
    tracing::info!(
        "the service works off a backlog of {BACKLOG} at {capacity:.0} requests a second"
    );
    Ok((capacity / 2.0) as u32)
}

/// Takes samples until the time is over.
async fn watch(
    world: &World,
    services: &mut [Service],
    arguments: &SoakArguments,
    results: &Results,
) -> Result<Vec<Sample>> {
    let begin = Instant::now();
    let mut samples = Vec::new();
    let mut next = begin + arguments.sample_time;
    while next <= begin + arguments.time {
        sleep_until(next).await;
        next += arguments.sample_time;
        world.check()?;
        let took = results.take();
        let mut memory = BTreeMap::new();
        for (name, process) in processes(world, services)? {
            memory.extend(resident(process).map(|bytes| (name, bytes)));
        }
        let sample = Sample {
            second: begin.elapsed().as_secs_f64(),
            answered: took.len(),
            median_ms: quantile(&took, 0.5),
            p99_ms: quantile(&took, 0.99),
            memory,
        };
        tell(&sample);
        samples.push(sample);
    }
    Ok(samples)
}

fn processes(world: &World, services: &mut [Service]) -> Result<Vec<(String, u32)>> {
    let mut processes = world.processes();
    for (index, service) in services.iter_mut().enumerate() {
        if let Some(status) = service.child().try_wait()? {
            let tail = service.child().log_tail();
            bail!("instance {index} ended by itself ({status}); {tail}");
        }
        processes.extend(
            service
                .child()
                .id()
                .map(|id| (format!("service-{index}"), id)),
        );
    }
    Ok(processes)
}

fn milliseconds(value: Option<f64>) -> String {
    value.map_or("none".to_owned(), |value| format!("{value:.2} ms"))
}

fn tell(sample: &Sample) {
    let memory = sample
        .memory
        .iter()
        .map(|(name, bytes)| format!("{name} {:.0}", mebibytes(*bytes as f64)));
    tracing::info!(
        "{:.0} s: {} answered, median {}, p99 {}, MiB: {}",
        sample.second,
        sample.answered,
        milliseconds(sample.median_ms),
        milliseconds(sample.p99_ms),
        memory.collect::<Vec<_>>().join(", ")
    );
}

fn text(report: &Report) -> String {
    let answered: usize = report.samples.iter().map(|sample| sample.answered).sum();
    let mut text = format!(
        "{} requests a second, {answered} answered, {} samples\n\n",
        report.rate,
        report.samples.len()
    );
    text += "| figure | first third | last third | an hour |\n|---|---:|---:|---:|\n";
    let mut row = |name: &str, growth: &Growth, unit: &str, scale: fn(f64) -> f64| {
        let [first, last, hour] = [growth.first, growth.last, growth.per_hour].map(scale);
        text += &format!("| {name} | {first:.2} {unit} | {last:.2} {unit} | {hour:+.2} {unit} |\n");
    };
    for (name, growth) in [
        ("median round trip", &report.drift.median_ms),
        ("99th percentile", &report.drift.p99_ms),
    ] {
        growth
            .iter()
            .for_each(|growth| row(name, growth, "ms", |value| value));
    }
    for (name, growth) in &report.drift.memory {
        row(&format!("memory, {name}"), growth, "MiB", mebibytes);
    }
    for finding in &report.drift.findings {
        text += &format!("\nbeyond its bound: {finding}\n");
    }
    text + &format!("\n{}\n", report.provenance.line())
}
