//! A run's CSV that is packed: gzip is unpacked while it is read, other packings are told by their first bytes.

use std::io::{Chain, Cursor, Error, ErrorKind, Read, Result};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

/// How often its own size a packed file may hold. CSV of runs shrinks to a tenth, and gzip can promise a thousand
/// times: that is a file which was made to fill the memory.
const LARGEST_RATIO: u64 = 100;
/// Up to this many unpacked bytes the ratio does not matter.
const ALWAYS_ALLOWED: u64 = 64 << 20;

/// The first bytes of packed files: RFC 1952, RFC 8878, the .xz format 1.2, bzip2, APPNOTE.TXT of ZIP.
const STARTS: [(&[u8], Packing); 5] = [
    (b"\x1f\x8b", Packing::Gzip),
    (b"\x28\xb5\x2f\xfd", Packing::Other("zstd")),
    (b"\xfd7zXZ\0", Packing::Other("xz")),
    (b"BZh", Packing::Other("bzip2")),
    (b"PK\x03\x04", Packing::Other("zip")),
];
const LONGEST_START: u64 = 6;

/// What packed a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    /// One that is not read.
    Other(&'static str),
}

/// A source whose first bytes were looked at.
pub(super) type Whole<R> = Chain<Cursor<Vec<u8>>, R>;

impl Packing {
    /// Tells the packing by the first bytes, whatever the file's name is; the source begins with them again.
    pub(super) fn of<R: Read>(mut source: R) -> Result<(Option<Self>, Whole<R>)> {
        let mut start = Vec::new();
        source
            .by_ref()
            .take(LONGEST_START)
            .read_to_end(&mut start)?;
        let known = STARTS.iter().find(|(own, _)| start.starts_with(own));
        let packing = known.map(|(_, packing)| *packing);
        Ok((packing, Cursor::new(start).chain(source)))
    }
}

/// The name without the ending that gzip adds.
pub(super) fn unpacked_name(path: &Path) -> PathBuf {
    match path.extension() {
        Some(end) if end.eq_ignore_ascii_case("gz") => path.with_extension(""),
        _ => path.to_owned(),
    }
}

/// The content of a gzip file; several that were joined are one.
pub(super) struct Unpacked<R> {
    source: MultiGzDecoder<Counted<R>>,
    bytes: u64,
}

impl<R: Read> Unpacked<R> {
    pub(super) fn new(source: R) -> Self {
        let source = MultiGzDecoder::new(Counted { source, bytes: 0 });
        Self { source, bytes: 0 }
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = self.source.read(buffer).map_err(in_words)?;
        self.bytes += count as u64;
        let most = self.source.get_ref().bytes.saturating_mul(LARGEST_RATIO);
        if self.bytes > most.max(ALWAYS_ALLOWED) {
            return Err(Error::other(format!(
                "it unpacks to more than {LARGEST_RATIO} times its size, which no run does; if it is one, unpack it \
                 with gunzip first"
            )));
        }
        Ok(count)
    }
}

fn in_words(error: Error) -> Error {
    let text = match error.kind() {
        ErrorKind::UnexpectedEof => {
            "its gzip data is cut off: copy it again, or pack the CSV again".to_owned()
        }
        ErrorKind::InvalidInput | ErrorKind::InvalidData => {
            format!("its gzip data is damaged ({error}): copy it again, or pack the CSV again")
        }
        _ => return error,
    };
    Error::new(error.kind(), text)
}

/// Counts the bytes that passed.
struct Counted<R> {
    source: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = self.source.read(buffer)?;
        self.bytes += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
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

    fn unpacked(bytes: &[u8]) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        Unpacked::new(bytes).read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn a_packing_is_told_by_its_first_bytes_and_none_is_lost() {
        for (bytes, expected) in [
            (&b"\x1f\x8b\x08rest"[..], Some(Packing::Gzip)),
            (b"\x28\xb5\x2f\xfdrest", Some(Packing::Other("zstd"))),
            (b"\xfd7zXZ\0rest", Some(Packing::Other("xz"))),
            (b"BZh9rest", Some(Packing::Other("bzip2"))),
            (b"PK\x03\x04rest", Some(Packing::Other("zip"))),
            (b"request_type,name", None),
            (b"\x1f", None),
            (b"", None),
        ] {
            let (packing, mut source) = Packing::of(bytes).unwrap();
            assert_eq!(packing, expected, "{bytes:?}");
            let mut again = Vec::new();
            source.read_to_end(&mut again).unwrap();
            assert_eq!(again, bytes);
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
        let refused = std::io::copy(&mut Unpacked::new(&*bomb), &mut std::io::sink());
        let refused = refused.unwrap_err().to_string();
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
