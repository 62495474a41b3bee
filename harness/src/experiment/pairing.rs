//! What is run against what: both variants, or the baseline against itself.

use std::path::{Path, PathBuf};

use anyhow::Result;
use load_client::compare::{Run, read_run};
use load_client::stats::quantile;
use tokio_util::sync::CancellationToken;

use super::Block;
use super::progress::Progress;
use crate::run::{Identity, RunEnd, RunFiles, Settings, Variant, run};
use crate::stack::Stack;

/// A kind of block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pairing {
    /// The baseline and the change.
    Variants,
    /// The baseline twice (A/A): what differs is noise.
    Calibration,
}

impl Pairing {
    /// The two sides of each block: their names and variants, the one to compare with first.
    fn sides(self) -> [(&'static str, Variant); 2] {
        match self {
            Self::Variants => Variant::BOTH.map(|variant| (variant.dispatch(), variant)),
            Self::Calibration => ["first", "second"].map(|name| (name, Variant::Baseline)),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Variants => "block",
            Self::Calibration => "calibration",
        }
    }
}

/// The runs of both sides, in the order of their blocks.
#[derive(Debug, Default)]
pub(super) struct Sides {
    pub(super) baseline: Vec<Run>,
    pub(super) changed: Vec<Run>,
}

/// What the blocks of an experiment share.
pub(super) struct Blocks<'a> {
    pub(super) stack: &'a mut Stack,
    pub(super) settings: &'a Settings,
    pub(super) folder: &'a Path,
    pub(super) progress: &'a Progress,
    pub(super) stop: &'a CancellationToken,
}

impl Blocks<'_> {
    /// Runs the blocks in this order, in which the baseline stands for the first side.
    pub(super) async fn run(&mut self, pairing: Pairing, order: &[Block]) -> Result<Sides> {
        let mut sides = Sides::default();
        let [first, second] = pairing.sides();
        for (index, block) in order.iter().enumerate() {
            let place = (index + 1, order.len());
            for side in block {
                let (side, runs) = match side {
                    Variant::Baseline => (first, &mut sides.baseline),
                    Variant::Tasks => (second, &mut sides.changed),
                };
                runs.push(self.one(pairing, place, side).await?);
            }
        }
        Ok(sides)
    }

    async fn one(
        &mut self,
        pairing: Pairing,
        (number, count): (usize, usize),
        (name, variant): (&str, Variant),
    ) -> Result<Run> {
        let word = pairing.word();
        self.progress
            .doing(format!("{word} {number} of {count}: {name}"));
        let files = self.files(word, number, name);
        let identity = Identity::fresh();
        let end = run(
            self.stack,
            self.settings,
            variant,
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
