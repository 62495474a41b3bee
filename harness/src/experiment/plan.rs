//! What an experiment is: its variants, its blocks, their order, where it runs.

use clap::ValueEnum;
use serde::Serialize;

use super::{Block, Revisions, Subject, order};
use crate::environment::Provenance;
use crate::run::{Settings, Variant};
use crate::stack::{Description, Stack};

/// Blocks of a calibration where those of the experiment end by what they say.
const CALIBRATION_BLOCKS: u32 = 6;

/// Runs of the baseline against itself, whose differences are noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Calibration {
    /// before the experiment: shows how small a change it could have seen
    First,
    /// and nothing else: the verdict should be that nothing changed
    Only,
}

/// How many blocks there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Length {
    /// So many, looked at once.
    Fixed {
        /// Blocks of one run of each variant.
        trials: u32,
    },
    /// Until all verdicts are decided, looked at after each.
    UntilDecided {
        /// At least so many.
        min_trials: u32,
        /// At most so many.
        max_trials: u32,
    },
}

impl Length {
    /// The most blocks that there can be.
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

/// How the runs are laid out and judged.
#[derive(Debug, Clone, Copy)]
pub struct Design {
    /// How many blocks there are.
    pub length: Length,
    /// Whether the baseline is run against itself.
    pub calibration: Option<Calibration>,
    /// Decides the order inside the blocks.
    pub seed: u64,
    /// The relative change that counts as a difference.
    pub threshold: f64,
}

/// What an experiment is; written to `experiment.json`.
#[derive(Debug, Clone, Serialize)]
pub struct Experiment {
    /// Where, when and of what.
    #[serde(flatten)]
    pub provenance: Provenance,
    /// What it is called.
    pub title: String,
    /// What is compared; the first is the baseline.
    #[serde(serialize_with = "shown")]
    pub variants: Vec<Variant>,
    /// Where the variants are two revisions of a repository.
    pub revisions: Option<Revisions>,
    /// How many blocks there are.
    #[serde(flatten)]
    pub length: Length,
    /// Whether the baseline is run against itself.
    pub calibration: Option<Calibration>,
    /// Decides the order inside the blocks.
    pub seed: u64,
    /// The order itself: in each block the places of the variants.
    pub order: Vec<Block>,
    /// The relative change that counts as a difference.
    pub threshold: f64,
    /// What all runs share.
    #[serde(flatten)]
    pub settings: Settings,
    /// librdkafka properties of the load client and of {kafka-properties}, secrets masked.
    pub client_properties: Vec<String>,
    /// Those of them that were given.
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

    /// The same without properties of the clients.
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

    /// Which variant that one is compared with.
    pub(super) fn reference(&self, side: usize) -> usize {
        let against = self.variants[side].against.as_ref();
        let place = |name| {
            self.variants
                .iter()
                .position(|variant| &variant.name == name)
        };
        against.and_then(place).unwrap_or(0)
    }

    /// Blocks of the baseline against itself.
    pub(super) fn calibration_blocks(&self) -> u32 {
        match self.length {
            Length::Fixed { trials } => trials,
            Length::UntilDecided { .. } => CALIBRATION_BLOCKS,
        }
    }

    /// Their order: another one than that of the variants, of the same seed.
    pub(super) fn calibration_order(&self) -> Vec<Block> {
        let trials = self.calibration_blocks();
        order(Length::Fixed { trials }, 2, self.seed.wrapping_add(1))
    }

    /// How many runs it takes, at most.
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
