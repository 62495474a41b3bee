//! Files that appear whole or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The system refuses.
    #[error("cannot write {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl ExportError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// Where a file grows until it is whole: `run.csv.part` for `run.csv`.
pub(super) fn part_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// Writes a file under a provisional name and renames it: no reader ever sees a half of it.
///
/// # Errors
///
/// When the file cannot be written or renamed.
pub fn write_whole(path: &Path, content: &[u8]) -> Result<(), ExportError> {
    let part = part_path(path);
    fs::write(&part, content).map_err(|source| ExportError::io(&part, source))?;
    fs::rename(&part, path).map_err(|source| ExportError::io(path, source))
}
