//! The files on the disk: three that are replaced as a whole, and one that grows.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::rows;
use crate::measure::moment::Moment;
use crate::measure::summary::Summary;
use crate::report::{Destination, ExportError, write_whole};

const STATS: &str = "_stats.csv";
const HISTORY: &str = "_stats_history.csv";
const FAILURES: &str = "_failures.csv";
const EXCEPTIONS: &str = "_exceptions.csv";

/// The files of `--csv PREFIX`. Whatever fails, what is on the disk stays whole: no file ends in half a row.
pub(crate) struct StatsFiles {
    stats: PathBuf,
    failures: PathBuf,
    history_path: PathBuf,
    history: File,
    /// Bytes of whole rows in the history.
    history_bytes: u64,
    has_gaps: bool,
    full_history: bool,
    start: f64,
    /// Keeps other programs off the prefix.
    _claim: Destination,
}

impl StatsFiles {
    /// Finds out before a run whether the files could be written; those of an earlier run stay as they are.
    ///
    /// # Errors
    ///
    /// When their folder takes no file, or another program is writing them.
    pub(crate) fn check(prefix: &Path) -> Result<(), ExportError> {
        Destination::claim(&with_ending(prefix, HISTORY)).map(drop)
    }

    /// The four files.
    #[must_use]
    pub(crate) fn paths(prefix: &Path) -> [PathBuf; 4] {
        [STATS, HISTORY, FAILURES, EXCEPTIONS].map(|ending| with_ending(prefix, ending))
    }

    /// Creates the four files with their headers. `start` is the start of the run in seconds since 1970.
    ///
    /// # Errors
    ///
    /// When one of them cannot be written, or another program is writing them.
    pub(crate) fn create(
        prefix: &Path,
        full_history: bool,
        start: f64,
    ) -> Result<Self, ExportError> {
        let path = |ending: &str| with_ending(prefix, ending);
        let history_path = path(HISTORY);
        let claim = Destination::claim(&history_path)?;
        let history =
            File::create(&history_path).map_err(|error| ExportError::io(&history_path, error))?;
        let mut files = Self {
            stats: path(STATS),
            failures: path(FAILURES),
            history_path,
            history,
            history_bytes: 0,
            has_gaps: false,
            full_history,
            start,
            _claim: claim,
        };
        files.append(&rows::history_header())?;
        write_whole(&path(EXCEPTIONS), &rows::exceptions_csv())?;
        write_whole(&files.failures, &rows::failures_csv(&[], start))?;
        Ok(files)
    }

    /// Adds a moment to the history, and replaces the others by the present figures.
    ///
    /// # Errors
    ///
    /// The first that occurred; the files that can be written are written all the same.
    pub(crate) fn update(&mut self, moment: &Moment, summary: &Summary) -> Result<(), ExportError> {
        let row = rows::history_rows(moment, summary, self.full_history);
        let appended = self.append(&row);
        let replaced = self.replace(summary);
        appended.and(replaced)
    }

    /// Replaces statistics and failures by the present figures.
    ///
    /// # Errors
    ///
    /// As [`StatsFiles::update`].
    pub(crate) fn replace(&self, summary: &Summary) -> Result<(), ExportError> {
        let stats = write_whole(&self.stats, &rows::stats_csv(summary));
        let failures = rows::failures_csv(&summary.errors, self.start);
        stats.and(write_whole(&self.failures, &failures))
    }

    /// Whether moments are missing in the history, because it could not be written then.
    #[must_use]
    pub(crate) fn has_gaps(&self) -> bool {
        self.has_gaps
    }

    fn append(&mut self, rows: &[u8]) -> Result<(), ExportError> {
        match self.history.write_all(rows) {
            Ok(()) => {
                self.history_bytes += rows.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.has_gaps = true;
                // A disk that is full took a part of a row; the next row must not continue it.
                let _ = self.history.set_len(self.history_bytes);
                let _ = self.history.seek(SeekFrom::Start(self.history_bytes));
                Err(ExportError::io(&self.history_path, error))
            }
        }
    }
}

fn with_ending(prefix: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(prefix);
    name.push(ending);
    name.into()
}
