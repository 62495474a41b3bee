//! Runs the blocks one after the other, and writes the report.

use std::path::Path;

use anyhow::{Result, bail};
use load_client::compare::{Comparison, Detail, Names, Options, Verdict, compare, percent};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::blocks::{Blocks, Made, Side, Sides};
use super::latest;
use super::plan::{Calibration, Experiment, Length};
use super::progress::Progress;
use super::repeat;
use super::report::{self, Outcome};
use crate::files;
use crate::run::{Variant, rehearse};
use crate::stack::Stack;

/// The names of a calibration's sides, and of their files.
pub(super) const SAME: [&str; 2] = ["first", "second"];

/// All runs of an experiment.
#[derive(Debug, Default)]
pub(super) struct Runs {
    /// Runs of the baseline against itself.
    pub(super) noise: Option<Made>,
    /// Runs of each variant.
    pub(super) variants: Option<Made>,
}

/// Runs all blocks of `plan`, compares the sides, and writes the report to a new folder in `results`.
///
/// # Errors
///
/// Fails if a run does not take place, or if a file cannot be written. `<results>/latest` then stays as it was.
pub async fn experiment(
    stack: &mut Stack,
    plan: &Experiment,
    results: &Path,
    folder: &Path,
    stop: &CancellationToken,
) -> Result<Outcome> {
    files::write_json(&folder.join("experiment.json"), plan)?;
    files::write(&folder.join(repeat::FILE), &repeat::text(plan))?;
    rehearse(stack, &plan.settings, &plan.variants, folder, stop).await?;
    let progress = Progress::new(plan.runs());
    let mut blocks = Blocks {
        stack,
        settings: &plan.settings,
        folder,
        progress: &progress,
        stop,
    };
    let mut runs = Runs::default();
    if plan.calibration.is_some() {
        runs.noise = Some(calibrate(&mut blocks, plan).await?);
    }
    if plan.calibration != Some(Calibration::Only) {
        runs.variants = Some(compare_variants(&mut blocks, plan).await?);
    }
    drop(progress);
    let (own, target) = (plan.clone(), folder.to_owned());
    // This takes a while, and signals must work meanwhile.
    let outcome = spawn_blocking(move || report::write(&own, &runs, &target));
    let outcome = outcome.await??;
    latest::point_to(results, folder)?;
    Ok(outcome)
}

/// Runs the baseline against itself (A/A). Its differences are noise.
async fn calibrate(blocks: &mut Blocks<'_>, plan: &Experiment) -> Result<Made> {
    let baseline = &plan.variants[0];
    let sides = Sides {
        word: "calibration",
        sides: SAME.map(|name| (name.to_owned(), baseline.clone())).into(),
        repeats_invalid: false,
    };
    let order = plan.calibration_order();
    blocks.run(&sides, &order, |_| Ok(false)).await
}

async fn compare_variants(blocks: &mut Blocks<'_>, plan: &Experiment) -> Result<Made> {
    let named = |variant: &Variant| (variant.name.clone(), variant.clone());
    let sides = Sides {
        word: "block",
        sides: plan.variants.iter().map(named).collect(),
        repeats_invalid: plan.length.is_sequential(),
    };
    let progress = blocks.progress;
    let runs = blocks.run(&sides, &plan.order, |runs| {
        are_decided(plan, runs, progress)
    });
    let made = runs.await?;
    if made.sides[0].runs.is_empty() {
        bail!(
            "none of {} blocks counts: in each, the load client was the bottleneck of a run; see {}",
            made.blocks,
            blocks.folder.display()
        );
    }
    Ok(made)
}

/// Shows the result after each block, if the blocks end by their result. Returns whether all verdicts are decided.
fn are_decided(plan: &Experiment, runs: &[Side], progress: &Progress) -> Result<bool> {
    let Length::UntilDecided { min_trials, .. } = plan.length else {
        return Ok(false);
    };
    let count = runs[0].runs.len();
    let mut open = false;
    for (side, variant) in plan.variants.iter().enumerate().skip(1) {
        let comparison = compared(plan, runs, side, Detail::Verdict)?;
        progress.tell(&format!(
            "  after block {count}, {}: {}",
            variant.name,
            look(&comparison)
        ));
        open |= matches!(
            comparison.verdict,
            None | Some(Verdict::Inconclusive { .. })
        );
    }
    Ok(!open && count >= min_trials as usize)
}

/// The change of the median so far, in a few words.
fn look(comparison: &Comparison) -> String {
    let blocks = comparison.blocks.as_ref();
    let median = blocks.and_then(|blocks| blocks.effect(load_client::compare::Metric::P50));
    let Some(median) = median else {
        return "no interval yet".to_owned();
    };
    let [change, low, high] = [median.change, median.low, median.high].map(percent);
    let verdict = comparison.verdict.map_or("no verdict", Verdict::name);
    format!("median {change} ({low} to {high}), {verdict}")
}

/// Compares a side with its reference.
pub(super) fn compared(
    plan: &Experiment,
    runs: &[Side],
    side: usize,
    detail: Detail,
) -> Result<Comparison> {
    let first = plan.reference(side);
    let names = [first, side].map(|side| plan.variants[side].name.as_str());
    let options = Options {
        threshold: plan.threshold,
        is_sequential: plan.length.is_sequential(),
        comparisons: plan.variants.len() as u32 - 1,
        detail,
        names: Names::try_new(names[0], names[1])?,
    };
    Ok(compare(&runs[first].runs, &runs[side].runs, &options)?)
}
