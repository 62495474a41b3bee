//! Revisions of a git repository: each checked out into a work tree of its own, and built once.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::Subject;
use crate::cli::ExperimentArguments;
use crate::process::{Child, Surroundings};
use crate::wait;

/// Checks the revisions of an experiment out and builds them, if it is about any; its variants run in the work trees,
/// which are there as long as what is returned.
pub(crate) async fn check_out(
    arguments: &ExperimentArguments,
    subject: &mut Subject,
    folder: &Path,
    stop: &CancellationToken,
) -> Result<Option<WorkTrees>> {
    let revisions = arguments.baseline_rev.as_ref();
    let Some((old, new)) = revisions.zip(arguments.changed_rev.as_ref()) else {
        return Ok(None);
    };
    let revisions = [old.as_str(), new.as_str()];
    let trees = WorkTrees::of(&revisions)?;
    let built = trees.folders.iter().zip(revisions);
    for ((tree, revision), variant) in built.zip(&mut subject.variants) {
        variant.folder = Some(tree.clone());
        if let Some(command) = &arguments.build {
            let log = folder.join(format!("build-{}.log", variant.name));
            build(command, tree, revision, &log, stop).await?;
        }
    }
    Ok(Some(trees))
}

/// Work trees, which are removed with this.
#[derive(Debug)]
pub(crate) struct WorkTrees {
    repository: PathBuf,
    folders: Vec<PathBuf>,
    /// Holds them.
    home: TempDir,
}

impl WorkTrees {
    /// Checks the revisions of the repository here out, side by side.
    fn of(revisions: &[&str]) -> Result<Self> {
        let repository = git(Path::new("."), &["rev-parse", "--show-toplevel"])
            .context("--baseline-rev: this is no git repository")?;
        let mut own = Self {
            repository: PathBuf::from(repository.trim_end_matches('\n')),
            folders: Vec::new(),
            home: TempDir::new().context("cannot create a folder for work trees")?,
        };
        for (index, revision) in revisions.iter().enumerate() {
            let commit = format!("{revision}^{{commit}}");
            let id = git(
                &own.repository,
                &[
                    "rev-parse",
                    "--verify",
                    "--quiet",
                    "--end-of-options",
                    &commit,
                ],
            );
            let id = id.with_context(|| format!("there is no revision {revision}"))?;
            let folder = own.home.path().join(format!("{index}"));
            let place = folder.to_string_lossy();
            own.folders.push(folder.clone());
            git(
                &own.repository,
                &["worktree", "add", "--quiet", "--detach", &place, id.trim()],
            )
            .with_context(|| format!("cannot check {revision} out"))?;
        }
        Ok(own)
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
        // What could not be removed goes with the folder, and is forgotten here.
        let _ = std::fs::remove_dir_all(self.home.path());
        if let Err(error) = git(&self.repository, &["worktree", "prune"]) {
            tracing::warn!(
                "git may still know work trees in {}: {error:#}",
                self.home.path().display()
            );
        }
    }
}

/// Builds a revision in its work tree; its output goes to the log.
async fn build(
    command: &str,
    folder: &Path,
    revision: &str,
    log: &Path,
    stop: &CancellationToken,
) -> Result<()> {
    let words = shlex::split(command).filter(|words| !words.is_empty());
    let words = words.context("--build: it takes a command; is a quote open?")?;
    tracing::info!("building {revision}, log {}", log.display());
    let surroundings = Surroundings {
        variables: &[],
        folder: Some(folder),
    };
    let program = Path::new(&words[0]);
    let mut child = Child::spawn_with("build", program, &words[1..], surroundings, log)?;
    let status = wait::unless_stopped(stop, child.wait()).await??;
    if !status.success() {
        bail!(
            "--build: {revision} does not build ({status}); {}",
            child.log_tail()
        );
    }
    Ok(())
}

fn git(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .context("cannot run git")?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        bail!("git {}: {}", arguments.join(" "), told.trim());
    }
    String::from_utf8(output.stdout).context("git's answer")
}
