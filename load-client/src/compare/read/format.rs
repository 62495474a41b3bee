//! What the file of a run is, told by its beginning: how it is packed, which tool wrote it, and what its columns
//! mean. Gzip is unpacked while it is read.

use std::io::{self, Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};

use csv::ByteRecord;
use flate2::read::MultiGzDecoder;

use crate::measure::summary::Status;

/// The tools whose files are understood.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Tool {
    /// Ours, and the three columns `request_type,name,response_time` of the seed's article.
    #[default]
    Ours,
    /// Locust's per-request log (contrib): `timestamp,...,response_time_ms,...,exception`.
    Locust,
    /// k6's `--out csv`: one line a metric, of which the request durations count.
    K6,
}

/// Where a file has what is read of it; all but the response time may be absent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Columns {
    tool: Tool,
    /// What was asked for.
    pub(super) kind: [Option<usize>; 2],
    /// With the column's name.
    pub(super) response_time: (usize, &'static str),
    /// The moment of sending, in nanoseconds since the start; of other tools the end, on the wall clock.
    pub(super) stamp: Option<usize>,
    /// The moment in which the reply came, which only our file has.
    pub(super) replied_ns: Option<usize>,
    pub(super) warm_up: Option<usize>,
    /// How the request ended, in our words.
    status: Option<usize>,
    /// Filled where the request failed.
    error: Option<usize>,
    /// `false` where the request failed.
    expected: Option<usize>,
}

/// The metrics of k6 that are response times, in milliseconds.
const K6_DURATIONS: [&[u8]; 2] = [b"http_req_duration", b"grpc_req_duration"];

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    Badly,
    Censored,
}

impl Columns {
    /// Tells the tool by the header; `Err` names a column that is missing.
    pub(super) fn of(header: &ByteRecord) -> Result<Self, &'static str> {
        let find = |name: &str| header.iter().position(|column| column == name.as_bytes());
        let required = |name: &'static str| find(name).ok_or(name);
        if let (Some(metric), Some(timestamp), Some(value)) =
            (find("metric_name"), find("timestamp"), find("metric_value"))
        {
            return Ok(Self {
                tool: Tool::K6,
                kind: [Some(metric), find("name")],
                response_time: (value, "metric_value"),
                stamp: Some(timestamp),
                error: find("error"),
                expected: find("expected_response"),
                ..Self::default()
            });
        }
        let kind = [Some(required("request_type")?), Some(required("name")?)];
        if let Some(response_time) = find("response_time_ms") {
            return Ok(Self {
                tool: Tool::Locust,
                kind,
                response_time: (response_time, "response_time_ms"),
                stamp: find("timestamp"),
                error: find("exception"),
                ..Self::default()
            });
        }
        Ok(Self {
            kind,
            response_time: (required("response_time")?, "response_time"),
            stamp: find("sent_ns"),
            replied_ns: find("replied_ns"),
            warm_up: find("warm_up"),
            status: find("status"),
            ..Self::default()
        })
    }

    /// Whether its time stamps are of the ends of requests, on the wall clock; ours are of their sending.
    pub(super) fn stamps_are_ends(&self) -> bool {
        self.tool != Tool::Ours
    }

    /// Whether a line is about a request at all.
    pub(super) fn is_request(&self, record: &ByteRecord) -> bool {
        let metric = self.kind[0].map(|column| &record[column]);
        self.tool != Tool::K6 || metric.is_some_and(|own| K6_DURATIONS.contains(&own))
    }

    /// How a request ended, as far as its line says; a line that says nothing is a good reply.
    pub(super) fn ended(&self, record: &ByteRecord) -> Ended {
        let of = |column: Option<usize>| column.map_or(&[][..], |at| &record[at]);
        let is = |status: Status| of(self.status) == status.as_str().as_bytes();
        if self.status.is_some() && is(Status::Censored) {
            Ended::Censored
        } else if (self.status.is_some() && !is(Status::Ok))
            || !of(self.error).is_empty()
            || of(self.expected) == b"false"
        {
            Ended::Badly
        } else {
            Ended::Well
        }
    }
}

/// Reads a moment in seconds: a number of seconds, milliseconds, microseconds or nanoseconds since 1970,
/// told apart by their size, or RFC 3339 with a `T` or a blank. `None` for anything else.
pub(super) fn seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        let scale = match number {
            // Seconds reach 1e11 in the year 5138, and each smaller unit is a thousand times as many.
            number if !number.is_finite() || number < 0.0 => return None,
            number if number < 1e11 => 1.0,
            number if number < 1e14 => 1e3,
            number if number < 1e17 => 1e6,
            _ => 1e9,
        };
        return Some(number / scale);
    }
    let moment = humantime::parse_rfc3339_weak(text.trim_end_matches("+00:00")).ok()?;
    let since = moment.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(since.as_secs_f64())
}

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

impl Packing {
    /// Tells the packing by the first bytes, whatever the file's name is; the source begins with them again.
    pub(super) fn of<R: Read>(mut source: R) -> io::Result<(Option<Self>, impl Read)> {
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
    source: MultiGzDecoder<Passed<R>>,
    bytes: u64,
}

impl<R: Read> Unpacked<R> {
    pub(super) fn new(source: R) -> Self {
        let source = MultiGzDecoder::new(Passed::new(source));
        Self { source, bytes: 0 }
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer).map_err(in_words)?;
        self.bytes += count as u64;
        let most = self.source.get_ref().bytes.saturating_mul(LARGEST_RATIO);
        if self.bytes > most.max(ALWAYS_ALLOWED) {
            return Err(io::Error::other(format!(
                "it unpacks to more than {LARGEST_RATIO} times its size, which no run does; if it is one, unpack it \
                 with gunzip first"
            )));
        }
        Ok(count)
    }
}

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

/// Counts the bytes that passed, and remembers the last.
pub(super) struct Passed<R> {
    source: R,
    bytes: u64,
    last: Option<u8>,
}

impl<R> Passed<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            bytes: 0,
            last: None,
        }
    }

    pub(super) fn ends_with_newline(&self) -> bool {
        self.last == Some(b'\n')
    }
}

impl<R: Read> Read for Passed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.bytes += count as u64;
        self.last = buffer[..count].last().copied().or(self.last);
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

    fn unpacked(bytes: &[u8]) -> io::Result<Vec<u8>> {
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
        let refused = io::copy(&mut Unpacked::new(&*bomb), &mut io::sink());
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

    #[test]
    fn every_notation_of_one_moment() {
        for text in [
            "1700000000.25",
            "1700000000250",
            "1700000000250000",
            "1700000000250000000",
            "2023-11-14T22:13:20.25Z",
            "2023-11-14 22:13:20.250",
            "2023-11-14 22:13:20.25+00:00",
        ] {
            let found = seconds(text).unwrap_or_else(|| panic!("{text}"));
            assert!((found - 1_700_000_000.25).abs() < 1e-6, "{text}: {found}");
        }
        for text in ["", "soon", "-1", "NaN", "14/11/2023"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
