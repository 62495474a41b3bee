//! The version of the sources, if the harness runs in a git repository.

use std::path::Path;

use serde::Serialize;

use crate::git::git;

/// The commit that is checked out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Commit {
    /// The full hash.
    pub id: String,
    /// Whether tracked files have changes.
    pub dirty: bool,
}

impl Commit {
    /// The commit of the current folder; `None` outside a repository or without git.
    #[must_use]
    pub fn current() -> Option<Self> {
        let here = Path::new(".");
        let id = git(here, &["rev-parse", "HEAD"]).ok()?.trim().to_owned();
        let changes = git(here, &["status", "--porcelain", "--untracked-files=no"]).ok()?;
        Some(Self {
            id,
            dirty: !changes.trim().is_empty(),
        })
    }
}
