//! Runs the blocks one after the other and hands what they left to the report.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use load_client::compare::{Run, read_run};
use load_client::stats::quantile;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::progress::Progress;
use super::report::{self, Outcome};
use super::{Block, blocks, latest};
use crate::environment::{Commit, Machine, OPTIMISED, now};
use crate::run::{Identity, RunEnd, RunFiles, Settings, Variant, rehearse, run};
use crate::stack::{Description, Stack};

/// What an experiment is; written to `experiment.json`, so that it can be repeated.
#[derive(Debug, Clone, Serialize)]
pub struct Experiment {
    /// When it started, UTC.
    pub date: String,
    /// Blocks of one run of either variant.
    pub trials: u32,
    /// Decides the order inside the blocks.
    pub seed: u64,
    /// The order itself.
    pub order: Vec<Block>,
    /// The relative change that counts as a difference.
    pub threshold: f64,
    /// Whether the harness, and with it the programs beside it, was built with optimisation.
    pub optimised: bool,
    /// What all runs share.
    #[serde(flatten)]
    pub settings: Settings,
    /// librdkafka properties given to both clients (`-X`), secrets masked.
    pub client_properties: Vec<String>,
    /// Broker and store.
    #[serde(flatten)]
    pub stack: Description,
    /// Where it ran.
    pub machine: Machine,
    /// The sources, where known.
    pub commit: Option<Commit>,
}

impl Experiment {
    /// Plans an experiment on `stack`.
    #[must_use]
    pub fn plan(stack: &Stack, settings: Settings, trials: u32, seed: u64, threshold: f64) -> Self {
        Self {
            date: now(),
            trials,
            seed,
            order: blocks(trials, seed),
            threshold,
            optimised: OPTIMISED,
            settings,
            client_properties: stack.shown_properties(),
            stack: stack.description(),
            machine: Machine::this(),
            commit: Commit::current(),
        }
    }
}

/// The runs of one variant, in the order of their blocks, with the files that they were read from.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub(super) runs: Vec<Run>,
    pub(super) files: Vec<PathBuf>,
}

/// Runs all blocks of `plan`, compares the variants, and writes the report to a new folder in `results`.
///
/// # Errors
///
/// When a run does not take place, or a file cannot be written. `<results>/latest` then stays as it was.
pub async fn experiment(
    stack: &mut Stack,
    plan: &Experiment,
    results: &Path,
    stop: &CancellationToken,
) -> Result<Outcome> {
    let name = format!("{}-{}", plan.date.replace(':', "-"), stack.kind().name());
    let folder = latest::new_folder(results, &name)?;
    write_plan(plan, &folder)?;
    rehearse(stack, &plan.settings, &folder, stop).await?;
    let progress = Progress::new(u64::from(plan.trials) * 2);
    let (mut baseline, mut tasks) = (Side::default(), Side::default());
    for (index, block) in plan.order.iter().enumerate() {
        for variant in *block {
            let number = index + 1;
            progress.doing(format!(
                "block {number} of {}: {}",
                plan.trials,
                variant.name()
            ));
            let name = format!("{}-{number}", variant.name());
            let files = RunFiles::in_folder(
                &folder.join(format!("block-{number}-{}", variant.name())),
                &name,
            );
            let end = run(
                stack,
                &plan.settings,
                variant,
                &Identity::fresh(),
                &files,
                stop,
            )
            .await?;
            let mut finished = read_run(&files.requests)?;
            if end == RunEnd::Invalid {
                let warning = format!("{name}: the load client was the bottleneck, see its JSON");
                finished.warnings.push(warning);
            }
            progress.done(&line(number, plan.trials, variant, &finished, end));
            let side = if variant == Variant::Baseline {
                &mut baseline
            } else {
                &mut tasks
            };
            side.runs.push(finished);
            side.files.push(files.requests);
        }
    }
    drop(progress);
    let outcome = report::write(plan, &baseline, &tasks, &folder)?;
    latest::point_to(results, &folder)?;
    Ok(outcome)
}

fn write_plan(plan: &Experiment, folder: &Path) -> Result<()> {
    let text = serde_json::to_string_pretty(plan).context("cannot write JSON")?;
    let file = folder.join("experiment.json");
    fs::write(&file, text + "\n").with_context(|| format!("cannot write {}", file.display()))
}

fn line(number: usize, trials: u32, variant: Variant, run: &Run, end: RunEnd) -> String {
    let figure =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
    let failures = match end {
        RunEnd::Clean => String::new(),
        RunEnd::WithFailures => format!("  {} failed requests", run.failures),
        RunEnd::Invalid => format!("  {} failed requests, INVALID", run.failures),
    };
    format!(
        "block {number} of {trials}  {:<8}  median {} ms  p95 {} ms  {} requests/s{failures}",
        variant.name(),
        figure(quantile(&run.latencies_ms, 0.5)),
        figure(quantile(&run.latencies_ms, 0.95)),
        run.throughput
            .map_or_else(|| "-".to_owned(), |rate| format!("{rate:.0}")),
    )
}
