//! The bridge's memory and processor time when idle, and its memory with many records in flight.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use tokio::time::sleep;

use super::cell::{Bench, Setup, usages};
use super::client::Course;
use super::load::Load;
use super::place::Place;
use super::subject::Subject;
use crate::wait;

/// How long an idle subject is measured.
const IDLE: Duration = Duration::from_secs(10);
/// Time for a subject to settle after it has got its partitions.
const SETTLE: Duration = Duration::from_secs(2);
/// Users with a request in flight, because each request takes a while.
const MANY: u32 = 10_000;
const WORK: Duration = Duration::from_secs(2);
const RUN_TIME: Duration = Duration::from_secs(10);
const WARM_UP: Duration = Duration::from_secs(4);

/// The usage of one subject in one state.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Footprint {
    /// The subject.
    pub(super) subject: Subject,
    /// The state in words: idle, or the number of requests in flight.
    pub(super) state: String,
    /// Peak memory, in bytes.
    pub(super) peak_bytes: u64,
    /// Share of one core, when idle.
    pub(super) cpu_share: Option<f64>,
    /// Good replies per second.
    pub(super) throughput: Option<f64>,
    /// Whether the load client got that many requests in flight.
    pub(super) valid: bool,
}

/// Measures the bridge and the service when idle, then the bridge with many records in flight.
pub(super) async fn measure(bench: &mut Bench<'_>) -> Result<Vec<Footprint>> {
    let mut all = Vec::new();
    for subject in [
        Subject::EchoPipelined,
        Subject::BridgeTasks,
        Subject::OrdersTasks,
    ] {
        all.extend(idle(bench, subject).await?);
    }
    all.extend(many(bench).await?);
    for footprint in &all {
        let memory = footprint.peak_bytes as f64 / f64::from(1 << 20);
        let (subject, state) = (footprint.subject.name(), &footprint.state);
        tracing::info!("{subject}, {state}: {memory:.1} MiB");
    }
    Ok(all)
}

fn setup(subject: Subject, work: Duration) -> Setup {
    let course = Course {
        load: Load::users(MANY),
        rate: None,
        run_time: RUN_TIME,
        warm_up: WARM_UP,
    };
    Setup {
        subject,
        course,
        work,
    }
}

async fn idle(bench: &mut Bench<'_>, subject: Subject) -> Result<Option<Footprint>> {
    let place = Place::fresh(bench.logs);
    for topic in [place.topic(), place.reply_topic()] {
        bench.stack.create_topic(&topic, 1).await?;
    }
    let setup = setup(subject, Duration::ZERO);
    let mut running = bench.start(&setup, &place).await?;
    let parts = bench.parts(&mut running)?;
    let looked = wait::unless_stopped(bench.stop, async {
        sleep(SETTLE).await;
        let before = usages(&parts);
        sleep(IDLE).await;
        (before, usages(&parts))
    });
    let looked = looked.await;
    for one in running {
        one.stop_well().await?;
    }
    let topics = [place.topic(), place.reply_topic()];
    let (before, after) = bench.stack.tidy_after(looked, &topics).await?;
    let taken = before.get("service").zip(after.get("service"));
    Ok(taken.map(|(before, after)| Footprint {
        subject,
        state: "idle".to_owned(),
        peak_bytes: after.peak_bytes,
        cpu_share: Some(after.since(*before).cpu_seconds / IDLE.as_secs_f64()),
        throughput: None,
        valid: true,
    }))
}

async fn many(bench: &mut Bench<'_>) -> Result<Option<Footprint>> {
    let setup = setup(Subject::BridgeTasks, WORK);
    let cell = bench.cell(0, &setup).await?;
    let service = cell.usage.get("service");
    Ok(service.map(|usage| Footprint {
        subject: cell.subject,
        state: format!("{MANY} requests in flight, {} s each", WORK.as_secs()),
        peak_bytes: usage.peak_bytes,
        cpu_share: None,
        throughput: Some(cell.throughput),
        valid: cell.valid,
    }))
}
