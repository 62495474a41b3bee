//! The runs before the first one that counts, because a broker is slow at first.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use tokio_util::sync::CancellationToken;

use super::{Identity, Planned, RunFiles, Settings, Variant, run};
use crate::stack::Stack;

/// Runs each variant once and throws the figures away, so that the broker is warm for all of them. Their files go to
/// `folder/rehearsal-<name>`. Does nothing if the settings ask for no rehearsal.
///
/// A broker may still get faster afterwards.
///
/// # Errors
///
/// Fails as [`run`] does.
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
