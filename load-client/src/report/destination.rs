//! Writes outputs. A file appears whole or not at all; a device, a pipe or standard output is written directly. A place
//! is claimed before the work that fills it, so that problems show early.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// Most links that are followed, as in the kernel.
const MAX_LINKS: usize = 40;

/// Why an output could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The system refused the operation.
    #[error("cannot write {path}: {cause}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// A program that was killed has left a file with its records.
    #[error(
        "{part} has the records of a run that was killed: move it away to keep it, or remove it, and try again"
    )]
    LeftBehind {
        /// The file with the records.
        part: PathBuf,
    },
    /// Two programs would overwrite each other's file.
    #[error("another program is writing {path} now: wait for it, or name another file")]
    Taken {
        /// The file.
        path: PathBuf,
    },
}

impl ExportError {
    pub(super) fn io(path: &Path, cause: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            cause,
        }
    }
}

/// A place for an output. No other program can claim it as long as this value lives.
#[derive(Debug)]
pub struct Destination {
    path: PathBuf,
    /// The open file. `None` for a device, a pipe or standard output, until the writing begins.
    file: Option<File>,
    grown: Option<Grown>,
}

/// A locked file that grows under a provisional name, and is renamed to its target in the end.
#[derive(Debug)]
struct Grown {
    part: PathBuf,
    target: PathBuf,
    has_content: bool,
}

/// Returns whether a path stands for standard output.
#[must_use]
pub fn is_standard_output(path: &Path) -> bool {
    ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"]
        .iter()
        .any(|name| path == Path::new(name))
}

/// Writes a file so that no reader ever sees half of it.
///
/// # Errors
///
/// Fails when the file cannot be written, or another program is writing it.
pub fn write_whole(path: &Path, content: &[u8]) -> Result<(), ExportError> {
    Destination::claim(path)?.write_whole(content)
}

/// Removes the file of an earlier run, or empties it if it cannot be removed. Links stay.
///
/// # Errors
///
/// Fails when the path leads to something that is not a file.
pub fn remove_earlier(path: &Path) -> Result<(), ExportError> {
    let failed = |source| ExportError::io(path, source);
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(found) if found.is_file() => {
            let target = without_links(path).map_err(failed)?;
            let removed = fs::remove_file(target);
            removed.or_else(|_| File::create(path).map(drop).map_err(failed))
        }
        Ok(_) => Err(failed(io::Error::other("it is not a file"))),
        Err(error) => Err(failed(error)),
    }
}

impl Destination {
    /// Claims the place, and checks that it can be written. An existing file stays unchanged until the end.
    ///
    /// # Errors
    ///
    /// Fails when the place cannot be written, or another program has claimed it.
    pub fn claim(path: &Path) -> Result<Self, ExportError> {
        let failed = |source| ExportError::io(path, source);
        let (file, grown) = match is_standard_output(path) {
            true => {
                let output = io::stdout().as_fd().try_clone_to_owned();
                (Some(File::from(output.map_err(failed)?)), None)
            }
            false => place_of(path)?.unzip(),
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            grown,
        })
    }

    /// Writes the whole output. A failure removes the incomplete file.
    ///
    /// # Errors
    ///
    /// Fails when the output cannot be written or renamed.
    pub fn write_whole(mut self, content: &[u8]) -> Result<(), ExportError> {
        let Err(error) = self.write_all(content) else {
            return self.finish();
        };
        if error.kind() == io::ErrorKind::BrokenPipe && is_standard_output(&self.path) {
            // A reader that closes the pipe early is not an error.
            return Ok(());
        }
        let error = self.failed(error);
        if let Some(grown) = &mut self.grown {
            grown.has_content = false;
        }
        Err(error)
    }

    /// Returns whether the output is a growing file, and not a device, a pipe or standard output.
    pub(super) fn grows(&self) -> bool {
        self.grown.is_some()
    }

    /// Ends the writing and gives the file its name. Fails when it cannot be renamed; it then keeps its provisional
    /// name.
    pub(super) fn finish(mut self) -> Result<(), ExportError> {
        let (Some(file), Some(grown)) = (&self.file, &self.grown) else {
            return Ok(());
        };
        let Grown { part, target, .. } = grown;
        if let Ok(before) = fs::metadata(target) {
            // Some file systems have no modes. That is not a reason to fail.
            let _ = file.set_permissions(before.permissions());
        }
        let renamed = fs::rename(part, target).or_else(|error| match error.kind() {
            // A single mounted file cannot be replaced. Some systems report that only now.
            io::ErrorKind::ResourceBusy => {
                fs::copy(part, target).and_then(|_| fs::remove_file(part))
            }
            _ => Err(error),
        });
        renamed.map_err(|source| ExportError::io(&self.path, source))?;
        self.grown = None;
        Ok(())
    }

    /// Returns the error of a write. It names the growing file.
    pub(super) fn failed(&self, source: io::Error) -> ExportError {
        let grown = self.grown.as_ref();
        ExportError::io(grown.map_or(&self.path, |grown| &grown.part), source)
    }
}

