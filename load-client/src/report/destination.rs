//! Where an output goes: a file that appears whole or not at all, or what is written as it stands (a device, a
//! pipe, standard output). A place is taken before the work that fills it, so that nothing is found out too late.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// Links that are followed from one name to the next, as in the kernel.
const MAX_LINKS: usize = 40;

/// Why an output could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The system refuses.
    #[error("cannot write {path}: {cause}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// A program that was killed left what it had recorded.
    #[error(
        "{part} holds what a run that was killed had recorded: move it away to keep it, or remove it, and try again"
    )]
    LeftBehind {
        /// The file that grew.
        part: PathBuf,
    },
    /// Two programs would write over each other.
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

/// A place that an output goes to; nobody else takes it as long as this lives.
#[derive(Debug)]
pub struct Destination {
    path: PathBuf,
    /// What is written. `None` is what cannot be replaced by a file, until its writing begins.
    file: Option<File>,
    grown: Option<Grown>,
}

/// A file that grows under another name, which is locked, and is renamed over its target.
#[derive(Debug)]
struct Grown {
    part: PathBuf,
    target: PathBuf,
    has_content: bool,
}

/// Whether a path stands for standard output.
#[must_use]
pub fn is_standard_output(path: &Path) -> bool {
    ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"]
        .iter()
        .any(|name| path == Path::new(name))
}

/// Writes a file so that no reader ever sees a half of it.
///
/// # Errors
///
/// When it cannot be written, or another program is writing it.
pub fn write_whole(path: &Path, content: &[u8]) -> Result<(), ExportError> {
    Destination::claim(path)?.write_whole(content)
}

/// Removes what an earlier run left at a path, or empties it where it cannot be removed; links stay.
///
/// # Errors
///
/// When something is there that is no file.
pub fn remove_earlier(path: &Path) -> Result<(), ExportError> {
    let failed = |source| ExportError::io(path, source);
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(found) if found.is_file() => {
            let target = without_links(path).map_err(failed)?;
            let removed = fs::remove_file(target);
            removed.or_else(|_| File::create(path).map(drop).map_err(failed))
        }
        Ok(_) => Err(failed(io::Error::other("it is no file"))),
        Err(error) => Err(failed(error)),
    }
}

impl Destination {
    /// Takes the place, and finds out whether it can be written. What is there stays as it is until then.
    ///
    /// # Errors
    ///
    /// When it cannot be written, or another program has taken it.
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

    /// Writes all of it. A half of a file is of no use, so a failure removes it.
    ///
    /// # Errors
    ///
    /// When it cannot be written or renamed.
    pub fn write_whole(mut self, content: &[u8]) -> Result<(), ExportError> {
        let Err(error) = self.write_all(content) else {
            return self.finish();
        };
        if error.kind() == io::ErrorKind::BrokenPipe && is_standard_output(&self.path) {
            // Who closed the pipe early has what it wanted.
            return Ok(());
        }
        let error = self.failed(error);
        if let Some(grown) = &mut self.grown {
            grown.has_content = false;
        }
        Err(error)
    }

    /// Whether it is a file that grows beside its name, and not a device, a pipe or standard output.
    pub(super) fn grows(&self) -> bool {
        self.grown.is_some()
    }

    /// Ends the writing: a file gets its name. Fails when it cannot be renamed; what was written then stays under its
    /// provisional name.
    pub(super) fn finish(mut self) -> Result<(), ExportError> {
        let (Some(file), Some(grown)) = (&self.file, &self.grown) else {
            return Ok(());
        };
        let Grown { part, target, .. } = grown;
        if let Ok(before) = fs::metadata(target) {
            // A file system without modes is no reason to fail.
            let _ = file.set_permissions(before.permissions());
        }
        let renamed = fs::rename(part, target).or_else(|error| match error.kind() {
            // A file that is mounted alone, where the system did not tell before.
            io::ErrorKind::ResourceBusy => {
                fs::copy(part, target).and_then(|_| fs::remove_file(part))
            }
            _ => Err(error),
        });
        renamed.map_err(|source| ExportError::io(&self.path, source))?;
        self.grown = None;
        Ok(())
    }

    /// The error of a write; names the file that grows.
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
        // Files have no buffer here.
        Ok(())
    }
}

impl Drop for Destination {
    fn drop(&mut self) {
        if let Some(grown) = self.grown.as_ref().filter(|grown| !grown.has_content) {
            // Nothing depends on it being gone.
            let _ = fs::remove_file(&grown.part);
        }
    }
}

/// The file that grows for a path; `None` where there is what cannot be replaced.
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
        // Opened now, it would wait for a reader, and give it an end when closed.
        access(path, Access::WRITE_OK).map_err(|error| failed(error.into()))?;
        return Ok(None);
    }
    let target = without_links(path).map_err(failed)?;
    let has_that_name = fs::metadata(&target).is_ok_and(|own| is_same(&own, &found));
    if found.is_file() && has_that_name && !is_mount_point(&target) {
        match beside(path, target) {
            // A folder that takes no further file may hold one that can be written.
            Err(ExportError::Io { .. }) if itself().is_ok() => {}
            other => return other.map(Some),
        }
    }
    itself().map_err(failed)?;
    Ok(None)
}

/// Makes and locks the file that grows: `run.csv.part` for `run.csv`.
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
        // Whoever had it before may have renamed it since it was opened.
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

/// The name under which a file grows.
pub(super) fn part_of(target: &Path) -> PathBuf {
    let mut part = target.as_os_str().to_owned();
    part.push(".part");
    PathBuf::from(part)
}

/// The file that a path leads to, which need not exist.
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

/// Whether a single file is mounted here, over which nothing can be renamed. Only Linux tells, from 5.8 on.
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
