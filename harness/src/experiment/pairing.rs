//! What is run against what: both variants, or the baseline against itself.

use std::path::{Path, PathBuf};

use anyhow::Result;
use load_client::compare::{Run, read_run};
use load_client::stats::quantile;
use tokio_util::sync::CancellationToken;

use super::Block;
use super::progress::Progress;
use crate::run::{Identity, RunEnd, RunFiles, ServiceCommand, Settings, Variant, run};
use crate::stack::Stack;

/// What each block runs against what.
#[derive(Debug)]
pub(crate) struct Pairing {
    /// What a block is called.
    pub(crate) word: &'static str,
    /// Name and service of either side, the one to compare with first.
    pub(crate) sides: [(&'static str, ServiceCommand); 2],
}

impl Pairing {
    /// The baseline and the change.
    pub(super) fn variants() -> Self {
        Self {
            word: "block",
            sides: Variant::BOTH.map(|variant| (variant.dispatch(), variant.into())),
        }
    }

    /// The baseline twice (A/A): what differs is noise.
    pub(super) fn calibration() -> Self {
        Self {
            word: "calibration",
            sides: ["first", "second"].map(|name| (name, Variant::Baseline.into())),
        }
    }
}

/// The runs of both sides, in the order of their blocks.
#[derive(Debug, Default)]
pub(crate) struct Sides {
    pub(crate) baseline: Vec<Run>,
    pub(crate) changed: Vec<Run>,
}

/// What the blocks of an experiment share.
pub(crate) struct Blocks<'a> {
    pub(crate) stack: &'a mut Stack,
    pub(crate) settings: &'a Settings,
    pub(crate) folder: &'a Path,
    pub(crate) progress: &'a Progress,
    pub(crate) stop: &'a CancellationToken,
}

impl Blocks<'_> {
    /// Runs the blocks in this order, in which the baseline stands for the first side.
    pub(crate) async fn run(&mut self, pairing: &Pairing, order: &[Block]) -> Result<Sides> {
        let mut sides = Sides::default();
        let [first, second] = &pairing.sides;
        for (index, block) in order.iter().enumerate() {
            let place = (index + 1, order.len());
            for side in block {
                let (side, runs) = match side {
                    Variant::Baseline => (first, &mut sides.baseline),
                    Variant::Tasks => (second, &mut sides.changed),
                };
                runs.push(self.one(pairing.word, place, side).await?);
            }
        }
        Ok(sides)
    }

    async fn one(
        &mut self,
        word: &str,
        (number, count): (usize, usize),
        (name, service): &(&str, ServiceCommand),
    ) -> Result<Run> {
        self.progress
            .doing(format!("{word} {number} of {count}: {name}"));
        let files = self.files(word, number, name);
        let identity = Identity::fresh();
        let end = run(
            self.stack,
            self.settings,
            service,
            &identity,
            &files,
            self.stop,
        )
        .await?;
        let mut finished = read_run(&files.requests)?;
        if end == RunEnd::Invalid {
            let reason = format!("see {}", files.summary.display());
            finished.invalid.push(reason);
        }
        let line = line(&finished, end);
        self.progress
            .done(&format!("{word} {number} of {count}  {name:<8}  {line}"));
        Ok(finished)
    }

    fn files(&self, word: &str, number: usize, name: &str) -> RunFiles {
        let folder: PathBuf = self.folder.join(format!("{word}-{number}-{name}"));
        RunFiles::in_folder(&folder, &format!("{name}-{number}"))
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
