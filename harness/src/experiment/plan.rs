//! The plan of an experiment: its variants, its blocks and their order, and its stack.

use clap::ValueEnum;
use serde::Serialize;

use super::{Block, Revisions, Subject, order};
use crate::environment::Provenance;
use crate::run::{Settings, Variant};
use crate::stack::{Description, Stack};

/// Blocks of a calibration, if the experiment has no fixed number of blocks.
const CALIBRATION_BLOCKS: u32 = 6;

/// Runs of the baseline against itself, whose differences are noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Calibration {
    /// Before the experiment, to show how small a change it can detect
    First,
    /// Without the experiment; the verdict should be equivalent
    Only,
}

/// The number of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Length {
    /// This number, with one verdict at the end.
    Fixed {
        /// Blocks of one run of each variant.
        trials: u32,
    },
    /// Until all verdicts are decided, with a look after each block.
    UntilDecided {
        /// Least number of blocks.
        min_trials: u32,
        /// Most blocks.
        max_trials: u32,
    },
}

impl Length {
    /// The largest possible number of blocks.
    #[must_use]
    pub fn most(self) -> u32 {
        match self {
            Self::Fixed { trials } => trials,
            Self::UntilDecided { max_trials, .. } => max_trials,
        }
    }

    pub(crate) fn is_sequential(self) -> bool {
        matches!(self, Self::UntilDecided { .. })
    }
}

/// The order of the runs, and the rule for the verdict.
#[derive(Debug, Clone, Copy)]
pub struct Design {
    /// The number of blocks.
    pub length: Length,
    /// Whether the baseline is compared with itself.
    pub calibration: Option<Calibration>,
    /// Seed of the order inside the blocks.
    pub seed: u64,
    /// The smallest relative change that counts as a difference.
    pub threshold: f64,
}

/// The plan of an experiment, and the content of `experiment.json`.
#[derive(Debug, Clone, Serialize)]
pub struct Experiment {
    /// Where, when and with which sources.
    #[serde(flatten)]
    pub provenance: Provenance,
    /// Its title.
    pub title: String,
    /// The variants. The first is the baseline.
    #[serde(serialize_with = "shown")]
    pub variants: Vec<Variant>,
    /// The revisions, if the variants are two revisions of a repository.
    pub revisions: Option<Revisions>,
    /// The number of blocks.
    #[serde(flatten)]
    pub length: Length,
    /// Whether the baseline is compared with itself.
    pub calibration: Option<Calibration>,
    /// Seed of the order inside the blocks.
    pub seed: u64,
    /// The order: in each block the indexes of the variants.
    pub order: Vec<Block>,
    /// The smallest relative change that counts as a difference.
    pub threshold: f64,
    /// The settings of all runs.
    #[serde(flatten)]
    pub settings: Settings,
    /// librdkafka properties of the load client and of {kafka-properties}, secrets masked.
    pub client_properties: Vec<String>,
    /// Those of them that the user gave.
    #[serde(skip)]
    pub given_properties: Vec<String>,
    /// Broker and store.
    #[serde(flatten)]
    pub stack: Description,
}

fn shown<S: serde::Serializer>(variants: &[Variant], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(variants.iter().map(Variant::shown))
}

impl Experiment {
    /// Plans an experiment on `stack`.
    #[must_use]
    pub fn plan(
        stack: &Stack,
        subject: Subject,
        settings: Settings,
        design: Design,
        provenance: Provenance,
    ) -> Self {
        Self {
            client_properties: stack.shown_properties(),
            given_properties: stack.given_properties(),
            ..Self::of(stack.description(), subject, settings, design, provenance)
        }
    }

    /// Plans an experiment without properties of the clients.
    pub(super) fn of(
        stack: Description,
        subject: Subject,
        settings: Settings,
        design: Design,
        provenance: Provenance,
    ) -> Self {
        let Design {
            length,
            calibration,
            seed,
            threshold,
        } = design;
        Self {
            provenance,
            order: order(length, subject.variants.len(), seed),
            title: subject.title,
            variants: subject.variants,
            revisions: subject.revisions,
            length,
            calibration,
            seed,
            threshold,
            settings,
            client_properties: Vec::new(),
            given_properties: Vec::new(),
            stack,
        }
    }

    /// The index of the variant with which that one is compared.
    pub(super) fn reference(&self, side: usize) -> usize {
        let against = self.variants[side].against.as_ref();
        let place = |name| {
            self.variants
                .iter()
                .position(|variant| &variant.name == name)
        };
        against.and_then(place).unwrap_or(0)
    }

    /// The number of blocks of the baseline against itself.
    pub(super) fn calibration_blocks(&self) -> u32 {
        match self.length {
            Length::Fixed { trials } => trials,
            Length::UntilDecided { .. } => CALIBRATION_BLOCKS,
        }
    }

    /// The order of these blocks. It has the same seed, but is not that of the variants.
    pub(super) fn calibration_order(&self) -> Vec<Block> {
        let trials = self.calibration_blocks();
        order(Length::Fixed { trials }, 2, self.seed.wrapping_add(1))
    }

    /// The largest possible number of runs.
    pub(super) fn runs(&self) -> u64 {
        let noise = self
            .calibration
            .map_or(0, |_| 2 * self.calibration_blocks());
        let own = match self.calibration {
            Some(Calibration::Only) => 0,
            _ => self.length.most() * self.variants.len() as u32,
        };
        u64::from(noise + own)
    }
}
