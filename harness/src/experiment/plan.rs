//! What an experiment is: its blocks, their order, where it runs.

use clap::ValueEnum;
use serde::Serialize;

use super::{Block, blocks};
use crate::environment::{Commit, Machine, OPTIMISED, now};
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
    /// When it started, UTC.
    pub date: String,
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
    pub fn plan(stack: &Stack, settings: Settings, design: Design) -> Self {
        let Design {
            trials,
            calibration,
            seed,
            threshold,
        } = design;
        Self {
            date: now(),
            trials,
            calibration,
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

    /// How many runs it takes.
    pub(super) fn runs(&self) -> u64 {
        let kinds = match self.calibration {
            Some(Calibration::First) => 2,
            Some(Calibration::Only) | None => 1,
        };
        u64::from(self.trials) * 2 * kinds
    }
}
