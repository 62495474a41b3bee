//! The requests of a round: a steady rate, each request with an id and an idempotency key, some of them sent twice.

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
/// One in this number of requests is sent twice, as by a client that got no reply.
const REPEATED: u64 = 20;

/// The topics of requests and replies.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) servers: String,
    pub(super) topic: String,
    pub(super) reply_topic: String,
    /// Prefix of all ids, so that no two rounds share one.
    pub(super) name: String,
}

/// How much to send, and until when.
#[derive(Debug, Clone)]
pub(super) struct Amount {
    /// Requests per second.
    pub(super) rate: u32,
    /// Least number of requests, even after the stop.
    pub(super) least: u64,
    pub(super) stop: CancellationToken,
}

/// A producer that keeps its records while the broker is down.
pub(crate) fn producer(servers: &str) -> Result<FutureProducer> {
    config(servers).create().context("cannot make a producer")
}

/// A producer that compresses. Its records wait for a batch, because single records hardly shrink.
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
        // Otherwise the producer's own wait of up to 10 s would look like one of the service.
        .set("reconnect.backoff.max.ms", "1000")
        // A broker that is down is part of the test.
        .set("log_level", "0");
    config
}

/// When each request was due, by its id, in milliseconds since 1970.
pub(super) type Due = RefCell<BTreeMap<String, i64>>;

/// Sends until it is stopped and has sent enough, in compressed batches while `zstd` is set. Returns the ids with a
/// successful delivery report.
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
        // A producer fails for good if an unclean election loses its records.
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

/// Milliseconds from the start of the load until that request is due.
fn milliseconds(number: u64, rate: u32) -> i64 {
    i64::try_from(number * 1000 / u64::from(rate.max(1))).unwrap_or(i64::MAX)
}

/// Puts a record into the producer's queue. Returns its id. Its report has the same id, if the broker has the record.
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
    // A record that does not fit into the queue does not count as accepted.
    if let Ok(report) = producer.send_result(record) {
        let id = id.clone();
        reports.spawn(async move { report.await.ok()?.ok().map(|_delivery| id) });
    }
    id
}