impl Write for Destination {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(grown) = &mut self.grown {
            grown.has_content = true;
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let mut options = OpenOptions::new();
                none.insert(options.write(true).truncate(true).open(&self.path)?)
            }
        };
        file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        // The file is not buffered here.
        Ok(())
    }
}

impl Drop for Destination {
    fn drop(&mut self) {
        if let Some(grown) = self.grown.as_ref().filter(|grown| !grown.has_content) {
            // A failure here does no harm.
            let _ = fs::remove_file(&grown.part);
        }
    }
}

/// Returns the growing file for a path, or `None` for something that a file cannot replace.
fn place_of(path: &Path) -> Result<Option<(File, Grown)>, ExportError> {
    let failed = |source| ExportError::io(path, source);
    let itself = || OpenOptions::new().write(true).open(path);
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return beside(path, without_links(path).map_err(failed)?).map(Some);
        }
        Err(error) => return Err(failed(error)),
    };
    if found.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    if found.file_type().is_fifo() {
        // Do not open a pipe now: that would wait for a reader, and closing it would end the reader's input.
        access(path, Access::WRITE_OK).map_err(|error| failed(error.into()))?;
        return Ok(None);
    }
    let target = without_links(path).map_err(failed)?;
    let has_that_name = fs::metadata(&target).is_ok_and(|own| is_same(&own, &found));
    if found.is_file() && has_that_name && !is_mount_point(&target) {
        match beside(path, target) {
            // The folder may be read-only while the file itself is writable.
            Err(ExportError::Io { .. }) if itself().is_ok() => {}
            other => return other.map(Some),
        }
    }
    itself().map_err(failed)?;
    Ok(None)
}

/// Creates and locks the growing file: `run.csv.part` for `run.csv`.
fn beside(path: &Path, target: PathBuf) -> Result<(File, Grown), ExportError> {
    let failed = |source| ExportError::io(path, source);
    let part = part_of(&target);
    loop {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let file = options.open(&part).map_err(failed)?;
        if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            return Err(ExportError::Taken {
                path: path.to_owned(),
            });
        }
        let own = file.metadata().map_err(failed)?;
        // The previous owner may have renamed the file since it was opened.
        if !fs::metadata(&part).is_ok_and(|named| is_same(&own, &named)) {
            continue;
        }
        if own.len() > 0 {
            return Err(ExportError::LeftBehind { part });
        }
        let grown = Grown {
            part,
            target,
            has_content: false,
        };
        return Ok((file, grown));
    }
}

/// Returns the provisional name of a file.
pub(super) fn part_of(target: &Path) -> PathBuf {
    let mut part = target.as_os_str().to_owned();
    part.push(".part");
    PathBuf::from(part)
}

/// Returns the file that a path leads to. The file need not exist.
pub(super) fn without_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&path) {
            Ok(link) => path = path.parent().unwrap_or(Path::new("")).join(link),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

fn is_same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Returns whether a single file is mounted here. No file can be renamed over it. Only Linux 5.8 and later reports
/// this.
#[cfg(target_os = "linux")]
fn is_mount_point(file: &Path) -> bool {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};

    let found = statx(CWD, file, AtFlags::empty(), StatxFlags::empty());
    found.is_ok_and(|own| own.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

#[cfg(not(target_os = "linux"))]
fn is_mount_point(_: &Path) -> bool {
    false
}
