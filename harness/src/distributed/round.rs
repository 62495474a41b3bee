//! One run of several load clients, and the promise that it checks.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{file, scheduled};
use crate::cli::{DistributedArguments, Killed};
use crate::process::Child;
use crate::programs;
use crate::stack::Stack;
use crate::wait::unless_stopped;

/// How long clients may take to find each other, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time from the order to start to the first request.
const DELAY: Duration = Duration::from_secs(2);
/// Time between two looks at a log file.
const LOOK: Duration = Duration::from_millis(50);

pub(super) struct Round {
    killed: Option<Killed>,
    run: String,
    broker: String,
    load_client: PathBuf,
    folder: PathBuf,
    workers: usize,
    rate: u32,
    run_time: Duration,
    expected: u64,
}

/// The result of a round.
pub(super) struct Outcome {
    pub(super) killed: &'static str,
    pub(super) promise: &'static str,
    pub(super) verdict: String,
    pub(super) requests: u64,
    pub(super) is_kept: bool,
    /// The output of the last coordinator.
    pub(super) shown: String,
}

impl Round {
    pub(super) fn new(
        stack: &Stack,
        arguments: &DistributedArguments,
        folder: &Path,
        killed: Option<Killed>,
    ) -> Result<Self> {
        let given = arguments.programs.load_client.as_deref();
        Ok(Self {
            killed,
            run: format!("run-{}", name(killed)),
            broker: stack.bootstrap_servers().to_owned(),
            load_client: programs::own("load-client", "--load-client", given)?,
            folder: folder.to_owned(),
            workers: arguments.workers,
            rate: arguments.rate,
            run_time: arguments.run_time,
            expected: scheduled(arguments.rate, arguments.run_time),
        })
    }

    /// Plays the round until all clients have ended.
    pub(super) async fn play(self, stop: &CancellationToken) -> Result<Outcome> {
        let mut workers = Vec::new();
        for number in 1..=self.workers {
            let called = format!("worker-{number}");
            let arguments = ["worker", "--name", &called, "--run", &self.run];
            workers.push(self.spawn(&called, &arguments)?);
        }
        let mut leader = self.coordinator("coordinator", &self.begins())?;
        unless_stopped(stop, self.until_all_are_ready(&workers)).await??;
        if let Some(killed) = self.killed {
            unless_stopped(stop, sleep(DELAY + self.run_time / 3)).await?;
            if killed != Killed::Coordinator {
                workers.remove(0).signal(Signal::KILL);
            }
            if killed != Killed::Worker {
                leader.signal(Signal::KILL);
                leader.wait().await?;
                leader = self.coordinator("successor", &self.takes_over())?;
            }
        }
        unless_stopped(stop, leader.wait()).await??;
        for worker in &mut workers {
            unless_stopped(stop, worker.wait()).await??;
        }
        self.outcome(leader.log())
    }

    fn begins(&self) -> Vec<String> {
        let rate = format!("{}/s", self.rate);
        let run_time = format!("{}ms", self.run_time.as_millis());
        let workers = self.workers.to_string();
        let all = [
            "--workers",
            &workers,
            "--run",
            &self.run,
            "--rate",
            &rate,
            "-t",
            &run_time,
        ];
        all.map(str::to_owned).into()
    }

    /// The flags of a coordinator that takes the run over. The run goes on even if it has lost a worker.
    fn takes_over(&self) -> Vec<String> {
        let all = ["--resume", &self.run, "--on-worker-loss", "continue"];
        all.map(str::to_owned).into()
    }

    fn coordinator(&self, called: &str, more: &[String]) -> Result<Child> {
        let host = format!("kafka://{}", self.broker);
        let report = file(&self.folder, &self.run, "report.json");
        let report = report
            .to_str()
            .context("the path of --results is not UTF-8")?;
        let page = file(&self.folder, &self.run, "report.html");
        let page = page
            .to_str()
            .context("the path of --results is not UTF-8")?;
        // All programs share this machine, so that they sometimes read the clock late.
        let own = [
            "run",
            "--host",
            &host,
            "--max-skew",
            "1s",
            "--only-summary",
            "--json",
            report,
            "--html",
            page,
        ];
        let all: Vec<&str> = own
            .into_iter()
            .chain(more.iter().map(String::as_str))
            .collect();
        self.spawn(called, &all)
    }

    fn spawn(&self, called: &str, arguments: &[&str]) -> Result<Child> {
        let log = file(&self.folder, &self.run, &format!("{called}.log"));
        let control = format!("--control=kafka://{}", self.broker);
        let all = arguments.iter().copied().chain([control.as_str()]);
        Child::spawn(called, &self.load_client, all, &log)
    }

    /// Waits for all workers. A ready worker writes which part of the load it sends.
    async fn until_all_are_ready(&self, workers: &[Child]) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        for worker in workers {
            while !std::fs::read_to_string(worker.log())?.contains("part ") {
                if Instant::now() >= deadline {
                    bail!("{} is not ready: {}", worker.name(), worker.log_tail());
                }
                sleep(LOOK).await;
            }
        }
        Ok(())
    }

    fn outcome(&self, log: &Path) -> Result<Outcome> {
        let report = file(&self.folder, &self.run, "report.json");
        let told = std::fs::read_to_string(log)?;
        let text = std::fs::read_to_string(&report);
        let text = text.with_context(|| format!("the coordinator has no report: {told}"))?;
        let report: Value = serde_json::from_str(&text)?;
        let requests = report["summary"]["total"]["requests"].as_u64().unwrap_or(0);
        let validity = report["validity"].to_string();
        let names_it = validity.contains("worker worker-1");
        let each = report["parts"].as_array().into_iter().flatten();
        let lost = each.filter(|own| own["lost"].is_object()).count();
        let (promise, is_kept) = match self.killed {
            None => (
                "each request of the schedule has a result",
                requests == self.expected,
            ),
            Some(Killed::Worker) => (
                "the run is INVALID and names the worker",
                report["validity"]["verdict"] == "invalid" && names_it,
            ),
            Some(Killed::Coordinator) => (
                "another coordinator ends the run, and each request has a result",
                requests == self.expected,
            ),
            Some(Killed::Both) => (
                "another coordinator ends the run, and names the worker and its unsent requests",
                lost == 1 && names_it,
            ),
        };
        Ok(Outcome {
            killed: name(self.killed),
            promise,
            verdict: report["validity"]["verdict"]
                .as_str()
                .unwrap_or("none")
                .to_owned(),
            requests,
            is_kept,
            shown: told,
        })
    }
}

fn name(killed: Option<Killed>) -> &'static str {
    match killed {
        None => "nobody",
        Some(Killed::Worker) => "worker",
        Some(Killed::Coordinator) => "coordinator",
        Some(Killed::Both) => "both",
    }
}
