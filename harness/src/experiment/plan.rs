//! What an experiment is: its blocks, their order, where it runs.

use clap::ValueEnum;
use serde::Serialize;

use super::{Block, blocks};
use crate::environment::Provenance;
use crate::run::Settings;
use crate::stack::{Description, Stack};

/// Runs of the baseline against itself, whose differences are noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Calibration {
    /// before the experiment: shows how small a change it could have seen
    First,
    /// and nothing else: the verdict should be that nothing changed
    Only,
}

/// How the runs are laid out and judged.
#[derive(Debug, Clone, Copy)]
pub struct Design {
    /// Blocks of two runs each.
    pub trials: u32,
    /// Whether the baseline is run against itself.
    pub calibration: Option<Calibration>,
    /// Decides the order inside the blocks.
    pub seed: u64,
    /// The relative change that counts as a difference.
    pub threshold: f64,
}

/// What an experiment is; written to `experiment.json`, so that it can be repeated.
#[derive(Debug, Clone, Serialize)]
pub struct Experiment {
    /// Where, when and of what.
    #[serde(flatten)]
    pub provenance: Provenance,
    /// Blocks of one run of either variant.
    pub trials: u32,
    /// Whether the baseline is run against itself.
    pub calibration: Option<Calibration>,
    /// Decides the order inside the blocks.
    pub seed: u64,
    /// The order itself.
    pub order: Vec<Block>,
    /// The relative change that counts as a difference.
    pub threshold: f64,
    /// What all runs share.
    #[serde(flatten)]
    pub settings: Settings,
    /// librdkafka properties given to both clients (`-X`), secrets masked.
    pub client_properties: Vec<String>,
    /// Broker and store.
    #[serde(flatten)]
    pub stack: Description,
}

impl Experiment {
    /// Plans an experiment on `stack`.
    #[must_use]
    pub fn plan(stack: &Stack, settings: Settings, design: Design) -> Self {
        let Design {
            trials,
            calibration,
            seed,
            threshold,
        } = design;
        Self {
            provenance: Provenance::now(),
            trials,
            calibration,
            seed,
            order: blocks(trials, seed),
            threshold,
            settings,
            client_properties: stack.shown_properties(),
            stack: stack.description(),
        }
    }

    /// How many runs it takes.
    pub(super) fn runs(&self) -> u64 {
        let kinds = match self.calibration {
            Some(Calibration::First) => 2,
            Some(Calibration::Only) | None => 1,
        };
        u64::from(self.trials) * 2 * kinds
    }
}
