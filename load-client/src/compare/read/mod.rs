//! Reads the CSV of a run: ours, the article's with its three columns, Locust's or k6's.
//!
//! The reader is strict on purpose: a number that cannot be read is an error with its place, and no value is dropped
//! silently. It accepts a byte-order mark and the line ends of Windows. It skips the cut-off last line of a run that
//! was killed, with a warning. It unpacks gzip files while it reads them.

mod format;
mod series;
mod sidecar;

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use csv::{ByteRecord, Position};
use flate2::read::MultiGzDecoder;

use self::series::RunReader;
use self::sidecar::Beside;
use crate::compare::run::Run;

// internal: the files that `compare` must not overwrite
pub(crate) use sidecar::summary_beside;

/// Bytes read at once.
const BUFFER_BYTES: usize = 1 << 18;

/// The reason why the CSV of a run cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be opened or read.
    #[error("cannot read {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The content is not that of a run.
    #[error("{path} {reason}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column if the error is in one place.
        reason: String,
    },
}

impl ReadError {
    fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::Io { path, source }
    }

    fn content(path: &Path, reason: String) -> Self {
        let path = path.to_owned();
        Self::Content { path, reason }
    }
}

/// Reads the CSV of one run, and its JSON summary if it lies beside it: `X.json` for `X.csv` or `X.csv.gz`.
///
/// A summary that counts other requests than the CSV belongs to another run. It is ignored, with a warning.
///
/// # Errors
///
/// Returns an error that names the file, line and column of the fault: see [`ReadError`].
pub fn read_run(path: &Path) -> Result<Run, ReadError> {
    let failed = |source| ReadError::io(path, source);
    let file = File::open(path).map_err(failed)?;
    let facts = file.metadata().map_err(failed)?;
    let mut run = read(path, file, Beside::of(path))?;
    run.written = facts.modified().ok();
    Ok(run)
}

fn read(path: &Path, source: impl Read, summary: Beside) -> Result<Run, ReadError> {
    // The reader accepts lines of any length, so that our own error can name the line.
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .buffer_capacity(BUFFER_BYTES)
        .from_reader(Content::of(path, source)?);
    let content = |reason| ReadError::content(path, reason);
    let header = reader.byte_headers();
    let header = header.map_err(|error| unreadable(path, error))?;
    let mut run = RunReader::new(path, header, summary).map_err(content)?;
    let mut line = ByteRecord::new();
    while reader
        .read_byte_record(&mut line)
        .map_err(|error| unreadable(path, error))?
    {
        if reader.get_ref().is_cut_off() {
            run.skip_cut_off(&line);
            break;
        }
        run.take(&line).map_err(content)?;
    }
    run.finish().map_err(content)
}

fn line_of(record: &ByteRecord) -> u64 {
    record.position().map_or(0, Position::line)
}

fn unreadable(path: &Path, error: csv::Error) -> ReadError {
    let line = error.position().map_or(0, Position::line);
    let reason = format!("line {line}: {error}");
    match error.into_kind() {
        csv::ErrorKind::Io(source) => ReadError::io(path, source),
        _ => ReadError::content(path, reason),
    }
}

/// A packed file may hold at most this many times its size. The CSV of a run shrinks to a tenth. A file with a much
/// larger ratio, up to a thousand, was made to fill the memory.
const LARGEST_RATIO: u64 = 100;
/// Up to this many unpacked bytes, any ratio is accepted.
const ALWAYS_ALLOWED: u64 = if cfg!(test) { 1 << 20 } else { 64 << 20 };

/// The first bytes of packed files, by RFC 1952, RFC 8878, the .xz format 1.2, bzip2, and APPNOTE.TXT of ZIP.
const STARTS: [(&[u8], &str); 5] = [
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
    (b"PK\x03\x04", "zip"),
];
const LONGEST_START: u64 = 6;

/// Returns the name without the ending that gzip adds.
fn unpacked_name(path: &Path) -> PathBuf {
    match path.extension() {
        Some(end) if end.eq_ignore_ascii_case("gz") => path.with_extension(""),
        _ => path.to_owned(),
    }
}

/// The content of a file, unpacked while it is read. Several joined gzip files count as one.
struct Content<'a> {
    source: Box<dyn Read + 'a>,
    /// How many packed bytes were read, and how many unpacked bytes they gave. `None` if the file is not packed.
    packed: Option<(Rc<Cell<u64>>, u64)>,
    last: Option<u8>,
    is_at_end: bool,
}

/// Counts the bytes that are read.
struct Counted<R> {
    source: R,
    bytes: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.bytes.set(self.bytes.get() + count as u64);
        Ok(count)
    }
}

