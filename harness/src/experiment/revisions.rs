//! Revisions of a git repository. Each is checked out into its own work tree, and built once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::Subject;
use crate::git::git;
use crate::programs;
use crate::system::{Probe, Start, System};
use crate::wait;

/// Characters of a short commit hash.
const SHORT: usize = 12;

/// Checks out and builds the revisions of an experiment, if it has any. The variants run in the work trees. Dropping
/// the returned value removes these.
pub(crate) async fn check_out(
    subject: &mut Subject,
    folder: &Path,
    stop: &CancellationToken,
) -> Result<Option<WorkTrees>> {
    let Some(revisions) = &mut subject.revisions else {
        return Ok(None);
    };
    let mut trees = WorkTrees::new()?;
    for (revision, variant) in revisions.commits.iter_mut().zip(&mut subject.variants) {
        let commit = trees.add(revision)?;
        let tree = trees.folder()?;
        if let Some(command) = &revisions.build {
            let log = folder.join(format!("build-{}.log", variant.name));
            build(command, &tree, revision, &log, stop).await?;
        }
        variant.about = format!("{}, {}", variant.about, &commit[..SHORT.min(commit.len())]);
        variant.folder = Some(tree);
        *revision = commit;
    }
    Ok(Some(trees))
}

/// Work trees. Dropping this removes them.
#[derive(Debug)]
pub(crate) struct WorkTrees {
    repository: PathBuf,
    /// The harness's folder inside the repository. Commands run in the same folder of their work tree.
    inside: PathBuf,
    folders: Vec<PathBuf>,
    /// The parent folder.
    home: TempDir,
}

impl WorkTrees {
    /// No work trees yet, of the repository in the current folder.
    fn new() -> Result<Self> {
        let here = Path::new(".");
        let top = git(here, &["rev-parse", "--show-toplevel"]);
        let top = top.context("--baseline-rev: the current folder is in no git repository")?;
        let inside = git(here, &["rev-parse", "--show-prefix"])?;
        Ok(Self {
            repository: PathBuf::from(top.trim_end_matches('\n')),
            inside: PathBuf::from(inside.trim_end_matches('\n')),
            folders: Vec::new(),
            home: TempDir::new().context("cannot create a folder for work trees")?,
        })
    }

    /// Checks out a revision. Returns its commit.
    fn add(&mut self, revision: &str) -> Result<String> {
        let resolved = |name: &str| {
            let asked = ["rev-parse", "--verify", "--quiet", "--end-of-options", name];
            git(&self.repository, &asked).map(|id| id.trim().to_owned())
        };
        // In two steps, because a revision may be a search for text.
        let commit = resolved(revision).and_then(|id| resolved(&format!("{id}^{{commit}}")));
        let commit = commit.with_context(|| {
            format!("--baseline-rev, --changed-rev: there is no revision {revision}")
        })?;
        let folder = self.home.path().join(self.folders.len().to_string());
        self.folders.push(folder.clone());
        let place = folder.to_string_lossy();
        let add = ["worktree", "add", "--quiet", "--detach", &place, &commit];
        git(&self.repository, &add).with_context(|| format!("cannot check {revision} out"))?;
        Ok(commit)
    }

    /// The folder for commands in the last work tree.
    fn folder(&self) -> Result<PathBuf> {
        let tree = self.folders.last().context("there is a work tree")?;
        Ok(tree.join(&self.inside))
    }
}

impl Drop for WorkTrees {
    fn drop(&mut self) {
        for folder in &self.folders {
            let place = folder.to_string_lossy();
            if let Err(error) = git(&self.repository, &["worktree", "remove", "--force", &place]) {
                tracing::debug!("{error:#}");
            }
        }
        // This removes what git could not, so that git forgets it below.
        let _ = std::fs::remove_dir_all(self.home.path());
        if let Err(error) = git(&self.repository, &["worktree", "prune"]) {
            tracing::warn!(
                "git may still know work trees in {}: {error:#}",
                self.home.path().display()
            );
        }
    }
}

/// Builds a revision in its work tree. The output goes to the log.
async fn build(
    command: &str,
    folder: &Path,
    revision: &str,
    log: &Path,
    stop: &CancellationToken,
) -> Result<()> {
    let words = shlex::split(command).filter(|words| !words.is_empty());
    let words = words.context("--build: takes a command; is a quote not closed?")?;
    tracing::info!("building {revision}, log {}", log.display());
    let program = programs::found(&words[0], Some(folder)).context("--build")?;
    let mut system = System::spawn(Start {
        name: "build",
        program: &program,
        arguments: &words[1..],
        variables: Vec::new(),
        folder: Some(folder),
        log,
        // A build never gets ready: it ends.
        probe: Probe::Line(String::new()),
    })?;
    let status = wait::unless_stopped(stop, system.child().wait()).await??;
    let tail = system.child().log_tail();
    // This also ends the processes that it left behind.
    system.stop(Duration::ZERO).await?;
    if !status.success() {
        bail!("--build: {revision} does not build ({status}); {tail}");
    }
    Ok(())
}
