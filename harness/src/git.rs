//! Runs the program `git`.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The output of git in that folder.
///
/// # Errors
///
/// Fails with git's error message.
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        // Otherwise `git status` may take a lock that disturbs another git process.
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null())
        // A terminal's Ctrl-C must reach only the harness.
        .process_group(0)
        .output()
        .context("cannot run git")?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        bail!("git {}: {}", arguments.join(" "), told.trim());
    }
    String::from_utf8(output.stdout).context("git's answer")
}
