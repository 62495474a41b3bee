//! The requests of a round: a steady rate, each with an id and an idempotency key, some sent twice.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::config::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::clock;
use crate::record_headers::record_headers;

const TICK: Duration = Duration::from_millis(20);
const KEYS: u64 = 64;
/// Every so many requests one is sent a second time, as a client does that got no answer.
const REPEATED: u64 = 20;

/// Where requests go, and where their replies shall.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) servers: String,
    pub(super) topic: String,
    pub(super) reply_topic: String,
    /// Before each id, so that no two rounds share one.
    pub(super) name: String,
}

/// How much, and until when.
#[derive(Debug, Clone)]
pub(super) struct Amount {
    /// Requests a second.
    pub(super) rate: u32,
    /// So many at least, also after the stop.
    pub(super) least: u64,
    pub(super) stop: CancellationToken,
}

/// A producer that keeps what it cannot send until the broker is back.
pub(crate) fn producer(servers: &str) -> Result<FutureProducer> {
    config(servers).create().context("cannot make a producer")
}

/// One whose records wait for company, without which nothing becomes smaller, and are compressed.
fn zstd_producer(servers: &str) -> Result<FutureProducer> {
    let mut config = config(servers);
    config
        .set("compression.type", "zstd")
        .set("linger.ms", "50");
    config.create().context("cannot make a producer with zstd")
}

fn config(servers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", servers)
        .set("linger.ms", "0")
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("message.timeout.ms", "120000")
        .set("topic.metadata.refresh.interval.ms", "5000")
        // Or its own wait of up to 10 s would be taken for the service's.
        .set("reconnect.backoff.max.ms", "1000")
        // A broker that is down is part of the test.
        .set("log_level", "0");
    config
}

/// When each request was to be sent, by its id: milliseconds since 1970.
pub(super) type Due = RefCell<BTreeMap<String, i64>>;

/// Sends, in compressed batches while `zstd` says so, until it is told to stop and has sent enough; returns the ids whose delivery was reported.
pub(super) async fn send(
    target: &Target,
    amount: &Amount,
    zstd: &Cell<bool>,
    due_times: &Due,
) -> Result<BTreeSet<String>> {
    let (mut plain, compressing) = (producer(&target.servers)?, zstd_producer(&target.servers)?);
    let mut reports = JoinSet::new();
    let mut accepted = BTreeSet::new();
    let mut sent = 0;
    let (begin, begin_time) = (Instant::now(), clock::now());
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while sent < amount.least || !amount.stop.is_cancelled() {
        ticks.tick().await;
        // An unclean election that lost its records ends a producer.
        if plain.client().fatal_error().is_some() {
            plain = producer(&target.servers)?;
        }
        let due = (begin.elapsed().as_secs_f64() * f64::from(amount.rate)) as u64;
        while sent < due {
            let time = begin_time + milliseconds(sent, amount.rate);
            let copies = if sent % REPEATED == 0 { 2 } else { 1 };
            for suffix in &["", "-again"][..copies] {
                let producer = if zstd.get() { &compressing } else { &plain };
                let id = enqueue(producer, target, sent, suffix, &mut reports);
                due_times.borrow_mut().insert(id, time);
            }
            sent += 1;
        }
        while let Some(report) = reports.try_join_next() {
            accepted.extend(report.ok().flatten());
        }
    }
    while let Some(report) = reports.join_next().await {
        accepted.extend(report.ok().flatten());
    }
    Ok(accepted)
}

/// From the begin of the load to when that request is due.
fn milliseconds(number: u64, rate: u32) -> i64 {
    i64::try_from(number * 1000 / u64::from(rate.max(1))).unwrap_or(i64::MAX)
}

/// Puts a record into the producer's queue and returns its id; its report ends as that, if the broker has it.
fn enqueue(
    producer: &FutureProducer,
    target: &Target,
    number: u64,
    suffix: &str,
    reports: &mut JoinSet<Option<String>>,
) -> String {
    let request = format!("{}-{number}", target.name);
    let id = format!("{request}{suffix}");
    let echo = format!("x-request-id:{id}");
    let headers = [
        ("reply-to", target.reply_topic.as_str()),
        ("x-reply-set-header", &echo),
        ("idempotency-key", &request),
    ];
    let headers = record_headers(&headers);
    let key = format!("key-{}", number % KEYS);
    let body = format!(r#"{{"items":[{{"sku":"{request}","count":1}}]}}"#);
    let record = FutureRecord::to(&target.topic)
        .key(&key)
        .payload(&body)
        .headers(headers);
    // What does not even fit into the queue was not accepted by anybody.
    if let Ok(report) = producer.send_result(record) {
        let id = id.clone();
        reports.spawn(async move { report.await.ok()?.ok().map(|_delivery| id) });
    }
    id
}
