//! Where a run leaves its files.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use load_client::report::{is_standard_output, remove_earlier};

use crate::files;

/// The files of one run.
#[derive(Debug, Clone)]
pub struct RunFiles {
    /// Every request, as the load client records it.
    pub requests: PathBuf,
    /// The load client's summary.
    pub summary: PathBuf,
    /// Under which circumstances it ran.
    pub environment: PathBuf,
    /// Folder of the programs' logs.
    pub logs: PathBuf,
}

impl RunFiles {
    /// Beside `FILE.csv`: `FILE.json`, `FILE.environment.json` and `FILE.logs/`, so that the runs of several
    /// variants fit into one folder.
    #[must_use]
    pub fn beside(csv: &Path) -> Self {
        Self {
            requests: csv.to_owned(),
            summary: csv.with_extension("json"),
            environment: csv.with_extension("environment.json"),
            logs: csv.with_extension("logs"),
        }
    }

    /// In a folder of its own: `NAME.csv`, `NAME.json`, `environment.json` and the logs.
    #[must_use]
    pub fn in_folder(folder: &Path, name: &str) -> Self {
        Self {
            // A name may have a dot.
            requests: folder.join(format!("{name}.csv")),
            summary: folder.join(format!("{name}.json")),
            environment: folder.join("environment.json"),
            logs: folder.to_owned(),
        }
    }

    /// Makes the folders and removes an earlier run's files: what a failed run leaves must not be taken for
    /// its result.
    ///
    /// # Errors
    ///
    /// When a file cannot be written there, or something is there that is no file.
    pub fn prepare(&self) -> Result<()> {
        for file in [&self.requests, &self.summary, &self.environment] {
            if is_standard_output(file) {
                bail!("{}: other files lie beside it, name one", file.display());
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
        // The device itself must not be at stake in a test.
        std::os::unix::fs::symlink("/dev/null", &files.summary).unwrap();
        let error = files.prepare().unwrap_err().to_string();
        assert!(error.contains("run.json"), "{error}");
        assert!(files.summary.exists(), "the device is there");
        std::fs::remove_file(&files.summary).unwrap();
        files.prepare().unwrap();
        assert!(!files.requests.exists());
        assert!(RunFiles::beside(Path::new("-")).prepare().is_err());
    }
}
