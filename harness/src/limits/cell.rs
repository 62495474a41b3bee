//! One cell of the table: starts a subject on new topics, sends the load, stops it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::client::{Course, Measured, SLACK};
use super::figures::Cell;
use super::place::Place;
use super::subject::{self, Programs, Subject};
use crate::Interrupted;
use crate::process::Child;
use crate::stack::Stack;
use crate::system::System;
use crate::usage::Usage;
use crate::wait;

/// Time between two looks at the load client, whose usage cannot be read after its end.
const LOOK: Duration = Duration::from_millis(20);
/// Members that join one after the other hand over partitions in further rebalances, one per heartbeat (3 s).
const SETTLE: Duration = Duration::from_secs(7);
const LOAD_STOP_GRACE: Duration = Duration::from_secs(5);
/// How long a subject may take to get its partitions.
const READY_LIMIT: Duration = Duration::from_secs(45);

/// The settings of a cell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setup {
    pub(super) subject: Subject,
    pub(super) course: Course,
    /// How long the bridge's handler takes.
    pub(super) work: Duration,
}

/// The environment of all cells.
pub(super) struct Bench<'a> {
    pub(super) stack: &'a mut Stack,
    pub(super) programs: &'a Programs,
    pub(super) logs: &'a Path,
    pub(super) stop: &'a CancellationToken,
}

impl Bench<'_> {
    /// Runs one cell, and leaves only logs behind.
    pub(super) async fn cell(&mut self, round: u32, setup: &Setup) -> Result<Cell> {
        let place = Place::fresh(self.logs);
        let outcome = self.on_topics(round, setup, &place).await;
        let outcome = outcome.with_context(|| {
            let (subject, load) = (setup.subject.name(), setup.course.load.name());
            format!("round {round}, {subject}, {load}")
        });
        let topics = [place.topic(), place.reply_topic()];
        self.stack.tidy_after(outcome, &topics).await
    }

    async fn on_topics(&mut self, round: u32, setup: &Setup, place: &Place) -> Result<Cell> {
        self.stack
            .create_topic(&place.topic(), setup.course.load.partitions)
            .await?;
        self.stack.create_topic(&place.reply_topic(), 1).await?;
        let mut running = self.start(setup, place).await?;
        let outcome = self.drive(round, setup, place, &mut running).await;
        let mut stopped = Ok(());
        for one in running {
            stopped = one.stop_well().await.and(stopped);
        }
        let cell = outcome?;
        stopped?;
        Ok(cell)
    }

    /// Starts a subject's instances, and waits until all have their partitions.
    pub(super) async fn start(&self, setup: &Setup, place: &Place) -> Result<Vec<System>> {
        let (stack, programs, stop) = (&*self.stack, self.programs, self.stop);
        let mut running = Vec::new();
        for _ in 0..setup.course.load.instances {
            let (subject, work) = (setup.subject, setup.work);
            running.push(subject::spawn(subject, stack, place, programs, work)?);
        }
        for one in &mut running {
            one.until_ready(READY_LIMIT, stop).await?;
        }
        if running.len() > 1 {
            wait::unless_stopped(stop, sleep(SETTLE)).await?;
        }
        Ok(running)
    }

    async fn drive(
        &mut self,
        round: u32,
        setup: &Setup,
        place: &Place,
        running: &mut [System],
    ) -> Result<Cell> {
        let summary = place.log("load-client").with_extension("json");
        if summary.exists() {
            // An earlier file could look like the result of a failed load client.
            fs::remove_file(&summary).context("cannot remove an earlier summary")?;
        }
        let parts = self.parts(running)?;
        let before = usages(&parts);
        let program = &self.programs.load_client;
        let mut client = setup.course.spawn(program, self.stack, place, &summary)?;
        let client_usage = match self.watch(&mut client, running, setup).await {
            Ok(usage) => usage,
            Err(error) => {
                client.stop(LOAD_STOP_GRACE).await?;
                return Err(error);
            }
        };
        let after = usages(&parts);
        let text = fs::read_to_string(&summary);
        let text = text.with_context(|| format!("no summary; {}", client.log_tail()))?;
        let mut usage: BTreeMap<String, Usage> = after
            .into_iter()
            .filter_map(|(part, after)| {
                let before = *before.get(&part)?;
                Some((part, after.since(before)))
            })
            .collect();
        usage.extend(client_usage.map(|usage| ("client".to_owned(), usage)));
        Ok(cell(round, setup, &Measured::read(&text)?, usage))
    }

    /// The processes of each part, without the load client.
    pub(super) fn parts(&mut self, running: &mut [System]) -> Result<BTreeMap<String, Vec<u32>>> {
        let service = running.iter_mut().filter_map(|one| one.child().id());
        let mut brokers = self.stack.broker_ids();
        if self.stack.description().broker_is_mock {
            // The mock broker runs in this process.
            brokers.push(std::process::id());
        }
        let store = self.stack.store_id();
        let mut parts = BTreeMap::from([("service".to_owned(), service.collect())]);
        // A broker on another machine has no process here.
        parts.extend((!brokers.is_empty()).then(|| ("broker".to_owned(), brokers)));
        parts.extend(store.map(|id| ("store".to_owned(), vec![id])));
        Ok(parts)
    }

    /// Waits for the load client's end. Returns its usage, if it could be read.
    async fn watch(
        &mut self,
        client: &mut Child,
        running: &mut [System],
        setup: &Setup,
    ) -> Result<Option<Usage>> {
        let deadline = Instant::now() + setup.course.run_time + SLACK;
        let mut usage = None;
        loop {
            usage = client.id().and_then(Usage::of).or(usage);
            if let Some(status) = client.try_wait()? {
                return judge(status, client).map(|()| usage);
            }
            for one in running.iter_mut() {
                one.check()?;
            }
            self.stack.check()?;
            if Instant::now() >= deadline {
                bail!("load-client did not end in time; {}", client.log_tail());
            }
            if self.stop.run_until_cancelled(sleep(LOOK)).await.is_none() {
                return Err(Interrupted.into());
            }
        }
    }
}

/// Exit codes of a run that took place: 0, 3 some requests failed, 5 the client was a bottleneck.
fn judge(status: ExitStatus, client: &Child) -> Result<()> {
    match status.code() {
        Some(0 | 3 | 5) => Ok(()),
        _ => bail!("load-client failed ({status}); {}", client.log_tail()),
    }
}

pub(super) fn usages(parts: &BTreeMap<String, Vec<u32>>) -> BTreeMap<String, Usage> {
    let known = parts
        .iter()
        .filter_map(|(part, processes)| Some((part.clone(), Usage::sum(processes)?)));
    known.collect()
}

fn cell(round: u32, setup: &Setup, measured: &Measured, usage: BTreeMap<String, Usage>) -> Cell {
    Cell {
        round,
        subject: setup.subject,
        load: setup.course.load,
        rate: setup.course.rate,
        throughput: measured.throughput,
        p50_ms: measured.p50_ms,
        p95_ms: measured.p95_ms,
        p99_ms: measured.p99_ms,
        requests: measured.requests,
        failures: measured.failures,
        valid: measured.valid,
        usage,
    }
}
