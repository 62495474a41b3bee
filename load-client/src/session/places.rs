//! The places of the files of a run.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::args::Files;
use crate::report::{Destination, ExportError, StatsFiles, is_standard_output};
use crate::session::terminal::{Text, say};

/// The places of the outputs of a run. No other program can claim them as long as this value lives.
pub(super) struct Places {
    /// The prefix of four file names.
    pub(super) csv: Option<PathBuf>,
    pub(super) html: Option<Destination>,
    pub(super) json: Option<Destination>,
    pub(super) junit: Option<Destination>,
    pub(super) hdr: Option<Destination>,
    pub(super) text: Text,
}

impl Places {
    /// Claims the places. Fails when a file cannot be written, or another program is writing it.
    pub(super) fn claim(files: &Files) -> Result<Self, ExportError> {
        files.csv.as_deref().map_or(Ok(()), StatsFiles::check)?;
        let claim = |path: &Option<PathBuf>| path.as_deref().map(Destination::claim).transpose();
        Ok(Self {
            csv: files.csv.clone(),
            html: claim(&files.html)?,
            json: claim(&files.json)?,
            junit: claim(&files.junit)?,
            hdr: claim(&files.hdr)?,
            text: Text::beside(files.all().iter().map(|(_, path)| path.as_path())),
        })
    }
}

/// Extensions before which the run's number is inserted, as in `run.2.csv`. Any other part after a dot is a part of the
/// name.
const EXTENSIONS: [&str; 11] = [
    "csv", "gz", "htm", "html", "json", "jsonl", "log", "md", "tsv", "txt", "xml",
];

/// Returns where the files of run `number` go. All files of a later run share one number, chosen so that no file is
/// overwritten. If it differs from the number of the run, a message says so.
pub(super) fn numbered_files(given: &Files, number: u32) -> Files {
    let named = |number: u32| {
        let single = |path: &Option<PathBuf>| path.as_deref().map(|path| numbered(path, number));
        let prefix = given.csv.as_deref();
        Files {
            csv: prefix.map(|prefix| numbered_prefix(prefix, number)),
            requests: single(&given.requests),
            json: single(&given.json),
            html: single(&given.html),
            junit: single(&given.junit),
            hdr: single(&given.hdr),
        }
    };
    let first = given.all();
    // A place that keeps its name, such as a pipe, takes the output of all runs.
    let is_taken = |own: &(_, PathBuf)| !first.contains(own) && own.1.is_file();
    let is_free = |number: &u32| !named(*number).all().iter().any(is_taken);
    let free = (number..=u32::MAX).find(is_free).unwrap_or(number);
    if free != number {
        say(&format!(
            "the files of run #{number} get the number {free}: files with the numbers before it exist"
        ));
    }
    named(free)
}

/// Returns the file of run `number`. The first run has the given name. Later runs have their number before the
/// extension (`run.2.csv`), so that no run overwrites another. Standard output, devices and pipes take all runs.
fn numbered(path: &Path, number: u32) -> PathBuf {
    let is_no_file = path.exists() && !path.is_file();
    if number <= 1 || is_standard_output(path) || is_no_file {
        return path.to_owned();
    }
    let extension = path.extension().and_then(OsStr::to_str);
    let is_known = |own: &&str| EXTENSIONS.contains(&&*own.to_ascii_lowercase());
    match extension.filter(is_known) {
        Some(extension) => path.with_extension(format!("{number}.{extension}")),
        None => numbered_prefix(path, number),
    }
}

/// Returns the prefix of the file names of run `number`, as with [`numbered`].
fn numbered_prefix(prefix: &Path, number: u32) -> PathBuf {
    let mut named = prefix.as_os_str().to_owned();
    if number > 1 {
        named.push(format!(".{number}"));
    }
    named.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_run_writes_over_another() {
        let path = Path::new("results/run.csv");
        assert_eq!(numbered(path, 1), path);
        assert_eq!(numbered(path, 2), Path::new("results/run.2.csv"));
        assert_eq!(numbered(Path::new("run"), 3), Path::new("run.3"));
        assert_eq!(numbered(Path::new("v1.5"), 2), Path::new("v1.5.2"));
        assert_eq!(numbered(Path::new("v1.HTML"), 2), Path::new("v1.2.HTML"));
        let prefix = Path::new("results/v1.5");
        assert_eq!(numbered_prefix(prefix, 1), prefix);
        assert_eq!(numbered_prefix(prefix, 2), Path::new("results/v1.5.2"));
        for stream in ["-", "/dev/null"] {
            assert_eq!(numbered(Path::new(stream), 3), Path::new(stream));
        }
    }

    #[test]
    fn a_later_run_takes_the_next_number_that_is_free_for_all_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| Some(folder.path().join(name));
        let given = Files {
            csv: at("run"),
            requests: at("run.csv"),
            json: Some("-".into()),
            html: None,
            junit: None,
            hdr: None,
        };
        for name in ["run.csv", "run.2.csv", "run.3_failures.csv"] {
            std::fs::write(folder.path().join(name), "kept").unwrap();
        }
        assert_eq!(numbered_files(&given, 1), given, "the first replaces");
        let expected = Files {
            csv: at("run.4"),
            requests: at("run.4.csv"),
            ..given.clone()
        };
        assert_eq!(numbered_files(&given, 2), expected);
        assert_eq!(numbered_files(&given, 4), expected);
    }
}
