//! The runs before the first one that counts, for brokers that are slow at first.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use tokio_util::sync::CancellationToken;

use super::{Identity, Planned, RunFiles, Settings, Variant, run};
use crate::stack::Stack;

/// Runs all that will be measured, so that none meets a broker that has only seen another, and throws the figures
/// away; their files go to `folder/rehearsal-<name>`. Does nothing if the settings ask for none.
///
/// It shortens the warming up and does not prove its end: a broker may still become faster afterwards.
///
/// # Errors
///
/// As [`run`].
pub async fn rehearse(
    stack: &mut Stack,
    settings: &Settings,
    variants: &[Variant],
    folder: &Path,
    stop: &CancellationToken,
) -> Result<()> {
    if settings.rehearsal.is_zero() {
        return Ok(());
    }
    let length = humantime::format_duration(settings.rehearsal);
    let settings = Settings {
        run_time: settings.rehearsal,
        warm_up: Duration::ZERO,
        ..settings.clone()
    };
    for variant in variants {
        let name = &variant.name;
        tracing::info!("rehearsal of {name}, {length}");
        let files = RunFiles::in_folder(&folder.join(format!("rehearsal-{name}")), "rehearsal");
        let planned = Planned {
            variant,
            identity: Identity::fresh(&settings.topic),
            files,
        };
        run(stack, &settings, &planned, stop).await?;
    }
    Ok(())
}