impl<'a> Content<'a> {
    /// Recognises the packing by the first bytes, whatever the file's name is.
    fn of(path: &Path, mut source: impl Read + 'a) -> Result<Self, ReadError> {
        let mut start = Vec::new();
        let first = source.by_ref().take(LONGEST_START).read_to_end(&mut start);
        first.map_err(|error| ReadError::io(path, error))?;
        let packing = STARTS.iter().find(|(own, _)| start.starts_with(own));
        let whole = Cursor::new(start).chain(source);
        let (source, packed): (Box<dyn Read + 'a>, _) = match packing {
            None => (Box::new(whole), None),
            Some((_, "gzip")) => {
                let bytes = Rc::<Cell<u64>>::default();
                let whole = Counted {
                    source: whole,
                    bytes: Rc::clone(&bytes),
                };
                let whole = BufReader::with_capacity(BUFFER_BYTES, whole);
                (Box::new(MultiGzDecoder::new(whole)), Some((bytes, 0)))
            }
            Some((_, tool)) => {
                let reason =
                    format!("is packed with {tool}, but only gzip can be read: unpack it first");
                return Err(ReadError::content(path, reason));
            }
        };
        Ok(Self {
            source,
            packed,
            last: None,
            is_at_end: false,
        })
    }

    /// Returns whether the line that was read last has no line end. A writer ends every line, so such a line was cut
    /// off when the run was killed. The CSV reader asks for bytes beyond the end only within such a line.
    fn is_cut_off(&self) -> bool {
        self.is_at_end && self.last != Some(b'\n')
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer);
        let count = match &mut self.packed {
            None => read?,
            Some((taken, given)) => {
                let count = read.map_err(in_words)?;
                *given += count as u64;
                let most = taken.get().saturating_mul(LARGEST_RATIO);
                if *given > most.max(ALWAYS_ALLOWED) {
                    return Err(too_much());
                }
                count
            }
        };
        self.last = buffer[..count].last().copied().or(self.last);
        self.is_at_end = count == 0;
        Ok(count)
    }
}

fn too_much() -> io::Error {
    io::Error::other(format!(
        "it unpacks to more than {LARGEST_RATIO} times its size, which no recorded run does; if it is a recorded \
         run, unpack it with gunzip first"
    ))
}

/// Explains an error of unpacking.
fn in_words(error: io::Error) -> io::Error {
    let text = match error.kind() {
        ErrorKind::UnexpectedEof => {
            "its gzip data is cut off: copy it again, or pack the CSV again".to_owned()
        }
        ErrorKind::InvalidInput | ErrorKind::InvalidData => {
            format!("its gzip data is damaged ({error}): copy it again, or pack the CSV again")
        }
        _ => return error,
    };
    io::Error::new(error.kind(), text)
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod packing_tests {
    use std::io::repeat;

    use flate2::Compression;
    use flate2::read::GzEncoder;

    use super::*;

    fn packed(content: impl Read) -> Vec<u8> {
        let mut packed = Vec::new();
        let mut encoder = GzEncoder::new(content, Compression::default());
        encoder.read_to_end(&mut packed).unwrap();
        packed
    }

    fn unpacked(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        let content = Content::of(Path::new("run"), bytes);
        content.unwrap().read_to_end(&mut all)?;
        Ok(all)
    }

    #[test]
    fn a_packing_is_told_by_its_first_bytes_and_none_is_lost() {
        for (bytes, tool) in [
            (&b"\x28\xb5\x2f\xfdrest"[..], "zstd"),
            (b"\xfd7zXZ\0rest", "xz"),
            (b"BZh9rest", "bzip2"),
            (b"PK\x03\x04rest", "zip"),
        ] {
            let refused = Content::of(Path::new("run"), bytes).err().unwrap();
            let refused = refused.to_string();
            assert!(
                refused.contains(&format!("packed with {tool}")),
                "{refused}"
            );
        }
        for bytes in [&b"request_type,name"[..], b"\x1f", b""] {
            assert_eq!(unpacked(bytes).unwrap(), bytes);
        }
    }

    #[test]
    fn joined_files_are_one_and_damage_is_told() {
        let (one, two) = (packed(&b"one,"[..]), packed(&b"two"[..]));
        let joined = [&*one, &*two].concat();
        assert_eq!(unpacked(&joined).unwrap(), b"one,two");
        let cut = unpacked(&joined[..joined.len() - 3]).unwrap_err();
        assert!(cut.to_string().contains("cut off"), "{cut}");
        let mut damaged = one;
        let crc = damaged.len() - 8;
        damaged[crc] ^= 1;
        let damaged = unpacked(&damaged).unwrap_err();
        assert!(damaged.to_string().contains("damaged"), "{damaged}");
    }

    #[test]
    fn a_file_that_was_made_to_fill_the_memory_is_refused() {
        let bomb = packed(repeat(b'0').take(ALWAYS_ALLOWED + 1));
        let refused = unpacked(&bomb).unwrap_err().to_string();
        assert!(
            refused.contains("more than 100 times its size"),
            "{refused}"
        );
        let small = packed(repeat(b'0').take(1 << 20));
        assert_eq!(unpacked(&small).unwrap().len(), 1 << 20);
    }

    #[test]
    fn one_name_for_packed_and_unpacked() {
        for (name, expected) in [
            ("a/run.csv.gz", "a/run.csv"),
            ("run.CSV.GZ", "run.CSV"),
            ("run.csv", "run.csv"),
            ("gz", "gz"),
        ] {
            assert_eq!(unpacked_name(Path::new(name)), Path::new(expected));
        }
    }
}
