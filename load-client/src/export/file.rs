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
    if let Err(source) = fs::write(&part, content) {
        // A half of a file is of no use, and its room may be what is missing. The error is what counts.
        let _ = fs::remove_file(&part);
        return Err(ExportError::io(&part, source));
    }
    fs::rename(&part, path).map_err(|source| ExportError::io(path, source))
}

/// Finds out before a run whether a file could be written after it. Leaves nothing behind.
///
/// # Errors
///
/// When its folder takes no file.
pub fn check_writable(path: &Path) -> Result<(), ExportError> {
    if path.is_dir() {
        let error = io::Error::from(io::ErrorKind::IsADirectory);
        return Err(ExportError::io(path, error));
    }
    let part = part_path(path);
    fs::File::create(&part).map_err(|source| ExportError::io(&part, source))?;
    fs::remove_file(&part).map_err(|source| ExportError::io(&part, source))
}
