//! The program `git`, as far as the harness asks it.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// What git prints when it is run in that folder.
///
/// # Errors
///
/// What git says when it fails.
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        // Else `git status` may take a lock that disturbs another git at work.
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null())
        // A terminal's Ctrl-C is the harness's business.
        .process_group(0)
        .output()
        .context("cannot run git")?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        bail!("git {}: {}", arguments.join(" "), told.trim());
    }
    String::from_utf8(output.stdout).context("git's answer")
}
