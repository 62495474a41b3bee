//! The comparison as plain data.

use serde::Serialize;

use super::curves::Curves;
use super::effects::Blocks;
use super::kinds::Kind;
use super::order::{Drifts, Order};
use super::shape::Shape;
use super::summary::SideSummary;
use super::verdict::Verdict;
use super::within::WithinRuns;
use crate::stats::Welch;

/// The figures of the seed's article, over all requests of each side.
///
/// They take every request as independent evidence, which it is not; see the module's docs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PerRequest {
    /// Relative change of the pooled median.
    pub(crate) median_change: Option<f64>,
    /// Welch's t-test of the baseline's requests against the changed side's.
    pub welch: Option<Welch>,
    /// Relative change of the median as Locust rounds it, to whole milliseconds below 100.
    pub(crate) locust_median_change: Option<f64>,
}

/// Everything that the outputs show.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Version of this structure, as `docs/comparison.schema.json` describes it.
    pub(crate) schema: u32,
    /// The answer in one plain sentence.
    pub conclusion: String,
    /// The verdict on the median; `None` when it is refused or the runs cannot carry one.
    pub verdict: Option<Verdict>,
    /// Why there is no verdict.
    pub(crate) refusal: Option<String>,
    /// The relative change that counts as a difference.
    pub(crate) threshold: f64,
    /// The side compared against.
    pub(crate) baseline: SideSummary,
    /// The side that was changed.
    pub(crate) changed: SideSummary,
    /// Effects over paired runs; `None` unless both sides have the same number, two or more.
    pub blocks: Option<Blocks>,
    /// Each kind of request on its own; empty when there is only one.
    pub(crate) kinds: Vec<Kind>,
    /// In which order the runs were made.
    pub(crate) order: Order,
    /// What time did to the figures, from block to block.
    pub(crate) drift: Drifts,
    /// With one run a side whose order of requests is known: what the variation of requests within the runs tells.
    pub(crate) within_runs: Option<WithinRuns>,
    /// How the distributions differ beyond their medians; `None` when a side has no good reply.
    pub(crate) shape: Option<Shape>,
    /// The article's figures.
    pub per_request: PerRequest,
    /// Relative change of the pooled throughput (in a closed loop without think time the
    /// throughput is users / mean latency, so -30 % in latency *is* +43 % in throughput).
    pub(crate) throughput_change: Option<f64>,
    /// Both distributions as curves.
    pub(crate) curves: Curves,
    /// What makes the figures doubtful, with advice.
    pub warnings: Vec<String>,
}
