//! The version of the sources, where the harness runs inside a git repository.

use std::process::{Command, Stdio};

use serde::Serialize;

/// The commit that is checked out, and whether files differ from it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Commit {
    /// The full hash.
    pub id: String,
    /// Whether tracked files have changes.
    pub dirty: bool,
}

impl Commit {
    /// That of the current folder; `None` outside a repository or without git.
    #[must_use]
    pub fn current() -> Option<Self> {
        let id = git(&["rev-parse", "HEAD"])?.trim().to_owned();
        let changes = git(&["status", "--porcelain", "--untracked-files=no"])?;
        Some(Self {
            id,
            dirty: !changes.trim().is_empty(),
        })
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    // Without the environment variable, `git status` may take a lock that disturbs another git at work.
    let mut command = Command::new("git");
    command
        .args(arguments)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null());
    let output = command
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}
