//! Runs the blocks one after the other and hands what they left to the report.

use std::path::Path;

use anyhow::Result;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::pairing::{Blocks, Pairing};
use super::plan::{Calibration, Experiment};
use super::progress::Progress;
use super::report::{self, Outcome};
use super::{blocks, latest};
use crate::files;
use crate::run::{Variant, rehearse};
use crate::stack::Stack;

/// Runs all blocks of `plan`, compares the sides, and writes the report to a new folder in `results`.
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
    let name = format!(
        "{}-{}",
        plan.provenance.date.replace(':', "-"),
        stack.kind().name()
    );
    let folder = latest::new_folder(results, &name)?;
    write_plan(plan, &folder)?;
    let both = Variant::BOTH.map(Into::into);
    rehearse(stack, &plan.settings, &both, &folder, stop).await?;
    let progress = Progress::new(plan.runs());
    let mut runs = Blocks {
        stack,
        settings: &plan.settings,
        folder: &folder,
        progress: &progress,
        stop,
    };
    let noise = match plan.calibration {
        // Another order than that of the variants, of the same seed.
        Some(_) => {
            let order = blocks(plan.trials, plan.seed.wrapping_add(1));
            Some(runs.run(&Pairing::calibration(), &order).await?)
        }
        None => None,
    };
    let variants = match plan.calibration {
        Some(Calibration::Only) => None,
        Some(Calibration::First) | None => Some(runs.run(&Pairing::variants(), &plan.order).await?),
    };
    drop(progress);
    let (own, target) = (plan.clone(), folder.clone());
    // It takes a while, in which a signal must be heard.
    let outcome =
        spawn_blocking(move || report::write(&own, noise.as_ref(), variants.as_ref(), &target));
    let outcome = outcome.await??;
    latest::point_to(results, &folder)?;
    Ok(outcome)
}

fn write_plan(plan: &Experiment, folder: &Path) -> Result<()> {
    files::write_json(&folder.join("experiment.json"), plan)
}
