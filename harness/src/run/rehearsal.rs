//! The run before the first one that counts, for brokers that are slow at first.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use tokio_util::sync::CancellationToken;

use super::{Identity, RunFiles, Settings, Variant, run};
use crate::stack::Stack;

/// Runs the variant with the higher throughput, which touches the broker most, and throws the figures away;
/// its files go to `folder/rehearsal`. Does nothing if the settings ask for none.
///
/// # Errors
///
/// As [`run`].
pub async fn rehearse(
    stack: &mut Stack,
    settings: &Settings,
    folder: &Path,
    stop: &CancellationToken,
) -> Result<()> {
    if settings.rehearsal.is_zero() {
        return Ok(());
    }
    tracing::info!(
        "rehearsal of {}",
        humantime::format_duration(settings.rehearsal)
    );
    let settings = Settings {
        run_time: settings.rehearsal,
        warm_up: Duration::ZERO,
        ..settings.clone()
    };
    let files = RunFiles::in_folder(&folder.join("rehearsal"), "rehearsal");
    run(
        stack,
        &settings,
        Variant::Tasks,
        &Identity::fresh(),
        &files,
        stop,
    )
    .await
    .map(drop)
}
