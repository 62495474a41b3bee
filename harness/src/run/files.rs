//! The files of a run.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use load_client::report::{is_standard_output, remove_earlier};

use crate::files;

/// The files of one run.
#[derive(Debug, Clone)]
pub struct RunFiles {
    /// All requests, from the load client.
    pub requests: PathBuf,
    /// The load client's summary.
    pub summary: PathBuf,
    /// The circumstances of the run.
    pub environment: PathBuf,
    /// Folder of the programs' logs.
    pub logs: PathBuf,
}

impl RunFiles {
    /// Files beside `FILE.csv`: `FILE.json`, `FILE.environment.json` and `FILE.logs/`. So one folder can have the runs
    /// of several variants.
    #[must_use]
    pub fn beside(csv: &Path) -> Self {
        Self {
            requests: csv.to_owned(),
            summary: csv.with_extension("json"),
            environment: csv.with_extension("environment.json"),
            logs: csv.with_extension("logs"),
        }
    }

    /// Files in a separate folder: `NAME.csv`, `NAME.json`, `environment.json` and the logs.
    #[must_use]
    pub fn in_folder(folder: &Path, name: &str) -> Self {
        Self {
            // Not `with_extension`: a name may have a dot.
            requests: folder.join(format!("{name}.csv")),
            summary: folder.join(format!("{name}.json")),
            environment: folder.join("environment.json"),
            logs: folder.to_owned(),
        }
    }

    /// Creates the folders and removes the files of an earlier run, which could look like results of a failed run.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be written there, or if the path exists and is no file.
    pub fn prepare(&self) -> Result<()> {
        for file in [&self.requests, &self.summary, &self.environment] {
            if is_standard_output(file) {
                bail!(
                    "{}: name a file, because other files are written beside it",
                    file.display()
                );
            }
            files::prepare(file)?;
            remove_earlier(file)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_variants_in_one_folder_do_not_share_a_file() {
        let files = RunFiles::beside(Path::new("results/baseline.csv"));
        assert_eq!(
            files.environment,
            Path::new("results/baseline.environment.json")
        );
        assert_eq!(files.summary, Path::new("results/baseline.json"));
        assert_eq!(files.logs, Path::new("results/baseline.logs"));
    }

    #[test]
    fn only_files_are_replaced_by_a_run() {
        let folder = tempfile::tempdir().unwrap();
        let files = RunFiles::beside(&folder.path().join("run.csv"));
        std::fs::write(&files.requests, "old").unwrap();
        // A link, so that a wrong test cannot remove the device.
        std::os::unix::fs::symlink("/dev/null", &files.summary).unwrap();
        let error = files.prepare().unwrap_err().to_string();
        assert!(error.contains("run.json"), "{error}");
        assert!(files.summary.exists(), "the device exists");
        std::fs::remove_file(&files.summary).unwrap();
        files.prepare().unwrap();
        assert!(!files.requests.exists());
        assert!(RunFiles::beside(Path::new("-")).prepare().is_err());
    }
}
