//! A folder for each experiment, and the link `latest`, which always points to a complete one.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The link to the newest complete experiment, in the folder of results.
pub const LATEST: &str = "latest";

/// Creates `results/<date>-<name>`, with the time at which the work began. If other work of the same second has that
/// folder, it creates `results/<date>-<name>.2` and so on.
pub(crate) fn new_folder(results: &Path, date: &str, name: &str) -> Result<PathBuf> {
    let name = format!("{}-{name}", date.replace(':', "-"));
    fs::create_dir_all(results).with_context(|| format!("cannot create {}", results.display()))?;
    let latest = results.join(LATEST);
    if fs::symlink_metadata(&latest).is_ok_and(|found| !found.is_symlink()) {
        bail!(
            "{} is not a link to an earlier experiment: move it away, or choose another --results",
            latest.display()
        );
    }
    for attempt in 1..100 {
        let folder = match attempt {
            1 => results.join(&name),
            _ => results.join(format!("{name}.{attempt}")),
        };
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot create {}", folder.display()));
            }
        }
    }
    bail!(
        "{} already has a hundred experiments called {name}",
        results.display()
    )
}

/// Makes `results/latest` point to `folder`. The new link replaces the old one in one step, so that a reader finds one
/// of the two, complete.
pub(super) fn point_to(results: &Path, folder: &Path) -> Result<()> {
    let name = folder
        .file_name()
        .context("a folder of results has a name")?;
    let fresh = results.join(format!(".{LATEST}-{}", std::process::id()));
    // A killed process with the same id may have left it.
    let _ = fs::remove_file(&fresh);
    symlink(name, &fresh).with_context(|| format!("cannot create {}", fresh.display()))?;
    let latest = results.join(LATEST);
    fs::rename(&fresh, &latest).with_context(|| format!("cannot replace {}", latest.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latest_moves_on_and_old_results_stay() {
        let results = tempfile::tempdir().unwrap();
        for name in ["first", "second", "second"] {
            let folder = new_folder(results.path(), "1:2", name).unwrap();
            fs::write(folder.join("report.html"), name).unwrap();
            point_to(results.path(), &folder).unwrap();
        }
        let latest = results.path().join("latest");
        assert_eq!(fs::read_link(&latest).unwrap(), Path::new("1-2-second.2"));
        assert_eq!(
            fs::read_to_string(latest.join("report.html")).unwrap(),
            "second"
        );
        assert!(results.path().join("1-2-first/report.html").is_file());
    }

    #[test]
    fn what_is_no_link_is_not_replaced_and_told_before_the_runs() {
        let results = tempfile::tempdir().unwrap();
        fs::write(results.path().join(LATEST), "mine").unwrap();
        let error = new_folder(results.path(), "1:2", "first").unwrap_err();
        assert!(error.to_string().contains("move it away"), "{error}");
    }
}
