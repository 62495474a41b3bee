//! The blocks of an experiment. Each block has one run of each side, one after the other.

use std::path::Path;

use anyhow::{Result, bail};
use load_client::compare::{Run, read_run};
use load_client::stats::quantile;
use tokio_util::sync::CancellationToken;

use super::Block;
use super::progress::Progress;
use crate::process::log_tail;
use crate::run::{Identity, Planned, Ran, RunEnd, RunFiles, Settings, Variant, run};
use crate::stack::Stack;
use crate::usage::Usage;

/// The sides that each block runs. The baseline is the first.
#[derive(Debug)]
pub(crate) struct Sides {
    /// The word for a block.
    pub(crate) word: &'static str,
    /// Name and variant of each side.
    pub(crate) sides: Vec<(String, Variant)>,
    /// Whether a block with an INVALID run is repeated. Otherwise the whole comparison has no verdict.
    pub(crate) repeats_invalid: bool,
}

/// The runs of one side, block by block.
#[derive(Debug, Default)]
pub(crate) struct Side {
    pub(crate) runs: Vec<Run>,
    /// What the service used in each run.
    pub(crate) taken: Vec<Option<Taken>>,
}

/// What a service used in a run, after its warm-up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) usage: Usage,
    /// Requests of that time.
    pub(crate) requests: usize,
}

/// The blocks that ran.
#[derive(Debug, Default)]
pub(crate) struct Made {
    /// In the order of [`Sides`].
    pub(crate) sides: Vec<Side>,
    /// The number of blocks, with those that do not count.
    pub(crate) blocks: usize,
    /// The blocks that do not count, with the reason.
    pub(crate) dropped: Vec<String>,
}

/// The environment of all blocks of an experiment.
pub(crate) struct Blocks<'a> {
    pub(crate) stack: &'a mut Stack,
    pub(crate) settings: &'a Settings,
    pub(crate) folder: &'a Path,
    pub(crate) progress: &'a Progress,
    pub(crate) stop: &'a CancellationToken,
}

impl Blocks<'_> {
    /// Runs the blocks in this order, until the runs so far decide.
    pub(crate) async fn run(
        &mut self,
        sides: &Sides,
        order: &[Block],
        mut are_decided: impl FnMut(&[Side]) -> Result<bool>,
    ) -> Result<Made> {
        let mut made = Made {
            sides: sides.sides.iter().map(|_| Side::default()).collect(),
            ..Made::default()
        };
        for (index, block) in order.iter().enumerate() {
            let place = format!("{} {} of {}", sides.word, index + 1, order.len());
            let mut runs = Vec::new();
            for side in block {
                let finished = self.one(sides, *side, index + 1, &place).await?;
                runs.push((*side, finished));
            }
            made.blocks = index + 1;
            let invalid = runs.iter().find(|(_, (run, _))| !run.invalid.is_empty());
            if let Some((side, (run, _))) = invalid.filter(|_| sides.repeats_invalid) {
                let reason = run.invalid.join("; ");
                let name = &sides.sides[*side].0;
                let number = index + 1;
                made.dropped
                    .push(format!("{number}: {name} is invalid, {reason}"));
                self.progress.tell(&format!(
                    "{place} does not count, {name} is invalid: {reason}"
                ));
                continue;
            }
            for (side, (run, taken)) in runs {
                made.sides[side].runs.push(run);
                made.sides[side].taken.push(taken);
            }
            if are_decided(&made.sides)? {
                break;
            }
        }
        Ok(made)
    }

    /// Makes the run of one side in a block.
    async fn one(
        &mut self,
        sides: &Sides,
        side: usize,
        number: usize,
        place: &str,
    ) -> Result<(Run, Option<Taken>)> {
        let (name, variant) = &sides.sides[side];
        self.progress.doing(format!("{place}: {name}"));
        let folder = self.folder.join(format!("{}-{number}-{name}", sides.word));
        let planned = Planned {
            variant,
            identity: Identity::fresh(&self.settings.topic),
            files: RunFiles::in_folder(&folder, &format!("{name}-{number}")),
        };
        let ran = run(self.stack, self.settings, &planned, self.stop).await?;
        self.finished(place, name, &planned, ran)
    }

    fn finished(
        &self,
        place: &str,
        name: &str,
        planned: &Planned<'_>,
        ran: Ran,
    ) -> Result<(Run, Option<Taken>)> {
        let (Ran { end, usage }, files) = (ran, &planned.files);
        let mut own = read_run(&files.requests)?;
        if end == RunEnd::Invalid {
            let reason = format!("see {}", files.summary.display());
            own.invalid.push(reason);
        }
        if own.latencies_ms.is_empty() {
            bail!(
                "{name} gave no good reply, {} requests failed: see {}; {}",
                own.failures,
                files.summary.display(),
                log_tail(&planned.variant.name, &planned.variant.log(&files.logs))
            );
        }
        let line = line(&own, end);
        self.progress.done(&format!("{place}  {name:<8}  {line}"));
        let requests = own.latencies_ms.len() + own.failures as usize;
        let taken = usage.map(|usage| Taken { usage, requests });
        Ok((own, taken))
    }
}

fn line(run: &Run, end: RunEnd) -> String {
    let figure =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
    let failures = match end {
        RunEnd::Clean => String::new(),
        RunEnd::WithFailures => format!("  {} failed requests", run.failures),
        RunEnd::Invalid => format!("  {} failed requests, INVALID", run.failures),
    };
    format!(
        "median {} ms  p95 {} ms  {} requests/s{failures}",
        figure(quantile(&run.latencies_ms, 0.5)),
        figure(quantile(&run.latencies_ms, 0.95)),
        run.throughput
            .map_or_else(|| "-".to_owned(), |rate| format!("{rate:.0}")),
    )
}
